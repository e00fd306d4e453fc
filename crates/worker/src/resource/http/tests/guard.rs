//! What apps are kept from. A connection that is refused is not begun: the network of the test hears of none.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use serde_json::json;

use super::super::{Http, Tls};
use super::world::{LONG, Server, World, ask, ok, plain};
use crate::config::Profile::{Belljar, Strict};
use crate::protocol::Answer;

type Connected = Arc<Mutex<Vec<SocketAddr>>>;

fn guarded(world: World, allow_private: &[&str]) -> (Http, Connected) {
    let connected = Arc::clone(&world.connected);
    let allowed: Vec<_> = allow_private.iter().map(|&entry| entry.to_owned()).collect();
    let tls = Tls::trusting(rustls::RootCertStore::empty());
    (Http::with(LONG, 1024, &allowed, Arc::new(world), tls).unwrap(), connected)
}

#[tokio::test]
async fn addresses_that_are_not_public_are_refused_however_they_are_written() {
    let mut wrong = Vec::new();
    for url in [
        "http://127.0.0.1/",
        "http://127.0.0.1:6379/",
        "https://127.0.0.1/",
        "http://127.1/",
        "http://127.0.1/",
        "http://2130706433/",
        "http://0x7f000001/",
        "http://0x7f.0.0.1/",
        "http://0177.0.0.1/",
        "http://017700000001/",
        "http://127.0.0.1./",
        "http://①②⑦.0.0.1/",
        "http://127。0。0。1/",
        "http://%31%32%37.0.0.1/",
        "http:127.0.0.1/",
        "http:\\\\127.0.0.1\\",
        "http:///127.0.0.1/",
        "http://\t127.0.0.1/",
        "http://[::1]/",
        "http://[0:0:0:0:0:0:0:1]/",
        "http://[::]/",
        "http://[::ffff:127.0.0.1]/",
        "http://[::ffff:7f00:1]/",
        "http://[::127.0.0.1]/",
        "http://[64:ff9b::7f00:1]/",
        "http://[2002:7f00:1::]/",
        "http://[fe80::1]/",
        "http://[fd00:ec2::254]/",
        "http://[ff02::1]/",
        "http://0.0.0.0/",
        "http://0/",
        "http://10.0.0.1/",
        "http://172.16.0.1/",
        "http://192.168.0.1/",
        "http://100.64.0.1/",
        "http://169.254.169.254/latest/meta-data/",
        "http://255.255.255.255/",
        "http://224.0.0.1/",
        "http://240.0.0.1/",
        "http://198.18.0.1/",
        // Names.
        "http://localhost/",
        "http://LOCALHOST./",
        "http://private.example/",
        "http://mapped.example/",
        "http://metadata.example/",
        // An address of this machine that is public.
        "http://93.184.216.99/",
        "http://own.example/",
    ] {
        let mut world = World::with(&[
            ("localhost", &[&["127.0.0.1", "::1"]]),
            ("private.example", &[&["10.1.2.3"]]),
            ("mapped.example", &[&["::ffff:10.1.2.3"]]),
            ("metadata.example", &[&["169.254.169.254"]]),
            ("own.example", &[&["93.184.216.99"]]),
        ]);
        world.own = vec!["93.184.216.99".parse().unwrap()];
        let (http, connected) = guarded(world, &[]);
        let answer = ask(&http, Belljar, "get", json!({"url": url})).await;
        let refused = matches!(&answer, Answer::Failure(reason) if reason.ends_with("this worker keeps apps from it (setting allow_private)"));
        if !refused || !connected.lock().unwrap().is_empty() {
            wrong.push((url, answer));
        }
    }
    assert!(wrong.is_empty(), "{wrong:?}");
}

/// Also in the strict profile: vxsandbox let them through.
#[tokio::test]
async fn the_reason_names_address_and_kind() {
    let (http, _) = guarded(World::with(&[("metadata.example", &[&["169.254.169.254"]])]), &[]);
    for profile in [Belljar, Strict] {
        let reason = "metadata.example has the address 169.254.169.254, which is a link-local address: this worker keeps apps from it \
                      (setting allow_private)";
        let asked = json!({"url": "http://metadata.example/"});
        assert_eq!(ask(&http, profile, "get", asked).await, Answer::failure(reason));
    }
}

/// User information is no way to write a host that is not connected to.
#[tokio::test]
async fn tricks_with_urls_lead_nowhere() {
    for url in [
        "http://public.example@127.0.0.1/",
        "http://127.0.0.1@public.example/",
        "http://public.example:80@127.0.0.1/",
        "http://public.example\\@127.0.0.1/",
        "http://public.example#@127.0.0.1/",
        "http://public.example%00.127.0.0.1/",
        "http://public.example%2f@127.0.0.1/",
        "http://[::1%25eth0]/",
        "http://a..b/",
    ] {
        let (http, connected) = guarded(World::with(&[("public.example", &[&["127.0.0.1"]])]), &[]);
        let answer = ask(&http, Belljar, "get", json!({"url": url})).await;
        assert!(matches!(answer, Answer::Failure(_)) && connected.lock().unwrap().is_empty(), "{url} {answer:?}");
    }
}

/// The name is asked for once, and the address that was checked is the one that is connected to; at a redirect it is checked again.
#[tokio::test]
async fn names_that_change_their_meaning_do_not_help() {
    let there = plain("302 Found", "Location: http://rebound.example/secret\r\n", "");
    let server = Server::start(vec![there, plain("200 OK", "", "secret")]).await;
    let mut world = World::with(&[("rebound.example", &[&["93.184.216.34"], &["127.0.0.1"]])]);
    world.server = Some(server.address);
    let (http, connected) = guarded(world, &[]);
    let answer = ask(&http, Belljar, "get", json!({"url": "http://rebound.example/"})).await;
    assert!(matches!(&answer, Answer::Failure(reason) if reason.contains("a loopback address")), "{answer:?}");
    assert_eq!(*connected.lock().unwrap(), ["93.184.216.34:80".parse().unwrap()]);
    assert_eq!(server.requests().len(), 1);
}

/// Of several addresses the public ones are used.
#[tokio::test]
async fn a_public_address_among_others_is_used() {
    let server = Server::start(vec![plain("200 OK", "", "public")]).await;
    let mut world = World::with(&[("mixed.example", &[&["10.0.0.1", "93.184.216.34", "::1"]])]);
    world.server = Some(server.address);
    let (http, connected) = guarded(world, &[]);
    assert_eq!(ask(&http, Belljar, "get", json!({"url": "http://mixed.example:8080/"})).await, ok(200, "public"));
    assert_eq!(*connected.lock().unwrap(), ["93.184.216.34:8080".parse().unwrap()]);
}

#[tokio::test]
async fn redirects_are_checked() {
    for location in ["http://127.0.0.1:1/", "//[::1]/", "http://0x7f.1/", "http://inside.example/"] {
        let server = Server::start(vec![plain("302 Found", &format!("Location: {location}\r\n"), "")]).await;
        let mut world = World::with(&[("out.example", &[&["93.184.216.34"]]), ("inside.example", &[&["10.0.0.1"]])]);
        world.server = Some(server.address);
        let (http, connected) = guarded(world, &[]);
        let answer = ask(&http, Belljar, "get", json!({"url": "http://out.example/"})).await;
        assert!(matches!(&answer, Answer::Failure(reason) if reason.contains("keeps apps from it")), "{answer:?}");
        assert_eq!(connected.lock().unwrap().len(), 1, "{location}");
    }
}

#[tokio::test]
async fn what_is_allowed_is_reached_and_nothing_beside_it() {
    let server = Server::start(vec![plain("200 OK", "", "inside")]).await;
    let port = server.address.port();
    let entry = |host: &str| format!("{host}:{port}");
    for (allowed, url, reached) in [
        (entry("127.0.0.1"), format!("http://127.0.0.1:{port}/"), true),
        (entry("127.0.0.0/8"), format!("http://127.0.0.1:{port}/"), true),
        (entry("127.0.0.0/8"), format!("http://inside.example:{port}/"), true),
        (entry("inside.example"), format!("http://inside.example:{port}/"), true),
        (entry("*.example"), format!("http://inside.example:{port}/"), true),
        (entry("inside.example"), format!("http://127.0.0.1:{port}/"), false),
        (entry("inside.example"), format!("http://other.example:{port}/"), false),
        (entry("inside.example"), "http://inside.example:1/".to_owned(), false),
        (entry("127.0.0.1"), "http://127.0.0.1:1/".to_owned(), false),
        (entry("127.0.0.1"), format!("http://127.0.0.2:{port}/"), false),
        (entry("127.0.0.1"), format!("http://[::ffff:127.0.0.1]:{port}/"), false),
        // There is no host to reach, whoever is trusted.
        (entry("nobody.example"), format!("http://nobody.example:{port}/"), false),
    ] {
        let world = World::with(&[
            ("inside.example", &[&["127.0.0.1"]]),
            ("other.example", &[&["127.0.0.1"]]),
            ("nobody.example", &[&["0.0.0.0"]]),
        ]);
        let (http, connected) = guarded(world, &[&allowed]);
        let answer = ask(&http, Belljar, "get", json!({"url": url})).await;
        assert_eq!(answer == ok(200, "inside"), reached, "{allowed} {url} {answer:?}");
        assert_eq!(connected.lock().unwrap().len(), usize::from(reached), "{allowed} {url}");
    }
}

#[test]
fn entries_are_checked_at_the_start() {
    let error = Http::new(LONG, 1, &["10.0.0.0/8:80".to_owned(), "localhost:80".to_owned()]).unwrap_err();
    assert_eq!(error.entry, "localhost:80");
    assert!(error.to_string().starts_with("`localhost:80` in allow_private: "), "{error}");
}
