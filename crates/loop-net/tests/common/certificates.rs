//! Who trusts whom in the tests of TLS.

use std::sync::Arc;

use loop_net::rustls::pki_types::pem::PemObject;
use loop_net::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use loop_net::rustls::{ClientConfig, RootCertStore, ServerConfig};

pub(crate) fn file(name: &str) -> String {
    format!("{}/tests/certificates/{name}", env!("CARGO_MANIFEST_DIR"))
}

pub(crate) fn client_config() -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    let authority = CertificateDer::from_pem_file(file("authority.pem")).unwrap();
    roots.add(authority).unwrap();
    let config = ClientConfig::builder().with_root_certificates(roots);
    Arc::new(config.with_no_client_auth())
}

/// The certificate is for `localhost` and its address; whoever asks is spoken to in `echo`.
pub(crate) fn server_config() -> Arc<ServerConfig> {
    let certificate = CertificateDer::from_pem_file(file("certificate.pem")).unwrap();
    let key = PrivateKeyDer::from_pem_file(file("key.pem")).unwrap();
    let config = ServerConfig::builder().with_no_client_auth();
    let mut config = config.with_single_cert(vec![certificate], key).unwrap();
    config.alpn_protocols = vec![b"echo".to_vec()];
    Arc::new(config)
}
