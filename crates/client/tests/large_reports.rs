//! A report of 200 MB: read without holding it, whoever's it is. A program of its own, because it measures its memory.
#![expect(clippy::unwrap_used, reason = "tests")]

#[path = "vendors/clients.rs"]
mod clients;
#[expect(dead_code, reason = "other tests use more of it")]
#[path = "vendors/stand_in.rs"]
mod stand_in;

use std::collections::BTreeSet;

use belljar_client::{ReportFormat, Submission, Word};
use bytes::Bytes;

use crate::clients::{clients, logged_in};
use crate::stand_in::{Ending, Received, Reply, StandIn};

/// Of a report whose reader's format has not been tried yet.
const LARGE: usize = 200 << 20;
/// Of all other reports: they are read by the same code.
const SMALLER: usize = 24 << 20;
/// More memory in use than before, at most: a fraction of what is read.
const MOST: u64 = 12 << 20;

/// An answer of this size, of which nothing is of use.
fn report(xml: bool, size: usize) -> Reply {
    let (start, part, end) = match xml {
        true => ("<wildfire><junk>", "<entry a=\"b\">text</entry>\n", "</junk></wildfire>"),
        false => ("{\"junk\": [0", ",\n{\"name\": \"value\", \"list\": [1, 2.5, null]}", "]}"),
    };
    let piece = part.repeat((64 << 10) / part.len());
    let ending =
        Ending::Repeat { times: size / piece.len(), piece: piece.into(), end: Bytes::from_static(end.as_bytes()) };
    Reply::json(200, start).ending(ending)
}

#[tokio::test]
async fn a_report_of_any_size_takes_little_memory() {
    let mut tried = BTreeSet::new();
    for number in 0.. {
        let xml = |name: &str| name == "wildfire";
        let sandbox = clients("http://127.0.0.1:1").await.into_iter().nth(number);
        let Some(name) = sandbox.map(|sandbox| sandbox.name().to_owned()) else { break };
        let size = if tried.insert(xml(&name)) { LARGE } else { SMALLER };
        let format = xml(&name);
        let answer = move |request: &Received| {
            // WildFire is asked for it apart from the report; this number means nothing.
            let verdict = "<wildfire><get-verdict-info><verdict>99</verdict></get-verdict-info></wildfire>";
            let asked = request.target.ends_with("/get/verdict").then(|| Reply::typed(200, "text/xml", verdict));
            asked.or_else(|| logged_in(request)).unwrap_or_else(|| report(format, size))
        };
        let server = StandIn::start(answer).await;
        let sandbox = clients(&server.address).await.into_iter().nth(number).unwrap();
        let before = forget_peak();
        match sandbox.report(&Submission::new("11")).await {
            Ok(report) => {
                assert_eq!(report.format, if format { ReportFormat::Xml } else { ReportFormat::Json }, "{name}");
                assert_eq!(report.verdict.verdict, Word::Unknown, "{name}: nothing in it says anything");
                assert!(report.raw.length() > size as u64 * 9 / 10, "{name}: all of it is kept");
            }
            // A vendor whose report must have certain fields.
            Err(error) => assert!(error.to_string().starts_with(&name), "{error}"),
        }
        let more = peak().saturating_sub(before);
        assert!(more < MOST, "{name}: {} MiB for {} MiB", more >> 20, size >> 20);
    }
    assert!(tried.contains(&false), "at least one was tried");
}

/// Begins a new peak (`/proc/self/clear_refs`, see proc(5)); gives what is in use now, in bytes.
fn forget_peak() -> u64 {
    std::fs::write("/proc/self/clear_refs", "5").unwrap();
    peak()
}

/// The peak of memory in use, in bytes.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").trim().parse::<u64>().unwrap() << 10
}
