//! Encrypted connections, with certificates that openssl makes.

use std::path::Path;
use std::sync::Arc;

use rustls::RootCertStore;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::{Value, json};

use super::super::{Http, Tls};
use super::world::{Act, LONG, Server, World, ask, ok, plain};
use crate::config::Profile::{Belljar, Strict};
use crate::protocol::Answer;

/// A server's configuration with a certificate for `tls.example` and 127.0.0.1, and a store that trusts it; or why there is none.
fn certificate(directory: &Path) -> Result<(Arc<rustls::ServerConfig>, RootCertStore), String> {
    let (certificate, key) = (directory.join("certificate.pem"), directory.join("key.pem"));
    let config = directory.join("openssl.cnf");
    std::fs::write(&config, "[req]\ndistinguished_name=dn\n[dn]\n").unwrap();
    let made = std::process::Command::new("openssl")
        .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"])
        .args(["-subj", "/CN=tls.example", "-addext", "subjectAltName=DNS:tls.example,IP:127.0.0.1"])
        .args(["-addext", "basicConstraints=CA:FALSE"])
        .args(["-config".as_ref(), config.as_os_str(), "-keyout".as_ref(), key.as_os_str()])
        .args(["-out".as_ref(), certificate.as_os_str()])
        .output()
        .map_err(|error| format!("no openssl: {error}"))?;
    if !made.status.success() {
        return Err(format!("openssl cannot make a certificate: {}", String::from_utf8_lossy(&made.stderr)));
    }
    let certificate = CertificateDer::from_pem_file(certificate).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(certificate.clone()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], PrivateKeyDer::from_pem_file(key).unwrap())
        .unwrap();
    Ok((Arc::new(config), roots))
}

/// Both, unless there is no openssl.
fn certificate_here() -> Option<(Arc<rustls::ServerConfig>, RootCertStore)> {
    let directory = tempfile::tempdir().unwrap();
    match certificate(directory.path()) {
        Ok(made) => Some(made),
        Err(reason) if std::env::var_os("BELLJAR_TEST_STRICT").is_none() => {
            eprintln!("skipped: {reason}");
            None
        }
        Err(reason) => panic!("{reason}"),
    }
}

fn http(roots: RootCertStore) -> Http {
    let world = World::with(&[("tls.example", &[&["127.0.0.1"]]), ("other.example", &[&["127.0.0.1"]])]);
    let allowed = ["127.0.0.0/8:1-65535".to_owned()];
    Http::with(LONG, 1024, &allowed, Arc::new(world), Tls::trusting(roots)).unwrap()
}

/// Section 6, 107–111, 120–122 and 127–130.
#[tokio::test]
async fn certificates_are_verified_unless_the_app_says_no() {
    let Some((config, roots)) = certificate_here() else { return };
    let server = Server::start_tls(vec![plain("200 OK", "", "secret")], Some(config)).await;
    let port = server.address.port();
    let full = [
        json!({}),
        json!({"verify_options": ["VERIFY_PEER"]}),
        json!({"verify_options": ["VERIFY_CLIENT_ONCE"]}),
        json!({"verify_options": ["VERIFY_PEER", "VERIFY_FAIL_IF_NO_PEER_CERT"]}),
        json!({"verify_options": ["VERIFY_NONE", "VERIFY_PEER"]}),
        json!({"ssl_method": "SSLv3"}),
        json!({"ssl_method": "SSLv23"}),
        json!({"ssl_method": "TLSv1"}),
    ];
    let none = [
        json!({"verify_options": ["VERIFY_NONE"]}),
        json!({"verify_options": ["VERIFY_NONE", "VERIFY_NONE"], "ssl_method": "TLSv1"}),
    ];
    let asked = |host: &str, options: &Value| {
        let mut asked = options.clone();
        asked["url"] = format!("https://{host}:{port}/").into();
        asked
    };
    let (trusting, suspicious) = (http(roots), http(RootCertStore::empty()));
    for options in &full {
        for host in ["tls.example", "tls.example.", "127.0.0.1"] {
            assert_eq!(
                ask(&trusting, Belljar, "get", asked(host, options)).await,
                ok(200, "secret"),
                "{host} {options}"
            );
        }
        for (http, host) in [(&trusting, "other.example"), (&suspicious, "tls.example"), (&suspicious, "127.0.0.1")] {
            let answer = ask(http, Belljar, "get", asked(host, options)).await;
            let why = "the server's certificate is not accepted: ";
            assert!(
                matches!(&answer, Answer::Failure(reason) if reason.starts_with(why)),
                "{host} {options} {answer:?}"
            );
            let python = "[<twisted.python.failure.Failure OpenSSL.SSL.Error: [('SSL routines', \
                          'tls_process_server_certificate', 'certificate verify failed')]>]";
            assert_eq!(ask(http, Strict, "get", asked(host, options)).await, Answer::failure(python));
        }
    }
    for options in &none {
        for (http, host) in [(&trusting, "other.example"), (&suspicious, "tls.example"), (&suspicious, "127.0.0.1")] {
            assert_eq!(ask(http, Strict, "get", asked(host, options)).await, ok(200, "secret"), "{host} {options}");
        }
    }
    assert!(server.requests().iter().all(|request| request.starts_with("GET / HTTP/1.1\r\n")));
}

#[tokio::test]
async fn servers_without_tls_have_a_reason() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    // One that answers whatever comes, and one that says nothing.
    for (answer, plain, python) in [
        (
            &b"HTTP/1.1 400 Bad Request\r\n\r\n"[..],
            "the server does not speak TLS at this port",
            "[<twisted.python.failure.Failure OpenSSL.SSL.Error: [('SSL routines', 'ssl3_get_record', 'wrong version number')]>]",
        ),
        (
            b"",
            "the server closed the connection before its answer was complete",
            "[<twisted.python.failure.Failure twisted.internet.error.ConnectionDone: Connection was closed cleanly.>]",
        ),
    ] {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("https://{}/", listener.local_addr().unwrap());
        let serving = async {
            for _ in 0..2 {
                let (mut stream, _) = listener.accept().await.unwrap();
                let _ = stream.read(&mut [0; 4096]).await;
                let _ = stream.write_all(answer).await;
                let _ = stream.shutdown().await;
            }
        };
        let http = http(RootCertStore::empty());
        tokio::join!(serving, async {
            for (profile, reason) in [(Belljar, plain), (Strict, python)] {
                assert_eq!(ask(&http, profile, "get", json!({"url": url})).await, Answer::failure(reason));
            }
        });
    }
}

/// A redirect to https is verified like any other.
#[tokio::test]
async fn redirects_to_https_are_verified() {
    let Some((config, roots)) = certificate_here() else { return };
    let secure = Server::start_tls(vec![plain("200 OK", "", "secret")], Some(config)).await;
    let to = format!("Location: https://tls.example:{}/\r\n", secure.address.port());
    let server = Server::start(vec![plain("302 Found", &to, "")]).await;
    let asked = json!({"url": server.url("/")});
    assert_eq!(ask(&http(roots), Belljar, "get", asked.clone()).await, ok(200, "secret"));
    assert!(matches!(ask(&http(RootCertStore::empty()), Belljar, "get", asked).await, Answer::Failure(_)));
}

/// A body of unknown length must be ended by the server, and not by somebody on the way.
#[tokio::test]
async fn a_body_that_is_cut_off_is_none() {
    let Some((config, roots)) = certificate_here() else { return };
    let act = Act::Answer(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\ncut".to_vec());
    let server = Server::start_tls(vec![act], Some(config)).await;
    let asked = json!({"url": format!("https://{}/", server.address)});
    let reason = "the server closed the connection before its answer was complete";
    assert_eq!(ask(&http(roots), Belljar, "get", asked).await, Answer::failure(reason));
}
