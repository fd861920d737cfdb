//! TLS to the next host: whom we believe, and the handshake. There is no way to switch the checks off.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore, crypto};

use crate::SetupError;

/// The certificates that we believe, ready for handshakes.
#[derive(Clone)]
pub(crate) struct Trust {
    connector: TlsConnector,
}

impl Trust {
    /// The system's certificates and those in `ca_file`.
    pub(crate) fn new(ca_file: Option<&Path>) -> Result<Trust, SetupError> {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        if let Some(path) = ca_file {
            add_file(&mut roots, path)?;
        }
        if roots.is_empty() {
            let reason =
                "no certificate authority is trusted: install the system's (ca-certificates) or name a ca_file";
            return Err(SetupError { reason: reason.to_owned() });
        }
        let config = ClientConfig::builder_with_provider(Arc::new(crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| SetupError { reason: format!("TLS: {error}") })?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Trust { connector: TlsConnector::from(Arc::new(config)) })
    }

    /// The handshake; an error when the certificate is not valid for `name`.
    pub(crate) async fn handshake(&self, name: &str, socket: TcpStream) -> std::io::Result<TlsStream<TcpStream>> {
        let name = ServerName::try_from(name.to_owned()).map_err(std::io::Error::other)?;
        self.connector.connect(name, socket).await
    }
}

impl std::fmt::Debug for Trust {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Trust").finish_non_exhaustive()
    }
}

fn add_file(roots: &mut RootCertStore, path: &Path) -> Result<(), SetupError> {
    let wrong =
        |reason: String| SetupError { reason: format!("the ca_file {}: {reason}", PathBuf::from(path).display()) };
    let pem = std::fs::read(path).map_err(|error| wrong(error.to_string()))?;
    let mut count = 0;
    for certificate in CertificateDer::pem_slice_iter(&pem) {
        let certificate = certificate.map_err(|error| wrong(format!("not a certificate in PEM: {error}")))?;
        roots.add(certificate).map_err(|error| wrong(error.to_string()))?;
        count += 1;
    }
    if count == 0 { Err(wrong("no certificate in PEM is in it".to_owned())) } else { Ok(()) }
}
