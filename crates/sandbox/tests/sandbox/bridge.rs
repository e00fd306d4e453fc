//! Sockets of the owner inside: programs reach them, each run its own, and nothing else.

use std::net::{Ipv4Addr, SocketAddr};
use std::os::fd::OwnedFd;

use belljar_sandbox::{Bridge, Command, Network, Policy, Rootfs, Sandbox, User};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::bench::{Bench, python, shown, text};

/// A port that ordinary processes may not listen on, and one that they may.
fn bridged() -> Policy {
    let bridge = Bridge {
        listen: vec!["127.77.1.1:80".parse().unwrap(), "127.77.0.1:3128".parse().unwrap()],
        hosts: vec![("somewhere.example".to_owned(), Ipv4Addr::new(127, 77, 1, 1))],
    };
    Policy { network: Network::Bridged(bridge), ..Policy::default() }
}

fn listeners(sandbox: &Sandbox) -> Vec<TcpListener> {
    let listener = |socket: OwnedFd| TcpListener::from_std(socket.into()).unwrap();
    sandbox.listeners().unwrap().into_iter().map(listener).collect()
}

const ASK: &str =
    "import socket\nwith socket.create_connection(('somewhere.example', 80)) as c: c.send(b'hello'); print(c.recv(9))";

/// Accepts one connection and answers it.
async fn answer(listener: &TcpListener) -> (String, SocketAddr) {
    let (mut stream, _) = listener.accept().await.unwrap();
    let mut bytes = [0; 5];
    stream.read_exact(&mut bytes).await.unwrap();
    stream.write_all(b"from us").await.unwrap();
    (text(&bytes), stream.local_addr().unwrap())
}

pub(crate) async fn programs_reach_the_sockets_of_their_owner(bench: &Bench) {
    for user in [User::ORDINARY, User::ROOT] {
        let mut cell = bench.cell(Policy { user, ..bridged() }).await;
        for round in 0..3 {
            let sockets = listeners(&cell);
            let places: Vec<_> = sockets.iter().map(|socket| socket.local_addr().unwrap().to_string()).collect();
            assert_eq!(places, ["127.77.1.1:80", "127.77.0.1:3128"]);
            let (outcome, asked) = tokio::join!(cell.run(python(ASK)), answer(&sockets[0]));
            assert_eq!(text(&outcome.unwrap().stdout), "b'from us'\n", "round {round}");
            assert_eq!(asked, ("hello".to_owned(), "127.77.1.1:80".parse().unwrap()));
            drop(sockets);
            cell.next().await;
        }
        assert_eq!(cell.pool().status().made, 1, "it was the same sandbox, with a new network");
        cell.close().await;
    }
}

pub(crate) async fn nothing_else_is_reached_through_a_bridge(bench: &Bench) {
    // On the host, at the very address that the policy listens on inside.
    let host = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = host.local_addr().unwrap().port();
    let mut cell = bench.cell(bridged()).await;
    let program = format!(
        "import socket, os\n\
         def reached(address):\n\
         \x20   try: socket.create_connection(address, 2).close(); return True\n\
         \x20   except OSError: return False\n\
         print([reached(('127.0.0.1', {port})), reached(('192.0.2.1', 80)), reached(('127.77.1.1', 81)), reached(('127.77.1.2', 80))])\n\
         print(sorted(os.listdir('/sys/class/net')) if os.path.exists('/sys/class/net') else ['lo'])\n\
         s = socket.socket()\n\
         try: s.bind(('0.0.0.0', 3128)); s.listen(); print('taken over')\n\
         except OSError as e: print(e.errno)"
    );
    let outcome = cell.python(&program).await;
    assert_eq!(text(&outcome.stdout), "[False, False, False, False]\n['lo']\n98\n", "{}", shown(&outcome));
    cell.close().await;
}

/// A connection that nobody accepted, and one that is still open, end with their run.
pub(crate) async fn a_run_sees_no_connection_of_an_earlier_one(bench: &Bench) {
    let leave = "import socket, os, time\n\
        a = socket.create_connection(('127.77.1.1', 80)); a.send(b'stale')\n\
        b = socket.create_connection(('127.77.0.1', 3128)); b.send(b'stale')\n\
        if os.fork() == 0:\n\
        \x20   os.setsid(); time.sleep(60)";
    let mut cell = bench.cell(bridged()).await;
    let before = listeners(&cell);
    let outcome = cell.python(leave).await;
    assert!(outcome.success(), "{}", shown(&outcome));
    let (mut kept, _) = before[1].accept().await.unwrap();
    cell.next().await;

    let after = listeners(&cell);
    let unused = tokio::time::timeout(std::time::Duration::from_millis(100), after[0].accept()).await;
    assert!(unused.is_err(), "the connection that nobody had accepted came to the next run");
    let (outcome, asked) = tokio::join!(cell.run(python(ASK)), answer(&after[0]));
    assert_eq!((text(&outcome.unwrap().stdout), asked.0), ("b'from us'\n".to_owned(), "hello".to_owned()));
    let mut rest = Vec::new();
    // Ended by its program's death, one way or the other.
    let _ = kept.read_to_end(&mut rest).await;
    assert_eq!(text(&rest), "stale");
    let (connection, _) = before[0].accept().await.unwrap();
    drop((connection, before, after, kept));
    cell.close().await;
}

/// Names show in every kind of root directory.
pub(crate) async fn names_are_shown_in_a_directory_too(bench: &Bench) {
    let directory = bench.temporary();
    let root = directory.path();
    crate::mounts::tiny_root(root);
    let policy = Policy { rootfs: Rootfs::Directory(root.to_owned()), ..bridged() };
    let said = async |policy: Policy| {
        let outcome = bench.run(policy, Command { directory: None, ..Command::new(["cat", "/etc/hosts"]) }).await;
        text(&outcome.stdout)
    };
    assert_eq!(said(policy.clone()).await, "", "the directory has no such file, and gets none");
    std::fs::write(root.join("etc/hosts"), "192.0.2.1 other.example\n").unwrap();
    // Another policy: what was found out for the last one is kept.
    let hosts = said(Policy { hostname: "other".to_owned(), ..policy }).await;
    assert!(hosts.ends_with("\n127.77.1.1 somewhere.example\n") && !hosts.contains("192.0.2.1"), "{hosts}");
    let unbridged = Policy { rootfs: Rootfs::Directory(root.to_owned()), ..Policy::default() };
    assert_eq!(said(unbridged).await, "192.0.2.1 other.example\n");
    assert_eq!(std::fs::read_to_string(root.join("etc/hosts")).unwrap(), "192.0.2.1 other.example\n");
}

/// The network is made anew only where it was used: the sockets of an idle run serve the next.
pub(crate) async fn unused_sockets_are_kept(bench: &Bench) {
    let mut cell = bench.cell(bridged()).await;
    let namespace = cell.say("readlink /proc/self/ns/net").await;
    cell.next().await;
    assert_eq!(cell.say("readlink /proc/self/ns/net").await, namespace);
    let sockets = listeners(&cell);
    let (outcome, asked) = tokio::join!(cell.run(python(ASK)), answer(&sockets[0]));
    assert!(outcome.unwrap().success() && asked.0 == "hello");
    drop(sockets);
    cell.next().await;
    assert_ne!(cell.say("readlink /proc/self/ns/net").await, namespace, "it was used");
    cell.close().await;
}

pub(crate) async fn as_many_sockets_as_promised(bench: &Bench) {
    let most = u16::try_from(Bridge::MOST_LISTENERS).unwrap();
    let listen = |count| (1..=count).map(|port| format!("127.77.1.1:{port}").parse().unwrap()).collect();
    let policy = |count| Policy {
        network: Network::Bridged(Bridge { listen: listen(count), hosts: Vec::new() }),
        ..Policy::default()
    };
    let mut cell = bench.cell(policy(most)).await;
    for _ in 0..2 {
        let sockets = listeners(&cell);
        assert_eq!(sockets.len(), usize::from(most));
        let ask = ASK.replace("somewhere.example", "127.77.1.1").replace("80)", &format!("{most})"));
        let (outcome, asked) = tokio::join!(cell.run(python(&ask)), answer(sockets.last().unwrap()));
        assert!(outcome.unwrap().success() && asked.0 == "hello");
        drop(sockets);
        cell.next().await;
    }
    cell.close().await;
    let refusal = bench.refusal(policy(most + 1)).await;
    assert!(refusal.contains("129 sockets are to listen in the sandbox; 128 can"), "{refusal}");
}
