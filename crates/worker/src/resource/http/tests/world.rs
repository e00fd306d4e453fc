//! Servers, names and addresses of tests.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use belljar_egress::{Boxed, HostName, Outside};
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::task::AbortOnDropHandle;

use super::super::{Http, Tls};
use crate::bus::{Bus, BusError, Delivery, Destination, Subscription};
use crate::config::Profile;
use crate::message::{Kind, Message, VERSION};
use crate::protocol::{Answer, Fields};
use crate::resource::journal::Journal;
use crate::resource::{Log, Resource as _};
use crate::run::RunContext;

/// Longer than any test takes on a busy machine.
pub(super) const LONG: Duration = Duration::from_secs(60);

/// Nothing is published here.
#[derive(Debug)]
struct NoBus;

impl Bus for NoBus {
    fn consume(
        &self,
        _: Subscription,
    ) -> crate::bus::Boxed<'_, Result<tokio::sync::mpsc::Receiver<Delivery>, BusError>> {
        Box::pin(async { Err(BusError::Refused) })
    }
    fn publish(&self, _: Destination, _: Vec<u8>) -> crate::bus::Boxed<'static, Result<(), BusError>> {
        Box::pin(async { Err(BusError::Refused) })
    }
    fn state(&self) -> Result<(), String> {
        Ok(())
    }
    fn pause(&self) -> crate::bus::Boxed<'_, ()> {
        Box::pin(async {})
    }
}

pub(super) fn run(profile: Profile) -> RunContext {
    let body = json!({
        "message_version": VERSION, "message_type": "user_message", "timestamp": "2026-11-20 16:01:35.766753",
        "message_id": "m1", "to_addr": "1", "from_addr": "2", "in_reply_to": null, "session_event": null, "content": "hello",
        "transport_name": "t", "transport_type": "sms", "transport_metadata": {},
    });
    let message = Message::parse(Kind::UserMessage, body.to_string().as_bytes()).unwrap();
    let log = Log::new(&Arc::new(Journal::new("app")), "tenant".to_owned(), Some("m1".to_owned()));
    RunContext::new(log, "t".to_owned(), profile, Arc::new(NoBus), &message)
}

pub(super) fn fields(value: Value) -> Fields {
    match value {
        Value::Object(fields) => fields,
        other => panic!("{other} is no object"),
    }
}

/// The resource, with a limit of 1024 bytes, that may reach servers of tests.
pub(super) fn http() -> Http {
    http_with(LONG, World::default())
}

pub(super) fn http_with(timeout: Duration, world: World) -> Http {
    let allowed = ["127.0.0.1:1-65535".to_owned(), "[::1]:1-65535".to_owned()];
    let nobody = Tls::trusting(rustls::RootCertStore::empty());
    Http::with(timeout, 1024, &allowed, Arc::new(world), nobody).unwrap()
}

/// One request, as an app makes it.
pub(super) async fn ask(http: &Http, profile: Profile, command: &str, asked: Value) -> Answer {
    let run = run(profile);
    http.handle(&run, command, &fields(asked)).await
}

pub(super) fn ok(code: u16, body: &str) -> Answer {
    Answer::Success(fields(json!({"code": code, "body": body})))
}

/// How a server treats one connection.
#[derive(Debug, Clone)]
pub(super) enum Act {
    /// Reads the request, writes this, and closes. `{base}` is the server's own URL.
    Answer(Vec<u8>),
    /// Reads the request, writes this, and says no more.
    Hang(Vec<u8>),
}

/// An answer with a body and its length.
pub(super) fn plain(status: &str, headers: &str, body: &str) -> Act {
    Act::Answer(format!("HTTP/1.1 {status}\r\n{headers}Content-Length: {}\r\n\r\n{body}", body.len()).into_bytes())
}

/// An answer without a length, ended by the end of the connection.
pub(super) fn open_ended(headers: &str, body: &[u8]) -> Act {
    Act::Answer([format!("HTTP/1.1 200 OK\r\n{headers}\r\n").as_bytes(), body].concat())
}

/// A server on a loopback address that treats its connections in this way, one after the other; the last way is for all that follow.
#[derive(Debug)]
pub(super) struct Server {
    pub(super) address: SocketAddr,
    requests: Arc<Mutex<Vec<Vec<u8>>>>,
    _task: AbortOnDropHandle<()>,
}

impl Server {
    pub(super) async fn start(acts: Vec<Act>) -> Self {
        Self::start_tls(acts, None).await
    }

    pub(super) async fn start_tls(acts: Vec<Act>, tls: Option<Arc<rustls::ServerConfig>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let requests = Arc::<Mutex<Vec<Vec<u8>>>>::default();
        let log = Arc::clone(&requests);
        let task = tokio::spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            for index in 0.. {
                let (stream, _) = listener.accept().await.unwrap();
                let act = acts.get(index).or(acts.last()).unwrap().clone();
                let (log, tls) = (Arc::clone(&log), tls.clone());
                connections.spawn(async move {
                    match tls {
                        None => serve(stream, act, address, &log).await,
                        Some(tls) => {
                            // Whoever does not like the certificate goes away.
                            let Ok(stream) = tokio_rustls::TlsAcceptor::from(tls).accept(stream).await else { return };
                            serve(stream, act, address, &log).await;
                        }
                    }
                });
            }
        });
        Self { address, requests, _task: AbortOnDropHandle::new(task) }
    }

    pub(super) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// What came, one entry a connection.
    pub(super) fn requests(&self) -> Vec<String> {
        let requests = self.requests.lock().unwrap();
        requests.iter().map(|request| String::from_utf8_lossy(request).into_owned()).collect()
    }
}

async fn serve<S: AsyncRead + AsyncWrite + Unpin>(
    mut stream: S,
    act: Act,
    address: SocketAddr,
    log: &Mutex<Vec<Vec<u8>>>,
) {
    let mut request = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&request).into_owned();
        if let Some((head, _)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| line.strip_prefix("Content-Length: "));
            let length = length.map_or(0, |length| length.parse().unwrap());
            if request.len() >= head.len() + 4 + length {
                break;
            }
        }
        if stream.read_buf(&mut request).await.unwrap_or(0) == 0 {
            return;
        }
    }
    log.lock().unwrap().push(request);
    let (bytes, stays) = match act {
        Act::Answer(bytes) => (bytes, false),
        Act::Hang(bytes) => (bytes, true),
    };
    let bytes = match String::from_utf8(bytes) {
        Ok(text) => text.replace("{base}", &format!("http://{address}")).into_bytes(),
        Err(error) => error.into_bytes(),
    };
    // The client may have heard enough.
    let _ = stream.write_all(&bytes).await;
    if stays {
        // Until the client goes.
        let _ = stream.read(&mut [0; 1]).await;
    }
    let _ = stream.shutdown().await;
}

/// A network in which names mean what a test says and connections to public addresses end at a server of the test.
#[derive(Debug, Default)]
pub(super) struct World {
    /// Answers by name: the first at the first question, and so on; the last one stays.
    pub(super) names: HashMap<&'static str, Vec<Vec<IpAddr>>>,
    /// Where connections end that do not go to loopback addresses; without it they never come to be.
    pub(super) server: Option<SocketAddr>,
    pub(super) own: Vec<IpAddr>,
    pub(super) connected: Arc<Mutex<Vec<SocketAddr>>>,
    asked: AtomicUsize,
}

impl World {
    pub(super) fn with(names: &[(&'static str, &[&[&str]])]) -> Self {
        let addresses = |answer: &&[&str]| answer.iter().map(|address| address.parse().unwrap()).collect();
        let names = names.iter().map(|(name, answers)| (*name, answers.iter().map(addresses).collect()));
        Self { names: names.collect(), ..Self::default() }
    }
}

impl Outside for World {
    fn resolve<'a>(&'a self, name: &'a HostName) -> Boxed<'a, io::Result<Vec<IpAddr>>> {
        let asked = self.asked.fetch_add(1, Ordering::Relaxed);
        let answers = self.names.get(name.as_str());
        let answer = answers.and_then(|answers| answers.get(asked).or(answers.last())).cloned();
        Box::pin(async move { answer.ok_or_else(|| io::Error::other("Name or service not known")) })
    }

    fn connect(&self, address: SocketAddr) -> Boxed<'_, io::Result<TcpStream>> {
        self.connected.lock().unwrap().push(address);
        let target = if address.ip().is_loopback() { Some(address) } else { self.server };
        Box::pin(async move {
            match target {
                Some(target) => TcpStream::connect(target).await,
                None => std::future::pending().await,
            }
        })
    }

    fn is_own(&self, address: IpAddr) -> bool {
        self.own.contains(&address)
    }
}
