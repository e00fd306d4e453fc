//! How servers are reached: TLS with certificates of one's own, HTTP/2 and 1.1, and proxies by SOCKS.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex, PoisonError};

use belljar_client::http::Settings;
use belljar_client::vendors::{Cuckoo, CuckooSettings};
use belljar_client::{ErrorKind, Fault, Sandbox as _, Secret};
use bytes::Bytes;
use http_body_util::Full;
use hyper::service::service_fn;
use hyper::{Response, Version};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use crate::stand_in::{Reply, StandIn};

/// A certificate of nobody's for 127.0.0.1, as PEM, and its key; or why there is none.
fn certificate(directory: &Path) -> Result<(Vec<u8>, Vec<u8>), String> {
    let (certificate, key) = (directory.join("certificate.pem"), directory.join("key.pem"));
    let config = directory.join("openssl.cnf");
    std::fs::write(&config, "[req]\ndistinguished_name=dn\n[dn]\n").unwrap();
    let made = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"])
        .args(["-subj", "/CN=lab", "-addext", "subjectAltName=IP:127.0.0.1", "-addext", "basicConstraints=CA:FALSE"])
        .args(["-config".as_ref(), config.as_os_str(), "-keyout".as_ref(), key.as_os_str()])
        .args(["-out".as_ref(), certificate.as_os_str()])
        .output()
        .map_err(|error| format!("no openssl: {error}"))?;
    if !made.status.success() {
        return Err(format!("openssl cannot make a certificate: {}", String::from_utf8_lossy(&made.stderr)));
    }
    Ok((std::fs::read(certificate).unwrap(), std::fs::read(key).unwrap()))
}

/// A server with TLS that speaks these protocols; gives its address, and which versions it is asked in.
async fn encrypted(certificate: &[u8], key: &[u8], protocols: &[&[u8]]) -> (SocketAddr, Arc<Mutex<Vec<Version>>>) {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let chain = vec![CertificateDer::from_pem_slice(certificate).unwrap()];
    let key = PrivateKeyDer::from_pem_slice(key).unwrap();
    let mut config = config.with_no_client_auth().with_single_cert(chain, key).unwrap();
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let seen: Arc<Mutex<Vec<Version>>> = Arc::default();
    let kept = Arc::clone(&seen);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (acceptor, kept) = (acceptor.clone(), Arc::clone(&kept));
            tokio::spawn(async move {
                let Ok(stream) = acceptor.accept(stream).await else { return };
                let service = service_fn(move |request: hyper::Request<hyper::body::Incoming>| {
                    kept.lock().unwrap_or_else(PoisonError::into_inner).push(request.version());
                    async { Ok::<_, Infallible>(Response::new(Full::new(Bytes::from_static(b"{\"version\": \"2\"}")))) }
                });
                let builder = auto::Builder::new(TokioExecutor::new());
                let _ = builder.serve_connection(TokioIo::new(stream), service).await;
            });
        }
    });
    (address, seen)
}

fn cuckoo(http: Settings) -> Cuckoo {
    Cuckoo::new(CuckooSettings { http, token: Some(Secret::new("k")) }).unwrap()
}

#[tokio::test]
async fn certificates_are_checked_unless_somebody_says_no() {
    let directory = tempfile::tempdir().unwrap();
    let (pem, key) = match certificate(directory.path()) {
        Ok(made) => made,
        Err(reason) if std::env::var_os("BELLJAR_TEST_STRICT").is_none() => return eprintln!("skipped: {reason}"),
        Err(reason) => panic!("{reason}"),
    };
    let both: &[&[u8]] = &[b"h2", b"http/1.1"];
    for (protocols, authority, verify, version) in [
        (both, true, true, Some(Version::HTTP_2)),
        (&both[1..], true, true, Some(Version::HTTP_11)),
        (&[], true, true, Some(Version::HTTP_11)),
        (both, false, false, Some(Version::HTTP_2)),
        (both, false, true, None),
    ] {
        let (address, seen) = encrypted(&pem, &key, protocols).await;
        let mut http = Settings::new("lab", format!("https://{address}"));
        http.tries = 1;
        http.verify = verify;
        http.authorities = authority.then(|| pem.clone()).into_iter().collect();
        let found = cuckoo(http).available().await;
        let asked = seen.lock().unwrap_or_else(PoisonError::into_inner).clone();
        assert_eq!(asked, Vec::from_iter(version), "authority: {authority}, verify: {verify}: {found:?}");
        if version.is_none() {
            let error = found.unwrap_err();
            assert!(matches!(error.kind, ErrorKind::Transport { sent: false, .. }), "{error:?}");
            assert!(error.to_string().contains("certificate"), "{error}");
            assert_eq!(error.fault(), Fault::Network);
        }
    }
}

/// A proxy that knows one host; gives its address, and for what it was asked.
async fn socks(to: SocketAddr) -> (SocketAddr, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let asked: Arc<Mutex<Vec<String>>> = Arc::default();
    let kept = Arc::clone(&asked);
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let kept = Arc::clone(&kept);
            // RFC 1928: methods, none of them a login; then a connection to a name.
            tokio::spawn(async move {
                let mut head = [0; 2];
                client.read_exact(&mut head).await?;
                client.read_exact(&mut vec![0; head[1].into()]).await?;
                client.write_all(&[5, 0]).await?;
                let mut request = [0; 5];
                client.read_exact(&mut request).await?;
                let mut name = vec![0; request[4].into()];
                client.read_exact(&mut name).await?;
                let port = client.read_u16().await?;
                let said = format!("{:?} {}:{port}", &request[..4], String::from_utf8_lossy(&name));
                kept.lock().unwrap_or_else(PoisonError::into_inner).push(said);
                client.write_all(&[5, 0, 0, 1, 127, 0, 0, 1, 0, 0]).await?;
                let mut server = TcpStream::connect(to).await?;
                tokio::io::copy_bidirectional(&mut client, &mut server).await
            });
        }
    });
    (address, asked)
}

#[tokio::test]
async fn a_proxy_by_socks_is_given_the_name() {
    let server = StandIn::start(|_| Reply::json(200, r#"{"version": "2.0.7"}"#)).await;
    let to = server.address.strip_prefix("http://").unwrap().parse().unwrap();
    let (proxy, asked) = socks(to).await;
    let mut http = Settings::new("lab", "http://cuckoo.test:8090");
    http.proxy = Some(Secret::new(&format!("socks5h://{proxy}")));
    assert_eq!(cuckoo(http).available().await.unwrap().version.as_deref(), Some("2.0.7"));
    let asked = asked.lock().unwrap_or_else(PoisonError::into_inner).clone();
    assert_eq!(asked, ["[5, 1, 0, 3] cuckoo.test:8090"], "nobody here looks the name up");
    assert_eq!(server.take()[0].headers["host"], "cuckoo.test:8090");
}
