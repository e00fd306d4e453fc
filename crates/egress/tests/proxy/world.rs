//! A made-up internet on the loopback interface, and a gate to it.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use belljar_egress::{Allowlist, Boxed, Connection, Gate, HostName, Journal, Limits, Outside, Rules};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// Names, hosts, and what was asked of them.
#[derive(Debug, Default)]
pub(crate) struct World {
    /// What a name means, one answer after the other; the last one stays.
    names: Mutex<BTreeMap<String, VecDeque<Vec<IpAddr>>>>,
    /// Which server here plays a host of the internet.
    hosts: Mutex<BTreeMap<SocketAddr, SocketAddr>>,
    own: Mutex<Vec<IpAddr>>,
    pub(crate) resolved: Mutex<Vec<String>>,
    pub(crate) connected: Mutex<Vec<SocketAddr>>,
}

impl World {
    pub(crate) fn name(&self, name: &str, answers: &[&[&str]]) {
        let answers = answers.iter().map(|answer| answer.iter().map(|address| address.parse().unwrap()).collect());
        self.names.lock().unwrap().insert(name.to_owned(), answers.collect());
    }

    pub(crate) fn host(&self, address: &str, server: SocketAddr) {
        self.hosts.lock().unwrap().insert(address.parse().unwrap(), server);
    }

    pub(crate) fn own(&self, address: &str) {
        self.own.lock().unwrap().push(address.parse().unwrap());
    }

    pub(crate) fn connections(&self) -> Vec<String> {
        self.connected.lock().unwrap().iter().map(SocketAddr::to_string).collect()
    }
}

impl Outside for World {
    fn resolve<'a>(&'a self, name: &'a HostName) -> Boxed<'a, io::Result<Vec<IpAddr>>> {
        self.resolved.lock().unwrap().push(name.to_string());
        let mut names = self.names.lock().unwrap();
        let answer = names.get_mut(name.as_str()).map(|answers| {
            if answers.len() > 1 { answers.pop_front() } else { answers.front().cloned() }.unwrap_or_default()
        });
        Box::pin(async move { answer.ok_or_else(|| io::Error::other("no such name")) })
    }

    fn connect(&self, address: SocketAddr) -> Boxed<'_, io::Result<TcpStream>> {
        self.connected.lock().unwrap().push(address);
        let server = self.hosts.lock().unwrap().get(&address).copied();
        Box::pin(async move {
            match server {
                Some(server) => TcpStream::connect(server).await,
                None => Err(io::ErrorKind::ConnectionRefused.into()),
            }
        })
    }

    fn is_own(&self, address: IpAddr) -> bool {
        self.own.lock().unwrap().contains(&address)
    }
}

#[derive(Debug, Default)]
struct Log(Mutex<Vec<Connection>>);

impl Journal for Log {
    fn record(&self, connection: Connection) {
        self.0.lock().unwrap().push(connection);
    }
}

/// A gate that is served, with addresses that play the sandbox's.
pub(crate) struct Town {
    pub(crate) world: Arc<World>,
    log: Arc<Log>,
    doors: BTreeMap<String, SocketAddr>,
    task: JoinHandle<()>,
}

impl Town {
    pub(crate) fn new(world: &Arc<World>, list: &[&str], limits: Limits) -> Self {
        let list = Allowlist::new(list.iter().map(|entry| entry.parse().unwrap()).collect());
        let rules = Arc::new(Rules::new(list, limits, 128).unwrap());
        let hosts = rules.hosts();
        let mut doors = BTreeMap::new();
        let mut sockets = Vec::new();
        for place in rules.listen() {
            let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
            let name = match hosts.iter().find(|(_, address)| address == place.ip()) {
                Some((name, _)) => format!("{name}:{}", place.port()),
                None => place.to_string(),
            };
            doors.insert(name, listener.local_addr().unwrap());
            sockets.push(OwnedFd::from(listener));
        }
        let log = Arc::new(Log::default());
        let outside = Arc::clone(world) as Arc<dyn Outside>;
        let gate = Gate::new(rules, sockets, outside, Arc::clone(&log) as Arc<dyn Journal>).unwrap();
        let task = tokio::spawn(async move { match gate.serve().await {} });
        Self { world: Arc::clone(world), log, doors, task }
    }

    /// A connection to a name, as a program makes it that knows no proxy.
    pub(crate) async fn direct(&self, place: &str) -> TcpStream {
        TcpStream::connect(self.doors[place]).await.unwrap()
    }

    pub(crate) async fn http(&self) -> TcpStream {
        self.direct("127.77.0.1:3128").await
    }

    pub(crate) async fn socks(&self) -> TcpStream {
        self.direct("127.77.0.1:1080").await
    }

    pub(crate) fn http_address(&self) -> SocketAddr {
        self.doors["127.77.0.1:3128"]
    }

    pub(crate) fn records_so_far(&self) -> usize {
        self.log.0.lock().unwrap().len()
    }

    /// The run ends.
    pub(crate) async fn close(&mut self) {
        self.task.abort();
        let _ = (&mut self.task).await;
    }

    /// So many connections that have ended, each as a line.
    pub(crate) async fn records(&self, count: usize) -> Vec<String> {
        self.kept(count).await.iter().map(line).collect()
    }

    pub(crate) async fn kept(&self, count: usize) -> Vec<Connection> {
        for _ in 0..2000 {
            let kept = self.log.0.lock().unwrap().clone();
            assert!(kept.len() <= count, "{:?}", kept.iter().map(line).collect::<Vec<_>>());
            if kept.len() == count {
                return kept;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        panic!("{count} records in vain: {:?}", self.log.0.lock().unwrap().iter().map(line).collect::<Vec<_>>());
    }
}

fn line(connection: &Connection) -> String {
    let Connection { way, host, port, verdict, reason, ending, sent, received, .. } = connection;
    let reason = reason.as_deref().map(|reason| format!(" ({reason})")).unwrap_or_default();
    format!("{way:?} {host}:{port} {}{reason} {ending:?} {sent}/{received}", verdict.label())
}

/// A server that says something to each connection, and keeps what it was told until the other side ended or it knew enough.
pub(crate) async fn server(enough: &'static str, says: &'static str) -> (SocketAddr, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let told = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&told);
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let log = Arc::clone(&log);
            tokio::spawn(async move {
                let mut bytes = Vec::new();
                while !text(&bytes).ends_with(enough) || enough.is_empty() {
                    if !matches!(stream.read_buf(&mut bytes).await, Ok(1..)) {
                        break;
                    }
                }
                log.lock().unwrap().push(text(&bytes));
                let _ = stream.write_all(says.as_bytes()).await;
                let _ = stream.shutdown().await;
                // What comes after the end is kept, too: nothing should.
                let mut rest = Vec::new();
                let _ = stream.read_to_end(&mut rest).await;
                if !rest.is_empty() {
                    log.lock().unwrap().push(format!("AND {}", text(&rest)));
                }
            });
        }
    });
    (address, told)
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Says something, and hears all of the answer. A connection that is broken off ends with `!`.
pub(crate) async fn ask(mut stream: TcpStream, words: impl AsRef<[u8]>) -> String {
    let _ = stream.write_all(words.as_ref()).await;
    hear(&mut stream).await
}

pub(crate) async fn hear(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    match tokio::time::timeout(Duration::from_secs(10), stream.read_to_end(&mut bytes)).await {
        Ok(Ok(_)) => text(&bytes),
        Ok(Err(_)) => text(&bytes) + "!",
        Err(_) => panic!("it hangs after {:?}", text(&bytes)),
    }
}

/// Exactly so many bytes.
pub(crate) async fn take(stream: &mut TcpStream, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    tokio::time::timeout(Duration::from_secs(10), stream.read_exact(&mut bytes)).await.unwrap().unwrap();
    bytes
}
