//! Owns what a listener that speaks TLS shows of itself: a certificate and its key, read from files and
//! replaced while it listens.

use std::path::{Path, PathBuf};
use std::sync::{Arc, RwLock};

use rustls::pki_types::pem::{Error as PemError, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{Error as TlsFault, ServerConfig};

/// The files of a certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateFiles {
    /// The server's own certificate first, then those that it is certified by, in PEM.
    pub certificate: PathBuf,
    /// The private key of the first, in PEM.
    pub key: PathBuf,
}

/// A certificate and its key, ready to be shown.
#[derive(Clone)]
pub struct Certified(Arc<ServerConfig>);

/// What a listener shows to those who connect from now on. Cheap to clone.
#[derive(Clone)]
pub struct Identity(Arc<RwLock<Certified>>);

/// Why files are no certificate. The message says which, and what is wrong with it.
#[derive(Debug)]
pub struct CertificateError {
    path: PathBuf,
    why: String,
}

impl std::fmt::Display for CertificateError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "cannot use {}: {}", self.path.display(), self.why)
    }
}

impl std::error::Error for CertificateError {}

impl CertificateFiles {
    /// Reads both. Blocks.
    ///
    /// # Errors
    /// When a file cannot be read, has nothing of its kind in it, or the two do not belong together.
    pub fn read(&self) -> Result<Certified, CertificateError> {
        let CertificateFiles { certificate, key } = self;
        let fault = |path: &Path, why: String| CertificateError { path: path.to_owned(), why };
        let chain = CertificateDer::pem_file_iter(certificate).and_then(Iterator::collect);
        let chain: Vec<_> = chain.map_err(|error| fault(certificate, of_pem(error)))?;
        if chain.is_empty() {
            let why = "there is no certificate in it; name a file of certificates in PEM, the \
                       server's own first";
            return Err(fault(certificate, why.to_owned()));
        }
        let private =
            PrivateKeyDer::from_pem_file(key).map_err(|error| fault(key, of_key(error)))?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("ring has the cipher suites of both versions")
            .with_no_client_auth()
            .with_single_cert(chain, private)
            .map_err(|error| match error {
                TlsFault::InconsistentKeys(_) => {
                    let certificate = certificate.display();
                    let why = format!(
                        "it is not the key of the first certificate in {certificate}; name the key \
                         that this was made with, and put the server's own certificate first"
                    );
                    fault(key, why)
                }
                TlsFault::InvalidCertificate(error) => {
                    fault(certificate, format!("its first certificate is damaged ({error:?})"))
                }
                other => fault(key, format!("{other}; an RSA, ECDSA or Ed25519 key is needed")),
            })?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Certified(Arc::new(config)))
    }
}

impl Identity {
    /// Shows this.
    pub fn new(certified: Certified) -> Self {
        Identity(Arc::new(RwLock::new(certified)))
    }

    /// Shows this to those who connect from now on.
    pub fn replace(&self, certified: Certified) {
        *self.0.write().expect("a certificate") = certified;
    }

    /// What a new session is made with.
    pub(super) fn config(&self) -> Arc<ServerConfig> {
        self.0.read().expect("a certificate").0.clone()
    }
}

fn of_pem(error: PemError) -> String {
    match error {
        PemError::Io(error) => error.to_string(),
        other => format!("it is not PEM ({other})"),
    }
}

fn of_key(error: PemError) -> String {
    match error {
        PemError::NoItemsFound => "there is no private key in it; name a file with the \
                                   certificate's key in PEM, without a passphrase"
            .to_owned(),
        other => of_pem(other),
    }
}
