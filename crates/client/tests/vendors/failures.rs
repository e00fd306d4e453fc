//! What every client does when a server fails or lies, whoever's it is.

use std::collections::HashMap;
use std::time::Duration;

use belljar_client::{Error, ErrorKind, Fault, Result, Sandbox, Status, Word};
use bytes::Bytes;

use crate::asked::{Came, HANGS, Step, ask, steps};
use crate::clients::{KEY, clients, logged_in};
use crate::stand_in::{Ending, Received, Reply, StandIn};

/// Asks everything of everybody; `check` judges.
async fn everybody(
    fails: impl Fn(&Received) -> Reply + Send + Sync + 'static,
    check: impl Fn(&dyn Sandbox, Step, Result<Came>),
) -> StandIn {
    let server = StandIn::start(move |request| logged_in(request).unwrap_or_else(|| fails(request))).await;
    let clients = clients(&server.address).await;
    // Side by side, since most of some tests is waiting.
    let all = clients.iter().map(async |sandbox| {
        for step in steps(&**sandbox) {
            let asked = tokio::time::timeout(HANGS, ask(&**sandbox, step)).await;
            let came = asked.unwrap_or_else(|_| panic!("{}, {step:?}: hangs", sandbox.name()));
            if let Err(error) = &came {
                let text = format!("{error} {error:?}");
                assert!(!text.contains(KEY), "{}, {step:?}: {text}", sandbox.name());
                assert!(text.contains(sandbox.name()), "which sandbox? {text}");
            }
            check(&**sandbox, step, came);
        }
    });
    futures_util::future::join_all(all).await;
    server
}

/// Deleting is done when the head of the answer says so, whatever becomes of the rest.
fn deleted(step: Step, came: &Result<Came>) -> bool {
    step == Step::Delete && came.is_ok()
}

fn error(sandbox: &dyn Sandbox, step: Step, came: Result<Came>) -> Error {
    match came {
        Ok(came) => panic!("{}, {step:?}: {came:?}", sandbox.name()),
        Err(error) => error,
    }
}

#[tokio::test]
async fn a_wrong_key_is_told_as_one() {
    for status in [401, 403] {
        let fails = move |request: &Received| {
            // A server that repeats what it was sent, to see whether the key gets into an error.
            let echoed = serde_json::to_string(&(format!("{request:?}"), KEY)).unwrap();
            Reply::json(status, &format!(r#"{{"message": {echoed}, "error": {echoed}, "error_msg": {echoed}}}"#))
        };
        let server = everybody(fails, |sandbox, step, came| {
            let error = error(sandbox, step, came);
            let known = matches!(error.kind, ErrorKind::Unauthenticated(_) | ErrorKind::Forbidden(_));
            assert!(known && !error.is_retryable(), "{step:?}: {error:?}");
            assert_eq!(error.fault(), Fault::Caller, "{step:?}: {error:?}");
        })
        .await;
        let sent = server.take();
        assert!(sent.iter().any(|request| format!("{request:?}").contains(KEY)), "the key was sent at all");
    }
}

#[tokio::test]
async fn a_quota_is_told_with_when_to_come_again() {
    let fails = |_: &Received| Reply::json(429, r#"{"message": "slow down"}"#).with("retry-after", "7");
    everybody(fails, |sandbox, step, came| {
        let error = error(sandbox, step, came);
        assert!(matches!(error.kind, ErrorKind::Quota { .. }), "{step:?}: {error:?}");
        assert_eq!(error.retry_after(), Some(Duration::from_secs(7)), "{step:?}: {error:?}");
        assert!(error.is_retryable(), "{step:?}: {error:?}");
    })
    .await;
}

#[tokio::test]
async fn a_server_that_is_down_is_at_fault() {
    for status in [500, 502, 503] {
        everybody(
            move |_| Reply::typed(status, "text/html", "<html>sorry</html>"),
            |sandbox, step, came| {
                let error = error(sandbox, step, came);
                assert_eq!(error.fault(), Fault::Sandbox, "{step:?}: {error:?}");
            },
        )
        .await;
    }
}

#[tokio::test]
async fn a_body_without_end_is_waited_for_no_longer_than_allowed() {
    let fails = |_: &Received| Reply::json(200, "{").ending(Ending::Stall);
    everybody(fails, |sandbox, step, came| {
        if deleted(step, &came) {
            return;
        }
        let error = error(sandbox, step, came);
        assert!(matches!(error.kind, ErrorKind::TimedOut { limit: "read", .. }), "{step:?}: {error:?}");
        assert!(error.is_retryable(), "{step:?}: {error:?}");
    })
    .await;
}

#[tokio::test]
async fn a_connection_that_breaks_is_the_networks_fault() {
    let fails = |_: &Received| Reply::json(200, r#"{"half": "#).ending(Ending::Cut);
    everybody(fails, |sandbox, step, came| {
        if deleted(step, &came) {
            return;
        }
        let error = error(sandbox, step, came);
        assert!(matches!(error.kind, ErrorKind::Transport { .. }), "{step:?}: {error:?}");
        assert_eq!(error.fault(), Fault::Network, "{step:?}: {error:?}");
    })
    .await;
}

#[tokio::test]
async fn a_redirect_is_told_and_not_followed() {
    let elsewhere = StandIn::start(|_| Reply::json(200, "{}")).await;
    for status in [301, 302, 307, 308] {
        let location = format!("{}/x", elsewhere.address);
        everybody(
            move |_| Reply::json(status, "").with("location", location.clone()),
            |sandbox, step, came| {
                let error = error(sandbox, step, came);
                assert!(error.to_string().contains("redirected"), "{step:?}: {error}");
            },
        )
        .await;
    }
    assert_eq!(elsewhere.lines(), Vec::<String>::new(), "neither key nor sample went elsewhere");
}

/// Answers that are no answers, with a status of success: never an id, a finished analysis or a harmless sample, and never a panic.
#[tokio::test]
async fn nonsense_proves_nothing() {
    let deep = |open: &str| open.repeat(100_000);
    let bodies = HashMap::from([
        ("a page", "<!doctype html><html><body>Please log in.</body></html>".to_owned()),
        ("nothing", String::new()),
        ("no object", "5".to_owned()),
        ("an empty object", "{}".to_owned()),
        ("a list", "[]".to_owned()),
        ("null", "null".to_owned()),
        ("half", r#"{"data": [{"id": "#.to_owned()),
        ("nested lists", deep("[")),
        ("nested objects", deep(r#"{"data":"#)),
        ("nested elements", deep("<a>")),
        (
            "an entity",
            "<!DOCTYPE a [<!ENTITY b \"bbbb\"><!ENTITY c \"&b;&b;&b;\">]><wildfire>&c;</wildfire>".to_owned(),
        ),
        ("wrong types", WRONG_TYPES.to_owned()),
        ("no text", "\u{0}\u{1}\u{fffd}".to_owned()),
    ]);
    for (name, body) in bodies {
        everybody(
            move |_| Reply::json(200, &body),
            |sandbox, step, came| {
                let harmless = match &came {
                    Err(_) | Ok(Came::Nothing) => true,
                    Ok(Came::Submission) => false,
                    Ok(Came::Status(status)) => *status != Status::Finished,
                    Ok(Came::Verdict(verdict)) => verdict.verdict == Word::Unknown,
                };
                assert!(harmless, "{name}: {}, {step:?}: {came:?}", sandbox.name());
            },
        )
        .await;
    }
}

/// Names that vendors use, with values of other types.
const WRONG_TYPES: &str = r#"{"task_id": {}, "task_ids": 5, "task": [], "status": {"a": 1}, "id": [], "data": 7, "job_id": false,
    "sha256": 5, "state": 9, "verdict": {}, "threat_score": "high", "score": [], "info": "x", "analysis": 5, "flow_id": {},
    "reports": [], "allFinished": "perhaps", "tasks": 5, "sample": 3, "resources": {}, "errors": 5, "alert": 5, "ID": {},
    "submissionStatus": 5, "malscore": {}, "malstatus": 1, "signatures": 5, "network": 5, "target": 5, "result": 5}"#;

/// A report of a size that nobody expects is refused at the limit, and read without holding it in memory below it.
#[tokio::test]
async fn a_body_of_any_size_has_a_limit() {
    let fails = |request: &Received| {
        let piece = Bytes::from(vec![b' '; 64 << 10]);
        if let Some(reply) = logged_in(request) {
            return reply;
        }
        // As much again as the client takes.
        Reply::json(200, "{").ending(Ending::Repeat { piece, times: 8192 + 1, end: Bytes::from_static(b"}") })
    };
    let server = StandIn::start(fails).await;
    for sandbox in clients(&server.address).await {
        let asked = tokio::time::timeout(HANGS, ask(&*sandbox, Step::Status)).await.expect("it does not hang");
        let error = error(&*sandbox, Step::Status, asked);
        assert!(matches!(error.kind, ErrorKind::TooLarge { .. }), "{error:?}");
    }
}
