//! A certificate that signs itself, and its key, as files beside a `hob.toml`.

use rustls::pki_types::CertificateDer;

use super::{Client, Hob, Response, Scratch, get};

/// The lines of `[server]` that name the files.
pub(crate) const CERTIFICATE_LINES: &str =
    "admin_certificate = \"chain.pem\"\nadmin_key = \"key.pem\"";

/// A certificate for this machine.
pub(crate) struct Certificate {
    pub(crate) der: CertificateDer<'static>,
    pub(crate) pem: String,
    pub(crate) key: String,
}

impl Certificate {
    pub(crate) fn new() -> Self {
        let names = ["127.0.0.1", "localhost"].map(str::to_owned);
        let made = rcgen::generate_simple_self_signed(names).expect("a key");
        let (pem, key) = (made.cert.pem(), made.signing_key.serialize_pem());
        Certificate { der: made.cert.der().clone(), pem, key }
    }

    /// Puts it where [`CERTIFICATE_LINES`] say.
    pub(crate) fn put(&self, scratch: &Scratch) {
        scratch.file("chain.pem", &self.pem);
        scratch.file("key.pem", &self.key);
    }

    /// A client of a second listener that shows this certificate.
    pub(crate) fn client(&self, hob: &Hob) -> Client {
        Client::secure(hob.admin, &self.der)
    }

    /// Asks that.
    pub(crate) fn ask(&self, hob: &Hob, target: &str) -> Response {
        self.client(hob).exchange(get(target))
    }
}
