//! Owns TLS as a client: by rustls, trusting the system's roots, or Mozilla's where there are none.

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
}

impl std::fmt::Display for TlsError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let TlsError { path, why } = self;
        write!(
            f,
            "cannot trust the certificates in {}: {why}; `trust` in the table [server] of hob.toml \
             names a file of certificates in PEM",
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
            add(&mut roots, path).map_err(|why| TlsError { path: path.to_owned(), why })?;
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

fn add(roots: &mut RootCertStore, path: &Path) -> Result<(), String> {
    let certificates: Vec<_> = CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect)
        .map_err(|error| error.to_string())?;
    if certificates.is_empty() {
        return Err("there is none in it".to_owned());
    }
    for certificate in certificates {
        roots.add(certificate).map_err(|error| error.to_string())?;
    }
    Ok(())
}
