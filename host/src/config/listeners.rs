//! Owns what is said of the two listeners together: addresses that collide, and the certificate of the
//! second.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use super::spanned::Spanned;
use super::{Checker, Config};
use crate::wire::CertificateFiles;

impl Config {
    /// The two addresses, when no server could listen on both of them.
    pub fn listeners_that_collide(&self) -> Option<(SocketAddr, SocketAddr)> {
        let (listen, admin) = (self.listen, self.admin?);
        let is_one_port = listen.port() == admin.port() && listen.port() != 0;
        (is_one_port && (covers(listen.ip(), admin.ip()) || covers(admin.ip(), listen.ip())))
            .then_some((listen, admin))
    }
}

/// Whether a socket bound to `one` takes what is sent to `other`. That of all addresses of version 6
/// takes those of version 4 too.
fn covers(one: IpAddr, other: IpAddr) -> bool {
    one == other || (one.is_unspecified() && (one.is_ipv6() || other.is_ipv4()))
}

impl Checker<'_> {
    /// The files of the second listener's certificate: both, or neither.
    pub(super) fn admin_certificate(
        &mut self,
        certificate: Option<Spanned<PathBuf>>,
        key: Option<Spanned<PathBuf>>,
    ) -> Option<CertificateFiles> {
        match (certificate, key) {
            (Some(certificate), Some(key)) => Some(CertificateFiles {
                certificate: self.folder().join(certificate.get_ref()),
                key: self.folder().join(key.get_ref()),
            }),
            (None, None) => None,
            (Some(certificate), None) => {
                let what = "`server.admin_certificate` is of no use without its key; add \
                            `admin_key`, the file with that";
                self.fault(certificate.span().start, what);
                None
            }
            (None, Some(key)) => {
                let what = "`server.admin_key` is of no use without its certificate; add \
                            `admin_certificate`, the file with that";
                self.fault(key.span().start, what);
                None
            }
        }
    }
}
