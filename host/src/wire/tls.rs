//! Owns TLS as a client, and whom it trusts: by rustls, the system's roots, or Mozilla's where there are
//! none.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::event_loop::TcpStream;

/// Makes connections secure. Cheap to clone.
#[derive(Clone)]
pub struct Tls {
    connector: TlsConnector,
}

/// Why there can be no TLS. The message says what to do.
#[derive(Debug)]
pub struct TlsError {
    path: PathBuf,
    why: String,
    /// What has named the file.
    named_by: &'static str,
}

impl std::fmt::Display for TlsError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let TlsError { path, why, named_by } = self;
        write!(
            f,
            "cannot trust the certificates in {}: {why}; {named_by} names a file of certificates in PEM",
            path.display()
        )
    }
}

impl std::error::Error for TlsError {}

impl Tls {
    /// Trusts the system's roots, and those in the file `more`. Blocks.
    ///
    /// # Errors
    /// When that file holds no certificates.
    pub fn new(more: Option<&Path>) -> Result<Self, TlsError> {
        let mut roots = RootCertStore::empty();
        let system = rustls_native_certs::load_native_certs();
        roots.add_parsable_certificates(system.certs);
        if roots.is_empty() {
            roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
        }
        if let Some(path) = more {
            let named_by = "`trust` in the table [server] of hob.toml";
            certificates_in(path, named_by)?.into_iter().for_each(|one| {
                roots.add(one).expect("it was tried");
            });
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("ring has the cipher suites of both versions")
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Tls { connector: TlsConnector::from(Arc::new(config)) })
    }

    /// Speaks TLS on a connection that is just made.
    ///
    /// # Errors
    /// When the other side does not, or is not who it should be.
    pub(super) async fn connect(
        &self,
        host: &str,
        stream: TcpStream,
    ) -> io::Result<TlsStream<TcpStream>> {
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        let name = ServerName::try_from(bare.to_owned()).map_err(io::Error::other)?;
        self.connector.connect(name, stream).await
    }
}

/// The certificates that a command trusts, in DER: the system's, and those in the file `more`. None when
/// there are neither. Blocks.
///
/// # Errors
/// When that file holds no certificates.
pub fn trusted(more: Option<&Path>) -> Result<Vec<Vec<u8>>, TlsError> {
    let mut all = rustls_native_certs::load_native_certs().certs;
    if let Some(path) = more {
        all.extend(certificates_in(path, "--ca")?);
    }
    Ok(all.iter().map(|certificate| certificate.to_vec()).collect())
}

/// Certificates of a file, each of which can be trusted.
fn certificates_in(
    path: &Path,
    named_by: &'static str,
) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let fault = |why: String| TlsError { path: path.to_owned(), why, named_by };
    let certificates: Vec<_> = CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect)
        .map_err(|error| fault(error.to_string()))?;
    if certificates.is_empty() {
        return Err(fault("there is none in it".to_owned()));
    }
    for certificate in &certificates {
        let tried = RootCertStore::empty().add(certificate.clone());
        tried.map_err(|error| fault(error.to_string()))?;
    }
    Ok(certificates)
}
