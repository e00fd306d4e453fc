//! Jobs on descriptors.

use std::io::{Read, Seek, SeekFrom};
use std::os::fd::OwnedFd;

use super::*;
use crate::agent::perform::perform_on;
use crate::agent::{Job, Report};

/// Exit code, report and output. The report is read to its end before the output, which is larger than a pipe.
fn perform(place: &Place, job: &Job, input: &[u8]) -> (i32, Report, Vec<u8>) {
    perform_text(place, &serde_json::to_vec(job).unwrap(), input)
}

fn perform_text(place: &Place, job: &[u8], input: &[u8]) -> (i32, Report, Vec<u8>) {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(input).unwrap();
    file.seek(SeekFrom::Start(0)).unwrap();
    let (output, output_end) = std::io::pipe().unwrap();
    let (report, report_end) = std::io::pipe().unwrap();
    let directory = File::open(place.work()).unwrap().into();
    std::thread::scope(|scope| {
        let code = scope.spawn(move || {
            let (output, report) = (OwnedFd::from(output_end), OwnedFd::from(report_end));
            perform_on(job, file, output.into(), report.into(), Ok(directory))
        });
        let read = |mut pipe: std::io::PipeReader| {
            let mut bytes = Vec::new();
            pipe.read_to_end(&mut bytes).unwrap();
            bytes
        };
        let (report, output) = if matches!(serde_json::from_slice(job), Ok(Job::Pack { .. })) {
            let output = read(output);
            (read(report), output)
        } else {
            (read(report), read(output))
        };
        let report = serde_json::from_slice(&report).unwrap();
        (code.join().unwrap(), report, output)
    })
}

#[test]
fn the_report_comes_before_the_content() {
    let place = Place::new();
    let content = b"0123456789abcdef".repeat(20_000);
    let bytes = archive(&[Raw::file("d/a", &content)]);
    let done = |entries| Report::Done { entries, bytes: content.len() as u64 };
    assert_eq!(perform(&place, &Job::Unpack(LIMITS), &bytes), (0, done(1), vec![]));
    let read = Job::Read { path: "d/a".into(), max_bytes: 1 << 20 };
    assert_eq!(perform(&place, &read, b""), (0, done(1), content.clone()));
    let member = Job::Member { path: "d/a".into(), limits: LIMITS };
    assert_eq!(perform(&place, &member, &bytes), (0, done(1), content.clone()));
    let (code, report, packed) = perform(&place, &Job::Pack { level: 6 }, b"");
    assert_eq!((code, report), (0, done(2)));
    let other = Place::new();
    other.unpack(&packed).unwrap();
    assert_eq!(other.names(), ["d", "d/a"]);
}

#[test]
fn refusals_and_failures_have_codes() {
    let place = Place::new();
    let job = Job::Read { path: "missing".into(), max_bytes: 1 };
    let refused = (1, Report::Refused(Refusal::NotFound), vec![]);
    assert_eq!(perform(&place, &job, b""), refused);
    let (code, report, _) = perform(&place, &Job::Unpack(LIMITS), b"text");
    assert!(code == 1 && matches!(report, Report::Refused(Refusal::NotAnArchive(_))));
    let (code, report, _) = perform_text(&place, b"{}", b"");
    assert!(code == 2 && matches!(report, Report::Failed { .. }));
}

#[test]
fn a_full_disk_is_a_failure() {
    // Writing to this device always fails with ENOSPC.
    let place = Place::new();
    fs::write(place.work().join("a"), "a").unwrap();
    let full = || fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let (mut report, report_end) = std::io::pipe().unwrap();
    let job = serde_json::to_vec(&Job::Pack { level: 1 }).unwrap();
    let directory = File::open(place.work()).unwrap().into();
    let input = tempfile::tempfile().unwrap();
    let code = perform_on(&job, input, full(), OwnedFd::from(report_end).into(), Ok(directory));
    let mut text = Vec::new();
    report.read_to_end(&mut text).unwrap();
    let expected = Report::Failed { step: "writing the output".into(), errno: rustix::io::Errno::NOSPC.raw_os_error() };
    assert_eq!((code, serde_json::from_slice(&text).unwrap()), (2, expected));
}
