//! Limits: how many, how fast, how much, how long.

use std::sync::Arc;
use std::time::{Duration, Instant};

use belljar_egress::Limits;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::world::{Town, World, ask, hear};

/// A host that sends back all that it hears.
async fn town(limits: Limits) -> Town {
    let world = Arc::new(World::default());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    world.name("echo.example", &[&["93.184.216.34"]]);
    world.host("93.184.216.34:7", listener.local_addr().unwrap());
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            tokio::spawn(async move {
                let (mut from, mut to) = stream.split();
                let _ = tokio::io::copy(&mut from, &mut to).await;
                let _ = to.shutdown().await;
            });
        }
    });
    Town::new(&world, &["echo.example:7"], limits)
}

/// Says something and hears it back, on a connection that stays.
async fn echo(stream: &mut TcpStream, words: &[u8]) -> bool {
    let mut heard = vec![0; words.len()];
    stream.write_all(words).await.is_ok() && stream.read_exact(&mut heard).await.is_ok() && heard == words
}

/// Says something and hears what comes back until the end.
async fn say_all(mut stream: TcpStream, words: Vec<u8>) -> String {
    let (mut from, mut to) = stream.split();
    let mut heard = Vec::new();
    let say = async {
        let _ = to.write_all(&words).await;
        let _ = to.shutdown().await;
    };
    let (_, end) = tokio::join!(say, from.read_to_end(&mut heard));
    format!("{}{}", heard.len(), if end.is_ok() { "" } else { "!" })
}

#[tokio::test]
async fn volume_is_limited_over_all_connections() {
    let town = town(Limits { sent: 100_000, ..Limits::default() }).await;
    assert_eq!(say_all(town.direct("echo.example:7").await, vec![b'x'; 60_000]).await, "60000");
    let rest = say_all(town.direct("echo.example:7").await, vec![b'x'; 60_000]).await;
    assert!(rest.ends_with('!'), "{rest}");
    assert!(say_all(town.direct("echo.example:7").await, vec![b'x'; 1]).await.ends_with('!'), "nothing is left");
    let kept = town.kept(3).await;
    assert_eq!(kept.iter().map(|record| record.sent).collect::<Vec<_>>(), [60_000, 40_000, 0]);
    assert_eq!(format!("{:?} {:?}", kept[0].ending, kept[1].ending), "Closed SentLimit");
}

#[tokio::test]
async fn volume_is_limited_in_the_other_direction() {
    let town = town(Limits { received: 50_000, ..Limits::default() }).await;
    let heard = say_all(town.direct("echo.example:7").await, vec![b'x'; 60_000]).await;
    assert!(heard.ends_with('!'), "{heard}");
    let kept = town.kept(1).await;
    assert_eq!((kept[0].received, format!("{:?}", kept[0].ending)), (50_000, "ReceivedLimit".to_owned()));
}

#[tokio::test]
async fn rates_are_limited_over_all_connections() {
    let rate = 400_000;
    let town = town(Limits { bytes_per_second: rate, ..Limits::default() }).await;
    let begun = Instant::now();
    let one = async || say_all(town.direct("echo.example:7").await, vec![b'x'; 100_000]).await;
    let heard = tokio::join!(one(), one(), one());
    assert_eq!(heard, ("100000".to_owned(), "100000".to_owned(), "100000".to_owned()));
    // A quarter of a second's worth may pass at once; the rest takes 200,000 / 400,000 s. Slower is a busy machine, faster is wrong.
    assert!(begun.elapsed() >= Duration::from_millis(480), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn who_comes_too_often_waits() {
    let town = town(Limits { connections_per_second: 20, ..Limits::default() }).await;
    let begun = Instant::now();
    for _ in 0..30 {
        let mut stream = town.direct("echo.example:7").await;
        assert!(echo(&mut stream, b"x").await);
    }
    assert!(begun.elapsed() >= Duration::from_millis(480), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn who_is_too_many_waits() {
    let town = town(Limits { connections: 2, ..Limits::default() }).await;
    let (mut first, mut second) = (town.direct("echo.example:7").await, town.direct("echo.example:7").await);
    assert!(echo(&mut first, b"x").await && echo(&mut second, b"x").await);
    let mut third = town.direct("echo.example:7").await;
    third.write_all(b"x").await.unwrap();
    let mut byte = [0];
    let waits = tokio::time::timeout(Duration::from_millis(100), third.read_exact(&mut byte)).await;
    assert!(waits.is_err(), "a third connection is served while there are two");
    assert!(echo(&mut first, b"y").await);
    drop(first);
    third.read_exact(&mut byte).await.unwrap();
    assert_eq!(byte, *b"x");
}

/// A request that comes a byte at a time is not waited for longer than any other.
#[tokio::test]
async fn slow_requests_are_given_up() {
    let limits = Limits { request_timeout: Duration::from_millis(200), ..Limits::default() };
    let town = town(limits).await;
    for (door, begins) in
        [(town.http().await, &b"GET http://echo.example/ HTTP/1.1\r\nX: "[..]), (town.socks().await, b"\x05")]
    {
        let begun = Instant::now();
        let (mut from, mut to) = door.into_split();
        let drip = tokio::spawn(async move {
            let _ = to.write_all(begins).await;
            while to.write_all(b"x").await.is_ok() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        });
        let mut heard = Vec::new();
        // A socket that is closed in the middle of what we say is broken off.
        let _ = from.read_to_end(&mut heard).await;
        assert!(begun.elapsed() < Duration::from_secs(8), "{:?}", begun.elapsed());
        drip.await.unwrap();
    }
    let kept = town.kept(2).await;
    assert!(kept.iter().all(|record| record.verdict.label() == "refused"), "{kept:?}");
}

#[tokio::test]
async fn long_heads_are_refused() {
    let town = town(Limits { request_head: 2000, ..Limits::default() }).await;
    let answer = ask(town.http().await, format!("GET http://echo.example/{} HTTP/1.1\r\n", "x".repeat(5000))).await;
    assert!(answer.contains("its head is too long"), "{answer}");
}

#[tokio::test]
async fn silence_ends_a_connection() {
    let town = town(Limits { idle_timeout: Duration::from_millis(300), ..Limits::default() }).await;
    let begun = Instant::now();
    let mut stream = town.direct("echo.example:7").await;
    // As long as one side speaks now and then it lives.
    for _ in 0..5 {
        assert!(echo(&mut stream, b"x").await);
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(hear(&mut stream).await, "!");
    assert!(begun.elapsed() >= Duration::from_millis(700));
    assert_eq!(town.records(1).await, ["Direct echo.example:7 allowed Idle 5/5"]);
}

/// Hundreds of connections at once, each a request to be refused: all are answered, none hurts another.
#[tokio::test]
async fn floods_are_survived() {
    let town = town(Limits { connections_per_second: 10_000, connections: 16, ..Limits::default() }).await;
    let flood = (0..300).map(|_| async { ask(town.http().await, "CONNECT evil.example:7 HTTP/1.0\r\n\r\n").await });
    for answer in futures_util::future::join_all(flood).await {
        assert!(answer.starts_with("HTTP/1.1 403 Forbidden"), "{answer}");
    }
    let mut stream = town.direct("echo.example:7").await;
    assert!(echo(&mut stream, b"x").await);
}
