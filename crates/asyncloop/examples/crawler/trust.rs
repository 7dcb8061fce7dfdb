//! Whose certificates are believed.

use std::error::Error;
use std::path::Path;
use std::sync::Arc;

use asyncloop::net::rustls::client::WebPkiServerVerifier;
use asyncloop::net::rustls::client::danger::{
    HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier,
};
use asyncloop::net::rustls::pki_types::pem::PemObject;
use asyncloop::net::rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use asyncloop::net::rustls::{
    ClientConfig, DigitallySignedStruct, Error as TlsError, RootCertStore, SignatureScheme,
};

/// TLS with the authorities that browsers trust, and those in a file; `insecure`: with anybody.
pub(crate) fn config(insecure: bool, own: Option<&Path>) -> Result<ClientConfig, Box<dyn Error>> {
    let mut roots = RootCertStore::from_iter(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    if let Some(path) = own {
        add(&mut roots, path).map_err(|error| format!("--ca {}: {error}", path.display()))?;
    }
    let roots = Arc::new(roots);
    if !insecure {
        return Ok(ClientConfig::builder()
            .with_root_certificates(roots)
            .with_no_client_auth());
    }
    let verifier = WebPkiServerVerifier::builder(roots).build();
    let anybody = Anybody(verifier.expect("the list of roots is not empty"));
    Ok(ClientConfig::builder()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(anybody))
        .with_no_client_auth())
}

/// Adds the certificates of a file in PEM.
fn add(roots: &mut RootCertStore, path: &Path) -> Result<(), Box<dyn Error>> {
    let before = roots.len();
    for certificate in CertificateDer::pem_file_iter(path)? {
        roots.add(certificate?)?;
    }
    match roots.len() == before {
        true => Err("there is no certificate in it".into()),
        false => Ok(()),
    }
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
    ) -> Result<ServerCertVerified, TlsError> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        self.0
            .verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        self.0
            .verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_verify_schemes()
    }
}
