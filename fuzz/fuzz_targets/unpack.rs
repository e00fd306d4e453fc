//! Unpacks anything: nothing changes beside the directory, and what came out can be packed and unpacked again.
#![no_main]

use std::fs::{self, File};
use std::os::fd::AsFd;

use belljar_fuzz::{LIMITS, archive};
use belljar_sandbox::agent::{ArchiveLimits, Problem, Refusal, pack, unpack};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let around = tempfile::tempdir_in("/dev/shm").expect("a directory in memory");
    let place = |name: &str| {
        let path = around.path().join(name);
        fs::create_dir(&path).expect("a new directory");
        File::open(path).expect("a directory that is there")
    };
    fs::write(around.path().join("canary"), "alive").expect("a new file");
    let (first, second) = (place("first"), place("second"));

    let _ = unpack(&*archive(input), first.as_fd(), &LIMITS);

    let mut packed = Vec::new();
    match pack(first.as_fd(), &mut packed, 1) {
        // Links to links can take a tree deeper than any name in an archive.
        Err(Problem::Refused(Refusal::PathTooLong(_))) => return,
        done => done.map(drop).expect("a tree that was unpacked can be packed"),
    }
    // Directories that were implied are members now.
    let limits = ArchiveLimits { max_entries: u64::MAX, ..LIMITS };
    unpack(&*packed, second.as_fd(), &limits).expect("our own archives can be unpacked");

    let mut names: Vec<_> = fs::read_dir(around.path())
        .expect("a directory that is there")
        .map(|entry| entry.expect("an entry").file_name())
        .collect();
    names.sort();
    assert_eq!(names, ["canary", "first", "second"]);
    let canary = fs::read(around.path().join("canary"));
    assert!(canary.is_ok_and(|canary| canary == b"alive"));
});
