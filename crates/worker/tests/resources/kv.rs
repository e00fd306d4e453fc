//! What every store does. Each test is given a store, and tenants of its own in it.

use std::sync::Arc;
use std::time::Duration;

use belljar_worker::resource::Level;
use belljar_worker::resource::kv::{Kv, MAX_KEY_BYTES, MAX_VALUE_BYTES, Store};
use futures_util::future::join_all;
use tokio::time::{Instant, sleep};

use super::*;

/// For what comes by itself, on a machine with much else to do.
const PATIENCE: Duration = Duration::from_secs(60);

const BOTH: [Profile; 2] = [Profile::Belljar, Profile::Strict];
const NO_INTEGER: &str = "value is not an integer or out of range";
const NO_NUMBER: &str = "seconds must be a number or null";
const TOO_MANY: &str = "Too many keys";

/// A resource with these limits.
pub(crate) fn limited(store: &Arc<dyn Store>, hard: i64, soft: i64) -> Kv {
    Kv::new(Arc::clone(store), hard, soft)
}

fn kv(store: &Arc<dyn Store>) -> Kv {
    limited(store, 100, 80)
}

/// Everything that holds for all stores.
pub(crate) async fn all(store: &Arc<dyn Store>) {
    values_are_kept(store).await;
    numbers_are_added(store).await;
    times_to_live_are_numbers(store).await;
    keys_are_texts(store).await;
    keys_go_when_their_time_is_up(store).await;
    the_limit_is_exact(store).await;
    the_strict_limit_is_one_less(store).await;
    what_fails_takes_no_place(store).await;
    what_is_gone_makes_room(store).await;
    many_at_once_keep_the_limit(store).await;
    tenants_are_apart(store).await;
}

/// Commands of one app with what they are answered.
async fn transcript(kv: &Kv, run: &Run, lines: Vec<(&str, Value, Answer)>) {
    for (command, fields, answer) in lines {
        assert_eq!(run.ask(kv, command, fields.clone()).await, answer, "{command} {fields}");
    }
}

/// Until the app gets this.
async fn becomes(kv: &Kv, run: &Run, key: &str, value: Value) {
    let until = Instant::now() + PATIENCE;
    while run.ask(kv, "get", json!({"key": key})).await != Answer::with("value", value.clone()) {
        assert!(Instant::now() < until, "{key} has not become {value}");
        sleep(Duration::from_millis(20)).await;
    }
}

fn got(value: Value) -> Answer {
    Answer::with("value", value)
}

async fn values_are_kept(store: &Arc<dyn Store>) {
    // 65, 72-74; trap 6.
    for profile in BOTH {
        let (kv, run) = (kv(store), Run::new(profile, &format!("values-{profile:?}")));
        transcript(
            &kv,
            &run,
            vec![
                ("get", json!({"key": "foo"}), got(Value::Null)),
                ("delete", json!({"key": "foo"}), Answer::with("existed", false)),
                ("set", json!({"key": "foo", "value": "bar"}), Answer::success()),
                ("get", json!({"key": "foo"}), got("bar".into())),
                ("set", json!({"key": "foo"}), Answer::success()),
                ("get", json!({"key": "foo"}), got(Value::Null)),
                ("delete", json!({"key": "foo"}), Answer::with("existed", true)),
                ("delete", json!({"key": "foo"}), Answer::with("existed", false)),
                ("keys", json!({"key": "foo"}), Answer::Unknown),
                ("", json!({}), Answer::Unknown),
            ],
        )
        .await;
        let large = "x".repeat(MAX_VALUE_BYTES - 2);
        for value in [
            json!({"a": [1, -2.5, true, null, "é😀\u{0}\n\"\\"], "": {}}),
            json!(null),
            json!(0),
            json!(1e22),
            json!(u64::MAX),
            json!(""),
            json!([[[[]]]]),
            json!(large),
        ] {
            let key = "a b:c#d/é\u{0}";
            transcript(
                &kv,
                &run,
                vec![
                    ("set", json!({"key": key, "value": value}), Answer::success()),
                    ("get", json!({"key": key}), got(value)),
                ],
            )
            .await;
        }
        let reason = format!("the value has more than {MAX_VALUE_BYTES} bytes");
        let too_large = json!({"key": "large", "value": format!("{large}x")});
        assert_eq!(run.ask(&kv, "set", too_large).await, failure(&reason));
        assert_eq!(run.ask(&kv, "get", json!({"key": "large"})).await, got(Value::Null));
    }
}

async fn numbers_are_added(store: &Arc<dyn Store>) {
    // 75-78; trap 15.
    for profile in BOTH {
        let (kv, run) = (kv(store), Run::new(profile, &format!("numbers-{profile:?}")));
        transcript(
            &kv,
            &run,
            vec![
                ("incr", json!({"key": "n"}), got(1.into())),
                ("incr", json!({"key": "n", "amount": 5}), got(6.into())),
                ("incr", json!({"key": "n", "amount": -2}), got(4.into())),
                ("incr", json!({"key": "n", "amount": "3"}), got(7.into())),
                ("incr", json!({"key": "n", "amount": 0}), got(7.into())),
                ("incr", json!({"key": "n", "amount": 1.0}), got(8.into())),
                ("incr", json!({"key": "n", "amount": true}), got(9.into())),
                ("get", json!({"key": "n"}), got(9.into())),
                ("set", json!({"key": "n", "value": 9_007_199_254_740_993_i64}), Answer::success()),
                ("incr", json!({"key": "n"}), got(9_007_199_254_740_994_i64.into())),
                ("set", json!({"key": "n", "value": i64::MAX}), Answer::success()),
                ("incr", json!({"key": "n"}), failure("increment or decrement would overflow")),
                ("incr", json!({"key": "n", "amount": i64::MIN}), got((-1).into())),
                ("get", json!({"key": "n"}), got((-1).into())),
            ],
        )
        .await;
        for amount in
            [json!(null), json!(1.5), json!(""), json!("x"), json!(" 1"), json!("1.0"), json!("+1"), json!([1])]
        {
            assert_eq!(
                run.ask(&kv, "incr", json!({"key": "n", "amount": amount})).await,
                failure(NO_INTEGER),
                "{amount}"
            );
        }
        for amount in [json!({}), json!(false), json!(u64::MAX), json!("9223372036854775808"), json!(2.0)] {
            assert_eq!(
                run.ask(&kv, "incr", json!({"key": "n", "amount": amount})).await,
                failure(NO_INTEGER),
                "{amount}"
            );
        }
        assert_eq!(run.ask(&kv, "get", json!({"key": "n"})).await, got((-1).into()));
        for value in [json!("a"), json!("5"), json!(1.5), json!(null), json!([]), json!(1e30)] {
            transcript(
                &kv,
                &run,
                vec![
                    ("set", json!({"key": "text", "value": value}), Answer::success()),
                    ("incr", json!({"key": "text"}), failure(NO_INTEGER)),
                    ("get", json!({"key": "text"}), got(value)),
                ],
            )
            .await;
        }
    }
}

async fn times_to_live_are_numbers(store: &Arc<dyn Store>) {
    // 67: refused, and neither stored nor counted.
    for profile in BOTH {
        let (kv, run) = (limited(store, 2, 2), Run::new(profile, &format!("seconds-{profile:?}")));
        for seconds in [json!("5"), json!(1.5), json!([]), json!({}), json!("foo")] {
            let fields = json!({"key": "foo", "value": 1, "seconds": seconds});
            assert_eq!(run.ask(&kv, "set", fields).await, failure(NO_NUMBER), "{seconds}");
        }
        transcript(
            &kv,
            &run,
            vec![
                ("get", json!({"key": "foo"}), got(Value::Null)),
                ("set", json!({"key": "a", "value": 1, "seconds": 0}), Answer::success()),
                ("set", json!({"key": "b", "value": 1, "seconds": null}), Answer::success()),
                (
                    "set",
                    json!({"key": "b", "value": 2, "seconds": -5}),
                    failure("invalid expire time in 'setex' command"),
                ),
                (
                    "set",
                    json!({"key": "b", "value": 2, "seconds": i64::MAX}),
                    failure("invalid expire time in 'setex' command"),
                ),
                ("set", json!({"key": "b", "value": 2, "seconds": u64::MAX}), failure(NO_INTEGER)),
                ("get", json!({"key": "b"}), got(1.into())),
                ("set", json!({"key": "b", "value": 3, "seconds": 100_000}), Answer::success()),
                ("get", json!({"key": "b"}), got(3.into())),
            ],
        )
        .await;
    }
    let (kv, strict) = (kv(store), Run::new(Profile::Strict, "seconds-truth"));
    let belljar = Run::new(Profile::Belljar, "seconds-truth");
    for (truth, answer) in [(true, failure(NO_INTEGER)), (false, Answer::success())] {
        let fields = json!({"key": "foo", "value": 1, "seconds": truth});
        assert_eq!(strict.ask(&kv, "set", fields.clone()).await, answer);
        assert_eq!(belljar.ask(&kv, "set", fields).await, failure(NO_NUMBER));
    }
}

async fn keys_are_texts(store: &Arc<dyn Store>) {
    let (kv, strict, belljar) = (kv(store), Run::new(Profile::Strict, "keys"), Run::new(Profile::Belljar, "keys"));
    for (key, found) in [
        (json!(null), "NoneType"),
        (json!(5), "int"),
        (json!(u64::MAX), "long"),
        (json!(1.5), "float"),
        (json!(true), "bool"),
        (json!([]), "list"),
        (json!({}), "dict"),
    ] {
        let reason = format!("sequence item 2: expected string or Unicode, {found} found");
        for command in ["get", "set", "delete", "incr"] {
            let fields = json!({"key": key, "value": 1});
            assert_eq!(strict.ask(&kv, command, fields.clone()).await, failure(&reason), "{command} {key}");
            let reason = "'key' must be given, and must be text";
            assert_eq!(belljar.ask(&kv, command, fields).await, failure(reason), "{command} {key}");
        }
    }
    let missing = strict.ask(&kv, "get", json!({})).await;
    assert_eq!(missing, failure("sequence item 2: expected string or Unicode, NoneType found"));
    let longest = "k".repeat(MAX_KEY_BYTES);
    transcript(
        &kv,
        &belljar,
        vec![
            ("set", json!({"key": longest, "value": 1}), Answer::success()),
            ("get", json!({"key": longest}), got(1.into())),
            ("set", json!({"key": format!("{longest}k"), "value": 1}), failure("the key has more than 65536 bytes")),
            ("set", json!({"key": "", "value": 2}), Answer::success()),
            ("get", json!({"key": ""}), got(2.into())),
        ],
    )
    .await;
}

async fn keys_go_when_their_time_is_up(store: &Arc<dyn Store>) {
    // 66.
    for profile in BOTH {
        let (kv, run) = (kv(store), Run::new(profile, &format!("time-{profile:?}")));
        transcript(
            &kv,
            &run,
            vec![
                ("set", json!({"key": "stays", "value": 1, "seconds": 1}), Answer::success()),
                ("set", json!({"key": "stays", "value": 2}), Answer::success()),
                ("set", json!({"key": "n", "value": 5, "seconds": 2}), Answer::success()),
                ("incr", json!({"key": "n"}), got(6.into())),
                ("set", json!({"key": "goes", "value": 3, "seconds": 2}), Answer::success()),
            ],
        )
        .await;
        becomes(&kv, &run, "goes", Value::Null).await;
        becomes(&kv, &run, "n", Value::Null).await;
        transcript(
            &kv,
            &run,
            vec![
                ("get", json!({"key": "stays"}), got(2.into())),
                ("delete", json!({"key": "goes"}), Answer::with("existed", false)),
                ("incr", json!({"key": "n"}), got(1.into())),
            ],
        )
        .await;
    }
}

/// How many of these keys are taken.
async fn fill(kv: &Kv, run: &Run, keys: std::ops::Range<usize>) -> usize {
    let mut taken = 0;
    for key in keys {
        match run.ask(kv, "set", json!({"key": format!("k{key}"), "value": key})).await {
            Answer::Failure(reason) => assert_eq!(reason, TOO_MANY),
            answer => {
                assert_eq!(answer, Answer::success());
                taken += 1;
            }
        }
    }
    taken
}

async fn the_limit_is_exact(store: &Arc<dyn Store>) {
    // 68-71, 79, 80, W14: five are five.
    let (kv, run) = (limited(store, 5, 3), Run::new(Profile::Belljar, "exact"));
    assert_eq!(fill(&kv, &run, 0..3).await, 3);
    assert_eq!(run.lines(), []);
    assert_eq!(fill(&kv, &run, 3..9).await, 2);
    let lines = run.lines();
    let levels: Vec<_> = lines.iter().map(|line| line.level).collect();
    assert_eq!(levels, [[Level::Warning; 2].as_slice(), &[Level::Error; 4]].concat());
    assert_eq!(
        lines[0].text,
        "Redis soft limit of 3 keys reached for sandbox exact. \
         Once the hard limit of 5 is reached no more keys can be written."
    );
    assert_eq!(lines[2].text, "Redis hard limit of 5 keys reached for sandbox exact. No more keys can be written.");
    transcript(
        &kv,
        &run,
        vec![
            ("incr", json!({"key": "more"}), failure(TOO_MANY)),
            ("get", json!({"key": "more"}), got(Value::Null)),
            ("set", json!({"key": "k1", "value": 7}), Answer::success()),
            ("incr", json!({"key": "k1"}), got(8.into())),
            ("delete", json!({"key": "k0"}), Answer::with("existed", true)),
            ("incr", json!({"key": "more"}), got(1.into())),
            ("incr", json!({"key": "even more"}), failure(TOO_MANY)),
        ],
    )
    .await;
    let none = limited(store, 0, 0);
    assert_eq!(fill(&none, &Run::new(Profile::Belljar, "none"), 0..2).await, 0);
}

async fn the_strict_limit_is_one_less(store: &Arc<dyn Store>) {
    // 68, 69, 79, 80; five are four, unless the soft limit is above.
    for (hard, soft, taken, warnings) in [(5, 4, 4, 0), (5, 3, 4, 1), (5, 5, 5, 0), (5, 8, 8, 0), (10, 8, 9, 1)] {
        let (kv, run) = (limited(store, hard, soft), Run::new(Profile::Strict, &format!("strict-{hard}-{soft}")));
        assert_eq!(fill(&kv, &run, 0..12).await, taken, "{hard} {soft}");
        let count = |level| run.lines().iter().filter(|line| line.level == level).count();
        assert_eq!((count(Level::Warning), count(Level::Error)), (warnings, 12 - taken), "{hard} {soft}");
        assert_eq!(run.ask(&kv, "incr", json!({"key": "more"})).await, failure(TOO_MANY));
    }
}

async fn what_fails_takes_no_place(store: &Arc<dyn Store>) {
    let (kv, run) = (limited(store, 2, 2), Run::new(Profile::Belljar, "fails"));
    for number in 0..5 {
        let key = format!("f{number}");
        let bad = json!({"key": key, "amount": 1.5});
        assert_eq!(run.ask(&kv, "incr", bad).await, failure(NO_INTEGER));
        let bad = json!({"key": key, "value": 1, "seconds": i64::MAX});
        assert_eq!(run.ask(&kv, "set", bad).await, failure("invalid expire time in 'setex' command"));
    }
    assert_eq!(fill(&kv, &run, 0..3).await, 2);
}

async fn what_is_gone_makes_room(store: &Arc<dyn Store>) {
    // W14: keys that expire count no more.
    let (kv, run) = (limited(store, 3, 3), Run::new(Profile::Belljar, "room"));
    assert_eq!(run.ask(&kv, "set", json!({"key": "stays", "value": 1})).await, Answer::success());
    for key in ["a", "b"] {
        let fields = json!({"key": key, "value": 1, "seconds": 1});
        assert_eq!(run.ask(&kv, "set", fields).await, Answer::success());
    }
    becomes(&kv, &run, "a", Value::Null).await;
    becomes(&kv, &run, "b", Value::Null).await;
    assert_eq!((fill(&kv, &run, 0..2).await, fill(&kv, &run, 2..4).await), (2, 0));
    let counted = store.reconcile("room").await.expect("counted");
    assert_eq!((counted.before, counted.keys), (3, 3));
    let all = store.reconcile_all().await.expect("counted");
    assert!(all.contains(&("room".to_owned(), counted)), "{all:?}");
}

async fn many_at_once_keep_the_limit(store: &Arc<dyn Store>) {
    // W14: the check and the write are one step.
    let (kv, run) = (limited(store, 20, 20), Run::new(Profile::Belljar, "at once"));
    let sets = (0..50).map(|key| run.ask(&kv, "set", json!({"key": format!("k{key}"), "value": key})));
    let taken = join_all(sets).await.into_iter().filter(|answer| *answer == Answer::success()).count();
    assert_eq!(taken, 20);
    let strict = Run::new(Profile::Strict, "at once, strict");
    let sets = (0..50).map(|key| strict.ask(&kv, "set", json!({"key": format!("k{key}"), "value": key})));
    let taken = join_all(sets).await.into_iter().filter(|answer| *answer == Answer::success()).count();
    assert_eq!(taken, 20, "the soft limit is as high");
    let (kv, run) = (limited(store, 1, 1), Run::new(Profile::Belljar, "sums"));
    let adds = join_all((0..50).map(|_| run.ask(&kv, "incr", json!({"key": "n"})))).await;
    let mut values: Vec<_> = adds
        .iter()
        .map(|answer| match answer {
            Answer::Success(fields) => fields["value"].as_i64(),
            _ => None,
        })
        .collect();
    values.sort();
    assert_eq!(values, (1..=50).map(Some).collect::<Vec<_>>());
}

async fn tenants_are_apart(store: &Arc<dyn Store>) {
    // 8.2: look-alikes. What a pattern, a comparison without case or a normal form would take for one another.
    let tenants = [
        "t",
        "T",
        "t ",
        " t",
        "t*",
        "t?",
        "[t]",
        "[^t]",
        "t\\",
        "\\t",
        "t:",
        "t%",
        "t_",
        "tt",
        "é",
        "e\u{301}",
        "E\u{301}",
        "\u{0}",
        "",
        "t\u{0}",
        "'t'",
        "sandboxes",
        "т",
    ];
    let kv = limited(store, 1, 1);
    let runs = tenants.map(|tenant| Run::new(Profile::Belljar, tenant));
    for run in &runs {
        let fields = json!({"key": "key", "value": run.context.sandbox_id});
        assert_eq!(run.ask(&kv, "set", fields).await, Answer::success(), "{:?}", run.context.sandbox_id);
        // The second stands at the limit: now all keys of this tenant are counted, and no others.
        assert_eq!(
            run.ask(&kv, "set", json!({"key": "more"})).await,
            failure(TOO_MANY),
            "{:?}",
            run.context.sandbox_id
        );
    }
    for run in &runs {
        let own = &run.context.sandbox_id;
        assert_eq!(run.ask(&kv, "get", json!({"key": "key"})).await, got(own.as_str().into()));
        let counted = store.reconcile(own).await.expect("counted");
        assert_eq!((counted.before, counted.keys), (1, 1), "{own:?}");
    }
    for run in &runs {
        assert_eq!(run.ask(&kv, "delete", json!({"key": "key"})).await, Answer::with("existed", true));
    }
    // `a` with the key `b#c` would be `a#b` with the key `c`.
    let (one, other) = (Run::new(Profile::Belljar, "a"), Run::new(Profile::Belljar, "a#b"));
    assert_eq!(one.ask(&kv, "set", json!({"key": "b#c", "value": "secret"})).await, Answer::success());
    for command in ["get", "set", "delete", "incr"] {
        let answer = other.ask(&kv, command, json!({"key": "c"})).await;
        assert_eq!(answer, failure("a sandbox id with # in it cannot have keys: they could be another one's"));
    }
    assert_eq!(one.ask(&kv, "get", json!({"key": "b#c"})).await, got("secret".into()));
}
