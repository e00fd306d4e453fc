//! Each limit, its code and its line.

use std::time::{Duration, Instant};

use crate::support::{has_layer, has_program, has_sandboxes, run};

/// Runs, and checks the code and the first line on standard error that is ours.
fn check(arguments: &[&str], code: i32, line: &str) {
    let done = run(arguments);
    let told = done.stderr.lines().find(|line| line.starts_with("belljar:")).unwrap_or_default();
    assert_eq!((done.code, told), (Some(code), line), "{arguments:?} {done:?}");
}

#[test]
fn wall_time() {
    if !has_sandboxes() {
        return;
    }
    let began = Instant::now();
    check(
        &["--wall-time", "300ms", "sleep", "30"],
        240,
        "belljar: killed: wall time limit of 300ms reached (--wall-time)",
    );
    assert!(began.elapsed() < Duration::from_secs(5));
    let stubborn = "trap '' TERM INT HUP; while :; do sleep 1; done";
    check(
        &["--wall-time", "300ms", "sh", "-c", stubborn],
        240,
        "belljar: killed: wall time limit of 300ms reached (--wall-time)",
    );
}

#[test]
fn cpu_time() {
    if !has_sandboxes() {
        return;
    }
    check(
        &["--cpu-time", "300ms", "sh", "-c", "while :; do :; done"],
        241,
        "belljar: killed: CPU time limit of 300ms reached (--cpu-time)",
    );
}

#[test]
fn memory() {
    if !has_layer("memory_limit") || !has_program("python3") {
        return;
    }
    check(
        &["--memory", "48M", "python3", "-c", "x = bytearray(300 << 20)"],
        242,
        "belljar: killed: memory limit of 48M reached (--memory)",
    );
}

#[test]
fn processes() {
    if !has_layer("process_limit") {
        return;
    }
    check(
        &["--processes", "8", "sh", "-c", "for i in 1 2 3 4 5 6 7 8 9 10 11 12; do sleep 5 & done; wait"],
        243,
        "belljar: failed: processes limit of 8 reached (--processes)",
    );
}

#[test]
fn file_size() {
    if !has_sandboxes() {
        return;
    }
    check(
        &["--file-size", "64K", "sh", "-c", "exec head -c 1M /dev/zero > big"],
        244,
        "belljar: killed: file size limit of 64K reached (--file-size)",
    );
}

#[test]
fn disk() {
    if !has_sandboxes() {
        return;
    }
    check(
        &["--disk", "1M", "sh", "-c", "head -c 8M /dev/zero > big"],
        245,
        "belljar: failed: disk space limit of 1M reached (--disk)",
    );
}

#[test]
fn inodes() {
    if !has_sandboxes() {
        return;
    }
    check(
        &["--inodes", "200", "sh", "-c", "i=0; while [ $i -lt 400 ]; do : > f$i || exit 1; i=$((i+1)); done"],
        246,
        "belljar: failed: number of files limit of 200 reached (--inodes)",
    );
}

#[test]
fn output() {
    if !has_sandboxes() {
        return;
    }
    let done = run(&["--output", "10K", "yes"]);
    assert_eq!((done.code, done.stdout.len()), (Some(247), 10 << 10));
    assert_eq!(done.stderr, "belljar: killed: output size limit of 10K reached (--output)\n");
}

#[test]
fn open_files() {
    if !has_sandboxes() {
        return;
    }
    let done = run(&["--open-files", "16", "sh", "-c", "ulimit -n"]);
    assert_eq!(done.stdout, "16\n", "{done:?}");
}
