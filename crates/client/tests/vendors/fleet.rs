//! Many sandboxes at once: some hang, some lie, and the others are not held up.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::stand_in::{Ending, Received, Reply, StandIn};
use belljar_client::fleet::{EVENTS, Fleet, Happened, Journal, Judged, Member, Plan, Standing, Way};
use belljar_client::http::Settings;
use belljar_client::vendors::{Cuckoo, CuckooSettings};
use belljar_client::{Boxed, ErrorKind, Patience, Sample, Sandbox, Submission, Word};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::sync::mpsc;

const BYTES: &[u8] = b"MZ fleet";
const SHA256: &str = "8f2a2c4b3bd8c0a5e0d8f0d4c0c5dbf3cf6d9a6e1b3c4d5e6f708192a3b4c5d6";

fn cuckoo(name: &str, address: &str) -> Arc<dyn Sandbox> {
    let mut http = Settings::new(name, address);
    http.tries = 1;
    http.max_answer_bytes = 1 << 20;
    Arc::new(Cuckoo::new(CuckooSettings { http, token: None }).unwrap())
}

fn plan(deadline: Duration) -> Plan {
    let patience = Patience { deadline, first: Duration::from_millis(5), ..Patience::default() };
    Plan { patience, ..Plan::default() }
}

/// An honest Cuckoo: whatever is submitted is analysed and has this score.
fn honest(request: &Received, score: f64) -> Reply {
    let line = request.line();
    match line.as_str() {
        "POST /tasks/create/file" | "POST /tasks/create/url" => Reply::json(200, r#"{"task_id": 7}"#),
        "GET /tasks/view/7" => Reply::json(200, r#"{"task": {"status": "reported"}}"#),
        "GET /tasks/report/7/json" => Reply::json(200, &format!(r#"{{"info": {{"score": {score}}}}}"#)),
        _ => Reply::json(404, r#"{"message": "not found"}"#),
    }
}

/// A server that takes connections and says so much, and then nothing.
async fn hanging(answer: &'static [u8]) -> (String, tokio::task::JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let serving = tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut buffer = [0; 4096];
                let _ = stream.read(&mut buffer).await;
                let _ = stream.write_all(answer).await;
                while stream.read(&mut buffer).await.is_ok_and(|count| count > 0) {}
                std::future::pending::<()>().await;
            });
        }
    });
    (address, serving)
}

/// What a liar answers to a submission, to a question for the status, and to one for the report.
struct Lie {
    name: &'static str,
    submitted: String,
    status: &'static str,
    report: String,
    endless: bool,
}

fn lies() -> Vec<Lie> {
    let deep = format!("{}{}", "[".repeat(200_000), "]".repeat(200_000));
    let task = |id: &str| format!(r#"{{"task_id": {id}}}"#);
    let (seven, done) = (task("7"), r#"{"task": {"status": "reported"}}"#);
    let foreign = format!(r#"{{"info": {{"score": 9}}, "target": {{"file": {{"sha256": "{SHA256}"}}}}}}"#);
    let lie = |name, submitted: &str, status, report: &str| Lie {
        name,
        submitted: submitted.to_owned(),
        status,
        report: report.to_owned(),
        endless: false,
    };
    vec![
        lie("other ids", &task("\"../../../etc\""), "{}", "{}"),
        lie("ids of other types", r#"{"task_id": {"a": []}}"#, "", ""),
        lie("an endless id", &task(&format!("\"{}\"", "9".repeat(100_000))), done, "{}"),
        lie("an id that is no text", &task("\"a\\u0000b\""), done, "{}"),
        lie("a status never seen", &seven, r#"{"task": {"status": "levitating"}}"#, ""),
        lie("HTML", "<html>welcome</html>", "<html>", "<html>"),
        lie("HTML later", &seven, "<html>busy</html>", ""),
        lie("deep JSON", &deep, "", ""),
        lie("deep JSON later", &seven, done, &deep),
        lie("somebody else's report", &seven, done, &foreign),
        lie("a report of nothing", &seven, done, "null"),
        Lie { endless: true, ..lie("an endless body", "[", "[", "[") },
    ]
}

/// Submission to ten sandboxes at once, two of which hang and one of which lies, in many ways.
#[tokio::test(flavor = "multi_thread")]
async fn of_ten_sandboxes_two_hang_and_one_lies() {
    futures_util::future::join_all(lies().into_iter().map(ten)).await;
}

async fn ten(Lie { name: lie, submitted, status, report, endless }: Lie) {
    let liar = StandIn::start(move |request: &Received| {
        let body = match request.target.as_str() {
            target if target.starts_with("/tasks/create/") => submitted.as_str(),
            target if target.starts_with("/tasks/view/") => status,
            target if target.starts_with("/files/view/") => return Reply::json(404, "{}"),
            _ => &report,
        };
        let piece = bytes::Bytes::from_static(&[b'['; 4096]);
        let repeat = Ending::Repeat { piece, times: usize::MAX, end: bytes::Bytes::new() };
        Reply::json(200, body).ending(if endless { repeat } else { Ending::Whole })
    })
    .await;
    let (silent, one) = hanging(b"").await;
    let (stuck, two) = hanging(b"HTTP/1.1 200 OK\r\ncontent-length: 50\r\n\r\n{\"task_id\": ").await;
    let named = [("liar", &liar.address), ("silent", &silent), ("stuck", &stuck)];
    let mut members: Vec<Member> = named.map(|(name, address)| cuckoo(name, address).into()).into();
    let mut servers = Vec::new();
    for place in 0..7 {
        let score = if place == 3 { 8.0 } else { 1.0 };
        let server = StandIn::start(move |request| honest(request, score)).await;
        members.push(cuckoo(&format!("honest{place}"), &server.address).into());
        servers.push(server);
    }

    let (events, mut heard) = mpsc::channel(EVENTS);
    let deadline = Duration::from_secs(6);
    let fleet = Fleet::new(members);
    let judging =
        tokio::spawn(async move { fleet.judge(Sample::bytes("a.exe", BYTES), &plan(deadline), Some(events)).await });
    // Seven have a verdict before the two that hang have run out of time.
    let (mut verdicts, mut first_to_hang) = (0, None);
    while let Some(event) = heard.recv().await {
        match event.happened {
            Happened::Judged(_) if event.member >= 3 => verdicts += 1,
            Happened::Failed(_) if matches!(event.member, 1 | 2) => drop(first_to_hang.get_or_insert(verdicts)),
            _ => {}
        }
    }
    let judged = judging.await.unwrap();
    assert_eq!(first_to_hang, Some(7), "{lie}: verdicts before the deadline");
    assert_eq!(judged.asked.len(), 10);
    for asked in &judged.asked[3..] {
        assert!(asked.error.is_none() && asked.verdict.is_some(), "{lie}: {asked:?}");
    }
    for asked in &judged.asked[1..3] {
        let kind = &asked.error.as_ref().unwrap().kind;
        assert!(matches!(kind, ErrorKind::TimedOut { .. }), "{lie}: {kind}");
        assert!(asked.uncertain, "{lie}: whether it got there is not known");
    }
    let liar = &judged.asked[0];
    assert!(liar.verdict.is_none() && liar.error.is_some(), "{lie}: {liar:?}");
    assert_eq!(judged.consensus.verdict, Word::Malicious, "{lie}: one honest sandbox says so");
    assert_eq!(judged.consensus.votes.len(), 10);
    one.abort();
    two.abort();
}

async fn judge_all(fleet: &Fleet, samples: Vec<Sample>, plan: &Plan, journal: Option<Arc<Journal>>) -> Vec<Judged> {
    let mut all = Vec::new();
    fleet.judge_all(samples, plan, journal, None, |judged| all.push(judged)).await.unwrap();
    all.sort_by_key(|judged| judged.sample);
    all
}

/// What is known by its hash is not submitted, unless by force.
#[tokio::test]
async fn what_is_there_already_is_not_submitted_again() {
    let server = StandIn::start(|request| match request.target.as_str() {
        target if target.starts_with("/files/view/sha256/") => Reply::json(200, r#"{"sample": {"tasks": [7]}}"#),
        _ => honest(request, 5.0),
    })
    .await;
    let fleet = Fleet::new(vec![cuckoo("lab", &server.address).into()]);
    for (force, way, submissions) in [(false, Way::Known, 0), (true, Way::Submitted, 1)] {
        let plan = Plan { force, ..plan(Duration::from_secs(60)) };
        let judged = fleet.judge(Sample::bytes("a.exe", BYTES), &plan, None).await;
        let asked = &judged.asked[0];
        assert_eq!(asked.submission, Some((Submission::new("7"), way)));
        assert_eq!(asked.verdict.as_ref().unwrap().verdict, Word::Suspicious);
        let lines = server.lines();
        assert_eq!(lines.iter().filter(|line| line.starts_with("POST")).count(), submissions, "{lines:?}");
    }
}

/// Equal files and addresses are submitted once, whatever they are called; what cannot be read is told of.
#[tokio::test]
async fn of_equal_samples_one_is_submitted() {
    let server = StandIn::start(|request| honest(request, 5.0)).await;
    let fleet = Fleet::new(vec![cuckoo("lab", &server.address).into()]);
    let samples = vec![
        Sample::bytes("a.exe", BYTES),
        Sample::url("http://x.test/"),
        Sample::bytes("b.exe", BYTES),
        Sample::path("/nowhere/c.exe"),
        Sample::url("http://x.test/"),
        Sample::bytes("d.exe", &b"other"[..]),
        Sample::bytes("e.exe", BYTES),
    ];
    let all = judge_all(&fleet, samples, &plan(Duration::from_secs(60)), None).await;
    let places: Vec<(usize, Vec<usize>)> = all.iter().map(|judged| (judged.sample, judged.same.clone())).collect();
    assert_eq!(places, [(0, vec![2, 6]), (1, vec![4]), (3, vec![]), (5, vec![])]);
    assert!(all[2].unreadable.is_some() && all[2].asked.is_empty());
    assert_eq!(server.lines().iter().filter(|line| line.starts_with("POST")).count(), 3);
}

/// A sandbox that is not there costs a batch a few tries, and not one for each sample; the other one is asked about all.
#[tokio::test]
async fn a_sandbox_that_is_gone_is_given_up_on() {
    let server = StandIn::start(|request| honest(request, 5.0)).await;
    let tries = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&tries);
    let broken = StandIn::start(move |request| {
        if request.method == "POST" {
            counted.fetch_add(1, Ordering::Relaxed);
        }
        Reply::json(500, "{}")
    })
    .await;
    let fleet = Fleet::new(vec![cuckoo("broken", &broken.address).into(), cuckoo("lab", &server.address).into()]);
    let samples: Vec<Sample> = (0..40).map(|number| Sample::bytes("a.exe", format!("MZ {number}"))).collect();
    let plan = Plan { at_once: 2, ..plan(Duration::from_secs(60)) };
    let all = judge_all(&fleet, samples, &plan, None).await;
    assert_eq!(all.len(), 40);
    assert!(all.iter().all(|judged| judged.asked[0].error.is_some() && judged.asked[1].verdict.is_some()));
    let tries = tries.load(Ordering::Relaxed);
    assert!((5..=6).contains(&tries), "{tries}");
}

/// An interrupted batch: what was submitted is asked for, what has a verdict is not asked for at all, and what may have been submitted is looked up
/// before it is sent.
#[tokio::test]
async fn a_batch_goes_on_where_it_was() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("journal");
    let looked_up = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&looked_up);
    let there = |known: bool| {
        move |request: &Received| match request.target.as_str() {
            target if target.starts_with("/files/view/sha256/") => {
                seen.lock().unwrap().push(target.to_owned());
                if known { Reply::json(200, r#"{"sample": {"tasks": [7]}}"#) } else { Reply::json(404, "{}") }
            }
            _ => honest(request, 5.0),
        }
    };
    let server = StandIn::start(there(false)).await;
    let fleet = Fleet::new(vec![cuckoo("lab", &server.address).into()]);
    let sample = |number: usize| Sample::bytes("a.exe", format!("MZ {number}"));
    let key = async |number: usize| match sample(number) {
        Sample::File { origin, .. } => format!("sha256:{}", origin.sha256().await.unwrap()),
        Sample::Url(address) => address,
    };
    {
        // As a process leaves it that was killed: one judged, one submitted, one perhaps, one not at all.
        let journal = Journal::open(&path).unwrap();
        let once = judge_all(&fleet, vec![sample(0)], &plan(Duration::from_secs(60)), Some(Arc::new(journal))).await;
        assert_eq!(once[0].consensus.verdict, Word::Suspicious);
        let journal = Journal::open(&path).unwrap();
        assert!(matches!(journal.standing(&key(0).await, "lab"), Standing::Judged(..)));
        journal.note(&key(1).await, "lab", Standing::Uncertain).unwrap();
        journal.note(&key(1).await, "lab", Standing::Submitted(Submission::new("7"))).unwrap();
        journal.note(&key(2).await, "lab", Standing::Uncertain).unwrap();
    }
    server.take();
    looked_up.lock().unwrap().clear();
    let journal = Arc::new(Journal::open(&path).unwrap());
    let samples: Vec<Sample> = (0..4).map(sample).collect();
    // By force, so that only what is uncertain is looked up.
    let forced = Plan { force: true, ..plan(Duration::from_secs(60)) };
    let all = judge_all(&fleet, samples.clone(), &forced, Some(Arc::clone(&journal))).await;
    let ways: Vec<Way> = all.iter().map(|judged| judged.asked[0].submission.as_ref().unwrap().1).collect();
    assert_eq!(ways, [Way::Resumed, Way::Resumed, Way::Submitted, Way::Submitted]);
    assert!(all.iter().all(|judged| judged.consensus.verdict == Word::Suspicious));
    assert_eq!(server.lines().iter().filter(|line| line.starts_with("POST")).count(), 2);
    let uncertain = key(2).await;
    assert_eq!(*looked_up.lock().unwrap(), [format!("/files/view/sha256/{}", &uncertain["sha256:".len()..])]);

    // Once more: there is nothing left to do.
    drop(journal);
    let journal = Arc::new(Journal::open(&path).unwrap());
    judge_all(&fleet, samples, &forced, Some(journal)).await;
    assert_eq!(server.lines(), Vec::<String>::new());
}

/// A submission whose answer is lost is looked up before anybody sends it again.
#[tokio::test]
async fn a_lost_answer_is_looked_for() {
    for (found, verdict) in [(true, true), (false, false)] {
        let lookups = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&lookups);
        let server = StandIn::start(move |request| match request.target.as_str() {
            // Before it was submitted nobody knew it.
            target if target.starts_with("/files/view/") => {
                if counted.fetch_add(1, Ordering::Relaxed) > 0 && found {
                    Reply::json(200, r#"{"sample": {"tasks": [7]}}"#)
                } else {
                    Reply::json(404, "{}")
                }
            }
            target if target.starts_with("/tasks/create") => Reply::json(502, "<html>bad gateway</html>"),
            _ => honest(request, 9.0),
        })
        .await;
        let place = tempfile::tempdir().unwrap();
        let journal = Arc::new(Journal::open(place.path().join("journal")).unwrap());
        let fleet = Fleet::new(vec![cuckoo("lab", &server.address).into()]);
        let samples = vec![Sample::bytes("a.exe", BYTES)];
        let all = judge_all(&fleet, samples, &plan(Duration::from_secs(60)), Some(Arc::clone(&journal))).await;
        let asked = &all[0].asked[0];
        assert_eq!((asked.verdict.is_some(), asked.uncertain), (verdict, !found), "{asked:?}");
        let lines = server.lines();
        assert_eq!(lines.iter().filter(|line| line.starts_with("POST")).count(), 1, "{lines:?}");
        let key = format!("sha256:{}", all[0].hash.as_ref().unwrap());
        assert_eq!(journal.standing(&key, "lab") == Standing::Uncertain, !found);
    }
}

/// An archive becomes several analyses: the worst of them counts, and all are waited for.
#[tokio::test]
async fn of_several_analyses_the_worst_counts() {
    let server = StandIn::start(|request| match request.line().as_str() {
        "POST /tasks/create/file" => Reply::json(200, r#"{"task_ids": [1, 2, 3]}"#),
        "GET /tasks/report/2/json" => Reply::json(200, r#"{"info": {"score": 9}}"#),
        line if line.starts_with("GET /tasks/view/") => Reply::json(200, r#"{"task": {"status": "reported"}}"#),
        line if line.starts_with("GET /tasks/report/") => Reply::json(200, r#"{"info": {"score": 1}}"#),
        _ => Reply::json(404, "{}"),
    })
    .await;
    let fleet = Fleet::new(vec![cuckoo("lab", &server.address).into()]);
    let judged = fleet.judge(Sample::bytes("a.zip", BYTES), &plan(Duration::from_secs(60)), None).await;
    assert_eq!((judged.consensus.verdict, judged.consensus.score), (Word::Malicious, Some(90)));
}

/// What a vendor refuses because it has it already is found there.
#[tokio::test]
async fn a_duplicate_is_looked_for() {
    let lookups = AtomicUsize::new(0);
    let server = StandIn::start(move |request| match request.target.as_str() {
        target if target.starts_with("/files/view/") && lookups.fetch_add(1, Ordering::Relaxed) > 0 => {
            Reply::json(200, r#"{"sample": {"tasks": [7]}}"#)
        }
        target if target.starts_with("/tasks/create") => {
            Reply::json(400, r#"{"message": "This file has already been submitted"}"#)
        }
        target if target.starts_with("/files/view/") => Reply::json(404, "{}"),
        _ => honest(request, 5.0),
    })
    .await;
    let fleet = Fleet::new(vec![cuckoo("lab", &server.address).into()]);
    let judged = fleet.judge(Sample::bytes("a.exe", BYTES), &plan(Duration::from_secs(60)), None).await;
    assert_eq!(judged.asked[0].submission, Some((Submission::new("7"), Way::Known)), "{:?}", judged.asked[0]);
}

/// A client that breaks down, in the middle of a call, as one with a fault would.
#[derive(Debug)]
struct Broken;

impl Sandbox for Broken {
    fn name(&self) -> &str {
        "broken"
    }

    fn vendor(&self) -> belljar_client::Vendor {
        belljar_client::Vendor::Cuckoo
    }

    fn capabilities(&self) -> belljar_client::Capabilities {
        belljar_client::Capabilities::default()
    }

    fn available(&self) -> Boxed<'_, belljar_client::Availability> {
        Box::pin(std::future::pending())
    }

    fn submit<'a>(&'a self, _: &'a Sample, _: &'a belljar_client::Options) -> Boxed<'a, Submission> {
        Box::pin(async { panic!("a fault of a client") })
    }

    fn status<'a>(&'a self, _: &'a Submission) -> Boxed<'a, belljar_client::Status> {
        Box::pin(std::future::pending())
    }

    fn report<'a>(&'a self, _: &'a Submission) -> Boxed<'a, belljar_client::Report> {
        Box::pin(std::future::pending())
    }
}

#[tokio::test]
async fn a_client_that_breaks_down_takes_nobody_with_it() {
    let server = StandIn::start(|request| honest(request, 9.0)).await;
    let broken: Arc<dyn Sandbox> = Arc::new(Broken);
    let fleet = Fleet::new(vec![broken.into(), cuckoo("lab", &server.address).into()]);
    let judged = fleet.judge(Sample::bytes("a.exe", BYTES), &plan(Duration::from_secs(60)), None).await;
    assert!(matches!(judged.asked[0].error.as_ref().unwrap().kind, ErrorKind::Malformed(_)));
    assert_eq!(judged.consensus.verdict, Word::Malicious);
    // What it has no word for is an error before anything is sent.
    let judged = fleet.judge(Sample::url("http://x.test/"), &plan(Duration::from_secs(60)), None).await;
    assert!(matches!(judged.asked[0].error.as_ref().unwrap().kind, ErrorKind::Unsupported(_)));
}

/// Without waiting, a submission is all.
#[tokio::test]
async fn a_submission_alone_is_not_waited_for() {
    let server = StandIn::start(|request| honest(request, 9.0)).await;
    let fleet = Fleet::new(vec![cuckoo("lab", &server.address).into()]);
    let plan = Plan { wait: false, force: true, ..plan(Duration::from_secs(60)) };
    let judged = fleet.judge(Sample::bytes("a.exe", BYTES), &plan, None).await;
    assert_eq!(judged.asked[0].submission, Some((Submission::new("7"), Way::Submitted)));
    assert!(judged.asked[0].verdict.is_none() && judged.asked[0].error.is_none());
    assert_eq!(server.lines(), ["POST /tasks/create/file"]);
}
