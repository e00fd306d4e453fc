//! What only Redis has: keys that others write, too, and a server that can be gone.

use std::time::{Duration, Instant};

use belljar_worker::config::{KvStore, Secret};
use belljar_worker::resource::Level;
use belljar_worker::resource::kv::{Kv, MAX_VALUE_BYTES, OPERATION_TIMEOUT, Store, Stores};
use redis::{Connection, FromRedisValue, cmd};

use super::common::redis::Redis;
use super::common::{Unavailable, or_skip};
use super::kv::limited;
use super::*;

/// For what comes by itself, on a machine with much else to do.
const PATIENCE: Duration = Duration::from_secs(60);
/// Far more than a failure may take, and far less than an app would have to wait.
const SOON: Duration = OPERATION_TIMEOUT.saturating_mul(3);
const GONE: &str = "the key-value store does not answer at the moment";

fn port(redis: &Redis) -> u16 {
    let url = redis.url(0);
    let (_, port) = url.trim_end_matches("/0").rsplit_once(':').expect("a port");
    port.parse().expect("a number")
}

fn config(port: u16) -> KvStore {
    KvStore::Redis {
        host: "127.0.0.1".to_owned(),
        port,
        db: 0,
        password: None,
        key_prefix: None,
        key_separator: ":".to_owned(),
    }
}

async fn open(redis: &Redis) -> Arc<dyn Store> {
    Stores::default().open(&config(port(redis))).await.expect("a store")
}

/// Somebody else who uses the Redis: vxsandbox, or an operator.
struct Other(Connection);

impl Other {
    fn new(redis: &Redis, database: u32) -> Self {
        Self(redis::Client::open(redis.url(database)).and_then(|client| client.get_connection()).expect("a Redis"))
    }

    fn say<T: FromRedisValue>(&mut self, command: &str) -> T {
        let mut words = command.split(' ');
        let mut said = cmd(words.next().expect("a command"));
        for word in words {
            said.arg(word);
        }
        said.query(&mut self.0).unwrap_or_else(|error| panic!("{command}: {error}"))
    }
}

async fn becomes(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let until = Instant::now() + PATIENCE;
    while !holds().await {
        assert!(Instant::now() < until, "{what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn count(store: &Arc<dyn Store>, tenant: &str) -> (i64, i64) {
    let counted = store.reconcile(tenant).await.expect("counted");
    (counted.before, counted.keys)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_does_what_every_store_does() -> Result<(), Unavailable> {
    let Some(redis) = or_skip(Redis::start()) else { return Ok(()) };
    let store = open(&redis).await;
    super::kv::all(&store).await;
    assert_eq!(store.state(), Ok(()));
    Ok(())
}

#[tokio::test]
async fn keys_and_values_are_where_vxsandbox_has_them() {
    // 5, 65, 66, 74; trap 13.
    let Some(redis) = or_skip(Redis::start()) else { return };
    let run = Run::new(Profile::Belljar, "sandbox1");
    for (key_prefix, begins, db) in [(None, "", 0), (Some("vumi.jsbox.kv"), "vumi.jsbox.kv:", 3)] {
        let mut config = config(port(&redis));
        let KvStore::Redis { key_prefix: prefix, db: database, .. } = &mut config else { unreachable!() };
        (*prefix, *database) = (key_prefix.map(str::to_owned), i64::from(db));
        let store = Stores::default().open(&config).await.expect("a store");
        let kv = limited(&store, 100, 80);
        let mut other = Other::new(&redis, db);
        let value = json!({"a": [1, 2.5, 1e22, null, true, "é😀"]});
        let key = "users.skel.+271 é#x";
        assert_eq!(run.ask(&kv, "set", json!({"key": key, "value": value, "seconds": 1000})).await, Answer::success());
        let name = format!("{begins}sandboxes#sandbox1#{key}");
        let stored: String = cmd("GET").arg(&name).query(&mut other.0).expect("a value");
        assert_eq!(stored, r#"{"a": [1, 2.5, 1e+22, null, true, "\u00e9\ud83d\ude00"]}"#);
        let lives: i64 = cmd("TTL").arg(&name).query(&mut other.0).expect("a time");
        assert!((900..=1000).contains(&lives), "{lives}");
        assert_eq!(run.ask(&kv, "set", json!({"key": "foo", "value": "bar"})).await, Answer::success());
        assert_eq!(run.ask(&kv, "incr", json!({"key": "n", "amount": 7})).await, Answer::with("value", 7));
        assert_eq!(other.say::<String>(&format!("GET {begins}sandboxes#sandbox1#foo")), "\"bar\"");
        assert_eq!(other.say::<String>(&format!("GET {begins}sandboxes#sandbox1#n")), "7");
        assert_eq!(other.say::<String>(&format!("GET {begins}count#sandbox1")), "3");
        assert_eq!(other.say::<i64>("DBSIZE"), 4);
        assert_eq!(run.ask(&kv, "delete", json!({"key": "foo"})).await, Answer::with("existed", true));
        assert_eq!(other.say::<String>(&format!("GET {begins}count#sandbox1")), "2");
        assert_eq!(other.say::<i64>(&format!("EXISTS {begins}sandboxes#sandbox1#foo")), 0);
    }
}

#[tokio::test]
async fn what_others_wrote_is_read_or_refused() {
    let Some(redis) = or_skip(Redis::start()) else { return };
    let (store, mut other) = (open(&redis).await, Other::new(&redis, 0));
    let kv = limited(&store, 100, 80);
    let mut put = |key: &str, value: &[u8]| {
        let name = format!("sandboxes#sandbox1#{key}");
        cmd("SET").arg(name).arg(value).exec(&mut other.0).expect("set");
    };
    put("python", br#"{"caf\u00e9": [1, 1.5, 1e+22, null, "\ud83d\ude00"]}"#);
    put("half", br#""cut \ud83d""#);
    put("text", b"foo");
    put("more", b"{} {}");
    put("bytes", b"\"\xff\"");
    put("nan", b"NaN");
    put("empty", b"");
    put("long", &vec![b' '; MAX_VALUE_BYTES + 1]);
    put("deep", "[".repeat(500_000).as_bytes());
    other.say::<i64>("RPUSH sandboxes#sandbox1#list a b");
    let wrong = "WRONGTYPE Operation against a key holding the wrong kind of value";
    let long = "the value has more than 4194304 bytes";
    for (key, answer) in [
        ("python", Answer::with("value", json!({"café": [1, 1.5, 1e22, null, "😀"]}))),
        ("half", Answer::with("value", "cut \u{fffd}")),
        ("text", failure("No JSON object could be decoded")),
        ("more", failure("Extra data: line 1 column 4 - line 1 column 6 (char 3 - 5)")),
        ("bytes", failure("'utf8' codec can't decode byte 0xff in position 1: invalid start byte")),
        ("nan", failure("expected value at line 1 column 1")),
        ("empty", failure("No JSON object could be decoded")),
        ("long", failure(long)),
        ("deep", failure("maximum recursion depth exceeded")),
        ("list", failure(wrong)),
    ] {
        let run = Run::new(Profile::Strict, "sandbox1");
        assert_eq!(run.ask(&kv, "get", json!({"key": key})).await, answer, "{key}");
        let run = Run::new(Profile::Belljar, "sandbox1");
        let belljar = match answer {
            Answer::Failure(reason) if reason != wrong && reason != long => {
                Answer::Failure(format!("what is stored under this key is not JSON: {reason}"))
            }
            answer => answer,
        };
        assert_eq!(run.ask(&kv, "get", json!({"key": key})).await, belljar, "{key}");
    }
    let run = Run::new(Profile::Belljar, "sandbox1");
    assert_eq!(run.ask(&kv, "incr", json!({"key": "list"})).await, failure(wrong));
    assert_eq!(run.ask(&kv, "incr", json!({"key": "text"})).await, failure("value is not an integer or out of range"));
    // SET takes any type away, as it always did.
    assert_eq!(run.ask(&kv, "set", json!({"key": "list", "value": 1})).await, Answer::success());
    assert_eq!(run.ask(&kv, "get", json!({"key": "list"})).await, Answer::with("value", 1));
}

#[tokio::test]
async fn a_count_that_is_none_is_put_right() {
    let Some(redis) = or_skip(Redis::start()) else { return };
    let (store, mut other) = (open(&redis).await, Other::new(&redis, 0));
    let kv = limited(&store, 3, 3);
    for (tenant, spoil) in
        [("list", "RPUSH count#list a"), ("text", "SET count#text many"), ("less", "SET count#less -5")]
    {
        let run = Run::new(Profile::Belljar, tenant);
        assert_eq!(run.ask(&kv, "set", json!({"key": "a", "value": 1})).await, Answer::success());
        other.say::<i64>(&format!("DEL count#{tenant}"));
        other.say::<redis::Value>(spoil);
        let answer = run.ask(&kv, "set", json!({"key": "b", "value": 1})).await;
        assert_eq!(answer == Answer::success(), tenant == "less", "{tenant}: {answer:?}");
        let (_, keys) = count(&store, tenant).await;
        assert_eq!(count(&store, tenant).await, (keys, keys), "{tenant}");
        for key in ["b", "c", "d"] {
            let answer = run.ask(&kv, "set", json!({"key": key, "value": 1})).await;
            assert_eq!(answer == Answer::success(), key != "d", "{tenant} {key}: {answer:?}");
        }
    }
    let all = store.reconcile_all().await.expect("counted");
    assert_eq!(all.iter().map(|(tenant, _)| tenant.as_str()).collect::<Vec<_>>(), ["less", "list", "text"]);
}

#[tokio::test]
async fn all_counts_are_put_right_together() {
    let Some(redis) = or_skip(Redis::start()) else { return };
    let mut other = Other::new(&redis, 0);
    let mut config = config(port(&redis));
    let KvStore::Redis { key_prefix, .. } = &mut config else { unreachable!() };
    *key_prefix = Some("p".to_owned());
    let store = Stores::default().open(&config).await.expect("a store");
    for (tenant, keys, count) in
        [("a", 2, Some("7")), ("b", 0, Some("3")), ("c", 3, None), ("d", 1, Some("1")), ("e#f", 1, Some("9"))]
    {
        for key in 0..keys {
            other.say::<()>(&format!("SET p:sandboxes#{tenant}#k#{key} 1"));
        }
        if let Some(count) = count {
            other.say::<()>(&format!("SET p:count#{tenant} {count}"));
        }
    }
    for unrelated in ["sandboxes#a#x", "p:sandboxes#none", "p:other#a", "count#a", "p:sandboxes#e#x"] {
        other.say::<()>(&format!("SET {unrelated} 1"));
    }
    for number in 0..3000 {
        other.say::<()>(&format!("SET p:sandboxes#many#{number} 1"));
    }
    let all = store.reconcile_all().await.expect("counted");
    let seen: Vec<_> = all.iter().map(|(tenant, counted)| (tenant.as_str(), counted.before, counted.keys)).collect();
    assert_eq!(seen, [("a", 7, 2), ("b", 3, 0), ("c", 0, 3), ("d", 1, 1), ("many", 0, 3000)]);
    for (tenant, count) in [("a", "2"), ("b", "0"), ("c", "3"), ("d", "1"), ("e#f", "9"), ("many", "3000")] {
        assert_eq!(other.say::<String>(&format!("GET p:count#{tenant}")), count, "{tenant}");
    }
    assert_eq!(other.say::<String>("GET count#a"), "1");
}

#[tokio::test]
async fn the_strict_count_drifts() {
    // 4.2: keys that expire are never taken off, what fails is charged, and a delete takes off what was never counted.
    let Some(redis) = or_skip(Redis::start()) else { return };
    let (store, mut other) = (open(&redis).await, Other::new(&redis, 0));
    let kv = limited(&store, 100, 80);
    let run = Run::new(Profile::Strict, "drifts");
    assert_eq!(run.ask(&kv, "set", json!({"key": "a", "value": 1, "seconds": 1})).await, Answer::success());
    becomes("a key goes", async || {
        run.ask(&kv, "get", json!({"key": "a"})).await == Answer::with("value", Value::Null)
    })
    .await;
    assert_eq!(other.say::<String>("GET count#drifts"), "1");
    for fields in [json!({"key": "b", "amount": 1.5}), json!({"key": "c", "amount": null})] {
        assert_eq!(run.ask(&kv, "incr", fields).await, failure("value is not an integer or out of range"));
    }
    let negative = run.ask(&kv, "set", json!({"key": "d", "value": 1, "seconds": -1})).await;
    assert_eq!(negative, failure("invalid expire time in 'setex' command"));
    let truth = run.ask(&kv, "set", json!({"key": "e", "value": 1, "seconds": true})).await;
    assert_eq!(truth, failure("value is not an integer or out of range"));
    assert_eq!(other.say::<String>("GET count#drifts"), "5");
    let run = Run::new(Profile::Strict, "under");
    for key in ["a", "b"] {
        other.say::<()>(&format!("SET sandboxes#under#{key} 1"));
        assert_eq!(run.ask(&kv, "delete", json!({"key": key})).await, Answer::with("existed", true));
    }
    assert_eq!(other.say::<String>("GET count#under"), "-2");
    // 69: the count is believed, whatever is there; and it stays.
    let run = Run::new(Profile::Strict, "full");
    other.say::<()>("SET count#full 100");
    assert_eq!(run.ask(&kv, "set", json!({"key": "a", "value": 1})).await, failure("Too many keys"));
    assert_eq!(other.say::<String>("GET count#full"), "100");
    assert_eq!(run.lines().iter().map(|line| line.level).collect::<Vec<_>>(), [Level::Error]);
    // 68.
    let run = Run::new(Profile::Strict, "soft");
    other.say::<()>("SET count#soft 80");
    assert_eq!(run.ask(&kv, "set", json!({"key": "a", "value": 1})).await, Answer::success());
    assert_eq!(other.say::<String>("GET count#soft"), "81");
    assert_eq!(run.lines().iter().map(|line| line.level).collect::<Vec<_>>(), [Level::Warning]);
}

#[tokio::test]
async fn a_count_that_drifted_heals_when_it_stands_in_the_way() {
    // W14.
    let Some(redis) = or_skip(Redis::start()) else { return };
    let (store, mut other) = (open(&redis).await, Other::new(&redis, 0));
    let kv = limited(&store, 3, 3);
    let run = Run::new(Profile::Belljar, "sandbox1");
    other.say::<()>("SET count#sandbox1 250");
    // Keys of others are not taken for the tenant's.
    for name in ["sandboxes#sandbox10#a", "sandboxes#Sandbox1#a", "x:sandboxes#sandbox1#a", "sandboxes#sandbox1"] {
        other.say::<()>(&format!("SET {name} 1"));
    }
    for (key, is_room) in [("a", true), ("b", true), ("c", true), ("d", false), ("e", false)] {
        let answer = run.ask(&kv, "set", json!({"key": key, "value": 1})).await;
        assert_eq!(answer == Answer::success(), is_room, "{key}");
    }
    assert_eq!(other.say::<String>("GET count#sandbox1"), "3");
    assert_eq!(count(&store, "sandbox1").await, (3, 3));
    // It is not counted again at once: that would be a way to keep Redis busy.
    other.say::<()>("SET count#sandbox1 250");
    let scans = |other: &mut Other| {
        let stats: String = other.say("INFO commandstats");
        let line = stats.lines().find(|line| line.starts_with("cmdstat_scan:")).unwrap_or("calls=0,").to_owned();
        line.split_once("calls=").and_then(|(_, rest)| rest.split_once(',')?.0.parse::<u64>().ok()).expect("a number")
    };
    let before = scans(&mut other);
    for key in ["f", "g", "h"] {
        assert_eq!(run.ask(&kv, "set", json!({"key": key, "value": 1})).await, failure("Too many keys"));
    }
    assert_eq!(scans(&mut other), before);
}

/// Until the app gets its keys again.
async fn works(run: &Run, kv: &Kv) {
    becomes("the store works", async || run.ask(kv, "set", json!({"key": "a", "value": 1})).await == Answer::success())
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_that_is_gone_is_a_reason_and_one_that_is_back_is_used() -> Result<(), Unavailable> {
    let Some(mut redis) = or_skip(Redis::start()) else { return Ok(()) };
    let store = open(&redis).await;
    let kv = limited(&store, 100, 80);
    let run = Run::new(Profile::Belljar, "sandbox1");
    for _ in 0..3 {
        works(&run, &kv).await;
        assert_eq!(run.ask(&kv, "get", json!({"key": "a"})).await, Answer::with("value", 1));
        redis.kill();
        let began = Instant::now();
        for command in ["get", "set", "delete", "incr"] {
            for _ in 0..5 {
                assert_eq!(run.ask(&kv, command, json!({"key": "a"})).await, failure(GONE), "{command}");
            }
        }
        assert!(began.elapsed() < SOON, "{:?}", began.elapsed());
        becomes("it is known that Redis is gone", async || store.state().is_err()).await;
        assert!(store.reconcile("sandbox1").await.is_err());
        redis.start_again()?;
        becomes("it is known that Redis is back", async || store.state().is_ok()).await;
        // Gone and back unseen: what can be said twice works at once.
        for _ in 0..3 {
            redis.kill();
            redis.start_again()?;
            assert_eq!(run.ask(&kv, "get", json!({"key": "a"})).await, Answer::with("value", Value::Null));
        }
        // And so does what cannot.
        assert_eq!(run.ask(&kv, "incr", json!({"key": "n"})).await, Answer::with("value", 1));
    }
    Ok(())
}

#[tokio::test]
async fn a_redis_that_says_nothing_is_a_reason() {
    // Connections are taken by the kernel, and nobody reads.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = silent.local_addr().expect("an address").port();
    let store = Stores::default().open(&config(port)).await.expect("a store");
    let run = Run::new(Profile::Belljar, "sandbox1");
    let began = Instant::now();
    assert_eq!(run.ask(&limited(&store, 1, 1), "get", json!({"key": "a"})).await, failure(GONE));
    assert!(began.elapsed() < SOON, "{:?}", began.elapsed());
}

#[tokio::test]
async fn a_redis_wants_its_password() {
    let Some(redis) = or_skip(Redis::start()) else { return };
    let mut other = Other::new(&redis, 0);
    other.say::<()>("CONFIG SET requirepass secret");
    let run = Run::new(Profile::Belljar, "sandbox1");
    for (given, answer) in
        [(Some("secret"), Answer::with("value", Value::Null)), (Some("wrong"), failure(GONE)), (None, failure(GONE))]
    {
        let mut config = config(port(&redis));
        let KvStore::Redis { password, .. } = &mut config else { unreachable!() };
        *password = given.map(|given| Secret::new(given.to_owned()));
        let store = Stores::default().open(&config).await.expect("a store");
        assert_eq!(run.ask(&limited(&store, 1, 1), "get", json!({"key": "a"})).await, answer, "{given:?}");
        if given == Some("wrong") {
            becomes("it is known what is wrong", async || store.state().is_err()).await;
            assert!(!format!("{:?} {store:?}", store.state()).contains("wrong"), "{store:?}");
            // Once Redis has that password, it is used.
            let kv = limited(&store, 1, 1);
            other.say::<()>("CONFIG SET requirepass wrong");
            works(&run, &kv).await;
            other.say::<()>("CONFIG SET requirepass secret");
        }
    }
}
