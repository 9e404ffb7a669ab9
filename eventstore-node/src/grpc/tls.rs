//! TLS, from a certificate chain and its key in PEM.

use std::sync::Arc;

use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs::default_provider;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::options::{GrpcError, TlsOptions};

/// Makes the acceptor. HTTP/2 is preferred.
pub(crate) fn acceptor(options: &TlsOptions) -> Result<TlsAcceptor, GrpcError> {
    let refuse = |reason: String| GrpcError::Tls { reason };
    let certificates = CertificateDer::pem_slice_iter(&options.certificate)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| refuse(format!("the certificate is no PEM: {error}")))?;
    let key = PrivateKeyDer::from_pem_slice(&options.key)
        .map_err(|error| refuse(format!("the key is no PEM: {error}")))?;
    let mut config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| refuse(error.to_string()))?
        .with_no_client_auth()
        .with_single_cert(certificates, key)
        .map_err(|error| refuse(error.to_string()))?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}
