//! Whose certificates are believed.

use std::sync::Arc;

use asyncloop::net::rustls::client::WebPkiServerVerifier;
use asyncloop::net::rustls::client::danger::{
    HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier,
};
use asyncloop::net::rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use asyncloop::net::rustls::{
    ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
};

/// TLS with the authorities that browsers trust; `insecure`: with anybody.
pub(crate) fn config(insecure: bool) -> ClientConfig {
    let roots = RootCertStore::from_iter(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    let roots = Arc::new(roots);
    if !insecure {
        return ClientConfig::builder()
            .with_root_certificates(roots)
            .with_no_client_auth();
    }
    let verifier = WebPkiServerVerifier::builder(roots).build();
    let anybody = Anybody(verifier.expect("the list of roots is not empty"));
    ClientConfig::builder()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(anybody))
        .with_no_client_auth()
}

/// Believes every certificate, and still wants the server to hold the key that it names.
#[derive(Debug)]
struct Anybody(Arc<WebPkiServerVerifier>);

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.0
            .verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.0
            .verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_verify_schemes()
    }
}
