use belljar_worker::resource::{Fired, MAX_NAMES, Metrics};
use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;

use super::*;

fn metrics() -> Metrics {
    Metrics::new("mcza", "app", Fired::default())
}

#[tokio::test]
async fn numbers_go_to_the_exchange_of_metrics() {
    // 89-92, 104.
    for (fields, datapoint) in [
        (
            json!({"metric": "foo.bar", "value": 1.5, "agg": "sum"}),
            r#"["mcza.stores.default.foo.bar", ["sum"], [[T, 1.5]]]"#,
        ),
        (
            json!({"store": "a-b_c", "metric": "F", "value": 2, "agg": "avg"}),
            r#"["mcza.stores.a-b_c.F", ["avg"], [[T, 2.0]]]"#,
        ),
        (json!({"metric": "foo", "value": "2", "agg": "min"}), r#"["mcza.stores.default.foo", ["min"], [[T, 2.0]]]"#),
        (json!({"metric": "foo", "value": true, "agg": "max"}), r#"["mcza.stores.default.foo", ["max"], [[T, 1.0]]]"#),
        (
            json!({"metric": "foo", "value": 1e22, "agg": "last"}),
            r#"["mcza.stores.default.foo", ["last"], [[T, 1e+22]]]"#,
        ),
    ] {
        for profile in [Profile::Belljar, Profile::Strict] {
            let run = Run::new(profile, "sandbox1");
            assert_eq!(run.ask(&metrics(), "fire", fields.clone()).await, Answer::success(), "{fields}");
            let published = run.published();
            assert_eq!(published[0].destination, Destination::Metrics);
            let (destination, body) = only(published.clone());
            assert_eq!(destination, Destination::Metrics);
            let second = body["datapoints"][0][2][0][0].as_i64().expect("a second");
            assert!((second - jiff::Timestamp::now().as_second()).abs() < 3600, "{second}");
            let expected = format!("{{\"datapoints\": [{}]}}", datapoint.replace('T', &second.to_string()));
            assert_eq!(String::from_utf8_lossy(&published[0].body), expected);
        }
    }
}

#[tokio::test]
async fn what_is_no_metric() {
    // 93-103, 105, 106. The order of the checks is that of the reference: store, metric, value, agg.
    let good = json!({"store": "default", "metric": "foo", "value": 1.5, "agg": "sum"});
    for (instead, strict, belljar) in [
        (json!({"store": null}), "Missing store name.", "Missing store name."),
        (json!({"metric": null}), "Missing metric name.", "Missing metric name."),
        (json!({"metric": 5}), "Invalid type for metric name: 5", "Invalid type for metric name: 5"),
        (json!({"store": {}}), "Invalid type for store name: {}", "Invalid type for store name: {}"),
        (json!({"metric": "foo bar"}), "Invalid metric name: u'foo bar'.", "Invalid metric name: \"foo bar\"."),
        (json!({"store": "foo bar"}), "Invalid store name: u'foo bar'.", "Invalid store name: \"foo bar\"."),
        (json!({"metric": "bær"}), "Invalid metric name: u'b\\xe6r'.", "Invalid metric name: \"bær\"."),
        (json!({"metric": ""}), "Invalid metric name: u''.", "Invalid metric name: \"\"."),
        (json!({"metric": "1a"}), "Invalid metric name: u'1a'.", "Invalid metric name: \"1a\"."),
        (json!({"metric": "a\n\n"}), "Invalid metric name: u'a\\n\\n'.", "Invalid metric name: \"a\\n\\n\"."),
        (json!({"value": "abc"}), "Invalid metric value u'abc'.", "Invalid metric value \"abc\"."),
        (json!({"value": null}), "Invalid metric value None.", "Invalid metric value null."),
        (json!({"value": {}}), "Invalid metric value {}.", "Invalid metric value {}."),
        (json!({"agg": 5}), "Invalid metric aggregator 5", "Invalid metric aggregator 5"),
        (json!({"agg": null}), "Invalid metric aggregator None", "Invalid metric aggregator null"),
        (json!({"agg": "foo"}), "Invalid metric aggregator u'foo'.", "Invalid metric aggregator \"foo\"."),
        (json!({"store": null, "metric": 5, "value": {}, "agg": 5}), "Missing store name.", "Missing store name."),
        (
            json!({"metric": 5, "value": {}, "agg": 5}),
            "Invalid type for metric name: 5",
            "Invalid type for metric name: 5",
        ),
        (json!({"value": {}, "agg": 5}), "Invalid metric value {}.", "Invalid metric value {}."),
    ] {
        for (profile, reason) in [(Profile::Strict, strict), (Profile::Belljar, belljar)] {
            let run = Run::new(profile, "sandbox1");
            let mut fields = good.clone();
            merge(&mut fields, instead.clone());
            assert_eq!(run.ask(&metrics(), "fire", fields).await, failure(reason), "{instead}");
            assert_eq!(run.published(), []);
        }
    }
    let run = Run::new(Profile::Strict, "sandbox1");
    let metric = json!({"metric": "foo", "value": 1, "agg": "sum"});
    for (missing, reason) in [
        ("metric", "Missing metric name."),
        ("value", "Invalid metric value None."),
        ("agg", "Invalid metric aggregator None"),
    ] {
        let mut fields = metric.clone();
        fields.as_object_mut().expect("an object").remove(missing);
        assert_eq!(run.ask(&metrics(), "fire", fields).await, failure(reason), "{missing}");
    }
    assert_eq!(run.ask(&metrics(), "other", metric).await, Answer::Unknown);
    assert_eq!(run.published(), []);
}

#[tokio::test]
async fn names_have_a_length() {
    for (length, is_name) in [(1, true), (101, true), (102, false)] {
        let run = Run::new(Profile::Belljar, "sandbox1");
        let fields = json!({"metric": "a".repeat(length), "value": 1, "agg": "sum"});
        let answer = run.ask(&metrics(), "fire", fields).await;
        assert_eq!(answer == Answer::success(), is_name, "{length}");
    }
}

#[tokio::test]
async fn what_only_python_takes_only_the_strict_profile_takes() {
    for (instead, text) in [
        (json!({"metric": "foo\n"}), r#"[["mcza.stores.default.foo\n", ["sum"], [[T, 1.0]]]]"#),
        (json!({"value": "nan"}), r#"[["mcza.stores.default.foo", ["sum"], [[T, NaN]]]]"#),
        (json!({"value": "-inf"}), r#"[["mcza.stores.default.foo", ["sum"], [[T, -Infinity]]]]"#),
    ] {
        let mut fields = json!({"metric": "foo", "value": 1, "agg": "sum"});
        merge(&mut fields, instead);
        let run = Run::new(Profile::Strict, "sandbox1");
        assert_eq!(run.ask(&metrics(), "fire", fields.clone()).await, Answer::success());
        let body = String::from_utf8(run.published().remove(0).body).expect("a text");
        let (before, after) = text.split_once('T').expect("a place for the second");
        assert!(body.contains(before) && body.contains(after), "{body}");
        let run = Run::new(Profile::Belljar, "sandbox1");
        assert!(matches!(run.ask(&metrics(), "fire", fields).await, Answer::Failure(_)));
        assert_eq!(run.published(), []);
    }
}

#[tokio::test]
async fn prometheus_is_told_so_many_and_no_more() {
    let fired = Fired::default();
    let mut registry = Registry::with_prefix("belljar");
    fired.register(&mut registry);
    let run = Run::new(Profile::Strict, "sandbox1");
    let metrics = Metrics::new("p", "app", fired.clone());
    let fire = async |metric: &str, agg: &str, value: Value| {
        let fields = json!({"metric": metric, "agg": agg, "value": value});
        assert_eq!(run.ask(&metrics, "fire", fields).await, Answer::success());
    };
    for value in [2.0, -1.0, 5.0, 3.0] {
        for agg in ["sum", "avg", "min", "max", "last"] {
            fire("m", agg, value.into()).await;
        }
    }
    fire("m", "sum", "nan".into()).await;
    let text = || {
        let mut text = String::new();
        encode(&mut text, &registry).expect("encode");
        text
    };
    let shown = text();
    for (agg, value) in [("sum", "9.0"), ("avg", "9.0"), ("min", "-1.0"), ("max", "5.0"), ("last", "3.0")] {
        let labels = format!("{{app=\"app\",store=\"default\",metric=\"m\",aggregator=\"{agg}\"}}");
        for line in [format!("belljar_app_metric{labels} {value}"), format!("belljar_app_metric_fired_total{labels} 4")]
        {
            assert!(shown.contains(&line), "{line}\n{shown}");
        }
    }
    assert!(shown.contains("belljar_app_metric_untold_total{app=\"app\"} 1"), "{shown}");
    for number in 0..MAX_NAMES {
        fire(&format!("n{number}"), "sum", 1.into()).await;
    }
    let other = Metrics::new("p", "other", fired.clone());
    assert_eq!(run.ask(&other, "fire", json!({"metric": "m", "agg": "sum", "value": 1})).await, Answer::success());
    let shown = text();
    let told = shown.lines().filter(|line| line.starts_with("belljar_app_metric{app=\"app\"")).count();
    assert_eq!(told, MAX_NAMES);
    assert!(shown.contains("belljar_app_metric_untold_total{app=\"app\"} 6"), "{shown}");
    assert!(shown.contains("belljar_app_metric{app=\"other\""), "{shown}");
    assert_eq!(run.published().len(), 20 + 1 + MAX_NAMES + 1, "the bus gets all of them");
}
