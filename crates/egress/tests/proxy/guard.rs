//! What is not listed, or not public, is not reached, whatever it is called.

use std::sync::Arc;

use belljar_egress::Limits;

use crate::world::{Town, World, ask, server};

/// An internet in which everything is reached that is asked for: what is not, was refused.
async fn open_world() -> Arc<World> {
    let world = Arc::new(World::default());
    let (address, _) = server("\n", "SECRET").await;
    for host in ["127.0.0.1", "10.0.0.5", "169.254.169.254", "93.184.216.34", "[::1]", "[::ffff:10.0.0.5]", "[fe80::1]"]
    {
        for port in [80, 443] {
            world.host(&format!("{host}:{port}"), address);
        }
    }
    world
}

async fn tunnel(town: &Town, place: &str) -> String {
    let answer = ask(town.http().await, format!("CONNECT {place} HTTP/1.1\r\nHost: {place}\r\n\r\nhi\n")).await;
    answer.split("\r\n").next().unwrap_or_default().to_owned()
}

#[tokio::test]
async fn nothing_is_reached_that_is_not_listed() {
    let world = open_world().await;
    for name in ["example.org", "evil.example", "localhost", "sub.example.org", "example.org.evil.example"] {
        world.name(name, &[&["93.184.216.34"]]);
    }
    let town = Town::new(&world, &["example.org:443"], Limits::default());
    for (place, answer) in [
        ("evil.example:443", "HTTP/1.1 403 Forbidden"),
        ("example.org:80", "HTTP/1.1 403 Forbidden"),
        ("sub.example.org:443", "HTTP/1.1 403 Forbidden"),
        ("example.org.evil.example:443", "HTTP/1.1 403 Forbidden"),
        ("xn--example-.org:443", "HTTP/1.1 400 Bad Request"),
        ("ex\u{e4}mple.org:443", "HTTP/1.1 400 Bad Request"),
        ("localhost:443", "HTTP/1.1 403 Forbidden"),
        ("93.184.216.34:443", "HTTP/1.1 403 Forbidden"),
        ("127.0.0.1:443", "HTTP/1.1 403 Forbidden"),
        ("[::1]:443", "HTTP/1.1 403 Forbidden"),
        ("[::ffff:10.0.0.5]:443", "HTTP/1.1 403 Forbidden"),
        ("[fe80::1]:443", "HTTP/1.1 403 Forbidden"),
        ("[fe80::1%25lo]:443", "HTTP/1.1 400 Bad Request"),
        ("0x7f.1:443", "HTTP/1.1 400 Bad Request"),
        ("2130706433:443", "HTTP/1.1 400 Bad Request"),
        ("0177.0.0.1:443", "HTTP/1.1 400 Bad Request"),
        ("127.1:443", "HTTP/1.1 400 Bad Request"),
        ("example.org@10.0.0.5:443", "HTTP/1.1 400 Bad Request"),
        ("example.org:443@10.0.0.5:443", "HTTP/1.1 400 Bad Request"),
        ("example.org..:443", "HTTP/1.1 400 Bad Request"),
        ("169.254.169.254:80", "HTTP/1.1 403 Forbidden"),
    ] {
        assert_eq!(tunnel(&town, place).await, answer, "{place}");
    }
    assert_eq!(*world.resolved.lock().unwrap(), Vec::<String>::new(), "names that are not listed are not looked up");
    assert_eq!(world.connections(), Vec::<String>::new());
    assert_eq!(tunnel(&town, "EXAMPLE.org.:443").await, "HTTP/1.1 200 Connection established");
    let records = town.records(22).await;
    assert_eq!(records[0], "Tunnel evil.example:443 refused (it is not on the list) Closed 0/0");
}

#[tokio::test]
async fn what_a_name_means_must_be_public() {
    let world = open_world().await;
    let town = Town::new(&world, &["example.org:80"], Limits::default());
    for (address, why) in [
        ("10.0.0.5", "a private address"),
        ("127.0.0.1", "a loopback address"),
        ("169.254.169.254", "a link-local address"),
        ("::1", "a loopback address"),
        ("::ffff:10.0.0.5", "an IPv6 address that stands for an IPv4 address"),
        ("fe80::1", "a link-local address"),
    ] {
        let before = town.records_so_far();
        world.name("example.org", &[&[address]]);
        assert_eq!(ask(town.direct("example.org:80").await, "hi\n").await, "!", "{address} is broken off");
        assert_eq!(tunnel(&town, "example.org:80").await, "HTTP/1.1 403 Forbidden", "{address}");
        let told = ask(town.http().await, "GET http://example.org/ HTTP/1.1\r\nHost: example.org\r\n\r\n").await;
        assert!(told.ends_with("\r\n\r\nbelljar: example.org:80: it has no public address\n"), "{told}");
        assert!(!told.contains(address), "the program is not told where it is");
        let socks = b"\x05\x01\x00\x05\x01\x00\x03\x0bexample.org\x00\x50";
        assert_eq!(ask(town.socks().await, socks).await, "\u{5}\0\u{5}\u{2}\0\u{1}\0\0\0\0\0\0");
        let records = town.records(before + 4).await;
        assert_eq!(records[before], format!("Direct example.org:80 refused (it is at {address}, {why}) Closed 0/0"));
    }
    assert_eq!(world.connections(), Vec::<String>::new());
}

/// The address that was checked is the one that is connected to, however quickly a name changes its mind.
#[tokio::test]
async fn rebinding_gains_nothing() {
    let world = open_world().await;
    let town = Town::new(&world, &["example.org:80"], Limits::default());
    world.name("example.org", &[&["93.184.216.34"], &["10.0.0.5"]]);
    assert_eq!(ask(town.direct("example.org:80").await, "hi\n").await, "SECRET");
    assert_eq!(world.connections(), ["93.184.216.34:80"]);
    assert_eq!(world.resolved.lock().unwrap().len(), 1, "asked once for one connection");
    assert_eq!(ask(town.direct("example.org:80").await, "hi\n").await, "!");
    // An answer with both: the public one is used, the other one never.
    world.name("example.org", &[&["10.0.0.5", "127.0.0.1", "93.184.216.34", "169.254.169.254"]]);
    assert_eq!(ask(town.direct("example.org:80").await, "hi\n").await, "SECRET");
    world.name("example.org", &[&["10.0.0.5", "93.184.216.35", "127.0.0.1"]]);
    assert_eq!(ask(town.direct("example.org:80").await, "hi\n").await, "!", "nobody is there");
    assert_eq!(world.connections(), ["93.184.216.34:80", "93.184.216.34:80", "93.184.216.35:80"]);
    let records = town.records(4).await;
    assert_eq!(records[3], "Direct example.org:80 failed (it cannot be reached: connection refused) Closed 0/0");
}

#[tokio::test]
async fn addresses_of_the_machine_itself_are_refused() {
    let world = open_world().await;
    world.own("93.184.216.34");
    world.name("example.org", &[&["93.184.216.34"]]);
    let town = Town::new(&world, &["example.org:80"], Limits::default());
    assert_eq!(ask(town.direct("example.org:80").await, "hi\n").await, "!");
    let records = town.records(1).await;
    let why = "it is at 93.184.216.34, an address of this machine";
    assert_eq!(records, [format!("Direct example.org:80 refused ({why}) Closed 0/0")]);
}

#[tokio::test]
async fn an_address_that_is_named_in_numbers_may_be_private() {
    let world = open_world().await;
    world.own("127.0.0.1");
    world.name("inner.example", &[&["10.0.0.5"]]);
    world.name("outer.example", &[&["169.254.169.254"]]);
    let list = ["inner.example:80", "outer.example:80", "10.0.0.0/24:80", "127.0.0.1:443"];
    let town = Town::new(&world, &list, Limits::default());
    assert_eq!(ask(town.direct("inner.example:80").await, "hi\n").await, "SECRET");
    assert_eq!(ask(town.direct("outer.example:80").await, "hi\n").await, "!");
    // Loopback of the machine, at the same address inside.
    assert_eq!(ask(town.direct("127.0.0.1:443").await, "hi\n").await, "SECRET");
    assert_eq!(tunnel(&town, "10.0.0.5:80").await, "HTTP/1.1 200 Connection established");
    assert_eq!(tunnel(&town, "10.0.0.5:443").await, "HTTP/1.1 403 Forbidden");
    assert_eq!(world.connections(), ["10.0.0.5:80", "127.0.0.1:443", "10.0.0.5:80"]);
}

#[tokio::test]
async fn names_that_mean_nothing_are_told_from_what_is_refused() {
    let world = open_world().await;
    world.name("empty.example", &[&[]]);
    let town = Town::new(&world, &["gone.example:80", "empty.example:80"], Limits::default());
    assert_eq!(tunnel(&town, "gone.example:80").await, "HTTP/1.1 502 Bad Gateway");
    assert_eq!(tunnel(&town, "empty.example:80").await, "HTTP/1.1 502 Bad Gateway");
    let records = town.records(2).await;
    assert_eq!(records[0], "Tunnel gone.example:80 failed (the name cannot be resolved: no such name) Closed 0/0");
    assert_eq!(
        records[1],
        "Tunnel empty.example:80 failed (the name cannot be resolved: it has no address) Closed 0/0"
    );
}
