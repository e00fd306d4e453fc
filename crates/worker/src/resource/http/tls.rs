//! TLS to servers: 1.2 and 1.3, with the certificates that the system trusts, or without looking at the server's.

use std::io;
use std::sync::{Arc, LazyLock};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use url::{Host, Url};

use super::problem::Problem;

/// The two ways to speak TLS.
#[derive(Debug, Clone)]
pub(super) struct Tls {
    verified: Arc<ClientConfig>,
    unverified: Arc<ClientConfig>,
}

static SYSTEM: LazyLock<Tls> = LazyLock::new(|| {
    let found = rustls_native_certs::load_native_certs();
    for error in &found.errors {
        tracing::warn!(%error, "a certificate of the system cannot be read");
    }
    let mut roots = RootCertStore::empty();
    // Old ones that do not parse are in many systems' stores.
    let (added, _) = roots.add_parsable_certificates(found.certs);
    if added == 0 {
        tracing::warn!("the system trusts no certificates (ca-certificates): apps reach no server by https");
    }
    Tls::trusting(roots)
});

impl Tls {
    /// What the system trusts, read once.
    pub(super) fn system() -> Self {
        SYSTEM.clone()
    }

    /// With these roots. No session is resumed: one app's could tell it of another's.
    pub(super) fn trusting(roots: RootCertStore) -> Self {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = || {
            let builder = ClientConfig::builder_with_provider(Arc::clone(&provider));
            builder.with_safe_default_protocol_versions().expect("ring speaks TLS 1.2 and 1.3")
        };
        let mut verified = config().with_root_certificates(roots).with_no_client_auth();
        let anybody = Arc::new(Anybody(Arc::clone(&provider)));
        let mut unverified = config().dangerous().with_custom_certificate_verifier(anybody).with_no_client_auth();
        for config in [&mut verified, &mut unverified] {
            config.resumption = rustls::client::Resumption::disabled();
        }
        Self { verified: Arc::new(verified), unverified: Arc::new(unverified) }
    }

    /// Speaks TLS on a connection to the host of a URL.
    pub(super) async fn connect(
        &self,
        url: &Url,
        verify: bool,
        stream: TcpStream,
    ) -> Result<TlsStream<TcpStream>, Problem> {
        let no_name = || Problem::Url { url: url.to_string(), why: "its host is no name for TLS".to_owned() };
        let name = match url.host().ok_or_else(no_name)? {
            // A certificate has no dot at the end of its names.
            Host::Domain(name) => {
                let name = name.strip_suffix('.').unwrap_or(name).to_owned();
                ServerName::try_from(name).map_err(|_| no_name())?
            }
            Host::Ipv4(address) => ServerName::IpAddress(std::net::IpAddr::from(address).into()),
            Host::Ipv6(address) => ServerName::IpAddress(std::net::IpAddr::from(address).into()),
        };
        let config = if verify { &self.verified } else { &self.unverified };
        TlsConnector::from(Arc::clone(config)).connect(name, stream).await.map_err(|error| problem(&error))
    }
}

/// What went wrong with a connection, in its handshake or later.
pub(super) fn problem(error: &io::Error) -> Problem {
    match error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) {
        Some(Error::InvalidCertificate(why)) => Problem::Certificate(why.to_string()),
        Some(Error::InvalidMessage(_)) => Problem::NotTls,
        Some(other) => Problem::Tls(other.to_string()),
        None if error.kind() == io::ErrorKind::UnexpectedEof => Problem::Closed,
        None => Problem::Lost(error.to_string()),
    }
}

/// Takes every certificate: `VERIFY_NONE`.
#[derive(Debug)]
struct Anybody(Arc<CryptoProvider>);

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    // That a server has the key of a certificate that nobody looks at says nothing; and some certificates cannot even be parsed.
    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
