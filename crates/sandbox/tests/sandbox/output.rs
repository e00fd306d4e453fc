//! Input and output: what is kept, what is cut, and who waits for whom.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use belljar_sandbox::{Command, Limit, Output, Policy, Stdin};

use crate::bench::{Bench, exited, reached, shown, text};

fn limited(output: u64) -> Policy {
    let mut policy = Policy::default();
    policy.limits.output = output;
    policy
}

pub(crate) async fn exactly_the_limit_is_kept(bench: &Bench) {
    const LIMIT: u64 = 100_000;
    let mut cell = bench.cell(limited(LIMIT)).await;
    let just = [
        "head -c 100000 /dev/zero",
        "head -c 100000 /dev/zero >&2",
        "head -c 50000 /dev/zero; head -c 50000 /dev/zero >&2",
        "head -c 100000 /dev/zero > f; exec python3 -c 'import os\nn = 100000\nf = open(\"f\")\nwhile n: n -= os.splice(f.fileno(), 1, n)'",
        "head -c 100000 /dev/zero > f; exec python3 -c 'import os\nn = 100000\nf = open(\"f\")\nwhile n: n -= os.sendfile(1, f.fileno(), None, n)'",
    ];
    for script in just {
        let outcome = cell.shell(script).await;
        assert_eq!(outcome.end, exited(0), "{script}: {}", shown(&outcome));
        assert!(!outcome.output_truncated && outcome.limits_reached.is_empty());
        assert_eq!(outcome.stdout.len() + outcome.stderr.len(), 100_000, "{script}");
    }
    let over = [
        "head -c 100001 /dev/zero",
        "head -c 60000 /dev/zero; head -c 40001 /dev/zero >&2",
        "yes",
        "yes >&2",
        "for i in 1 2 3 4 5 6 7 8; do yes $i & yes $i >&2 & done; wait",
        "python3 -c 'import os\nf = os.memfd_create(\"x\"); os.write(f, bytes(1 << 20))\nwhile True: os.splice(f, 1, 1 << 20, 0)'",
        "while :; do head -c 1 /dev/zero; done",
    ];
    for script in over {
        let mut command = Command::shell(script);
        // The last one is slow.
        command.wall_time = Some(Duration::from_secs(9));
        if script.starts_with("while") {
            cell.close().await;
            cell = bench.cell(limited(100)).await;
        }
        let outcome = cell.run(command).await.unwrap();
        assert_eq!(outcome.end, reached(Limit::Output), "{script}: {:?}", outcome.end);
        assert!(outcome.output_truncated && outcome.limits_reached.contains(&Limit::Output));
        let kept = if script.starts_with("while") { 100 } else { 100_000 };
        assert_eq!(outcome.stdout.len() + outcome.stderr.len(), kept, "{script}");
    }
    cell.close().await;
    for limit in [0, 1] {
        let outcome = bench.run(limited(limit), Command::shell("echo ab")).await;
        assert_eq!((outcome.end, outcome.stdout.len() as u64), (reached(Limit::Output), limit));
        let outcome = bench.run(limited(limit), Command::new(["true"])).await;
        assert_eq!((outcome.end, outcome.output_truncated), (exited(0), false));
    }
}

pub(crate) async fn writers_are_killed_at_once(bench: &Bench) {
    let mut cell = bench.cell(limited(1 << 20)).await;
    for script in ["trap '' TERM PIPE; while :; do echo yes; done", "setsid yes & setsid yes & exec sleep 60"] {
        let started = Instant::now();
        let outcome = cell.shell(script).await;
        assert_eq!(outcome.end, reached(Limit::Output), "{script}");
        assert!(started.elapsed() < Duration::from_secs(8), "{:?}", started.elapsed());
        assert_eq!(cell.say("set -- /proc/[0-9]*; echo $#").await, "1\n", "nothing goes on but this shell");
    }
    cell.close().await;
}

pub(crate) async fn input_larger_than_a_pipe_need_not_be_read(bench: &Bench) {
    let mut cell = bench.cell(Policy::default()).await;
    for script in ["true", "exec <&-; echo x", "head -c 1 > /dev/null", "sleep 0.05"] {
        let mut command = Command::shell(script);
        command.stdin = Stdin::Bytes(vec![b'a'; 4 << 20]);
        let started = Instant::now();
        let outcome = cell.run(command).await.unwrap();
        assert_eq!(outcome.end, exited(0), "{script}: {}", shown(&outcome));
        assert!(started.elapsed() < Duration::from_secs(5));
    }
    cell.close().await;
}

pub(crate) async fn input_arrives_whole(bench: &Bench) {
    let mut cell = bench.cell(Policy::default()).await;
    for size in [0, 1, 65_536, 65_537, 3 << 20] {
        let bytes: Vec<u8> = (0_u8..=255).cycle().take(size).collect();
        let mut command = Command::new(["cat"]);
        command.stdin = Stdin::Bytes(bytes.clone());
        let outcome = cell.run(command).await.unwrap();
        assert_eq!(outcome.end, exited(0));
        assert!(outcome.stdout == bytes, "{size}");
    }
    let outcome = cell.run(Command::new(["cat"])).await.unwrap();
    assert_eq!((outcome.end, outcome.stdout), (exited(0), Vec::new()), "without input it is at its end");
    let mut file = tempfile::tempfile_in(bench.scratch()).unwrap();
    file.write_all(b"from a file").unwrap();
    std::io::Seek::rewind(&mut file).unwrap();
    let mut command = Command::new(["cat"]);
    command.stdin = Stdin::Descriptor(file.into());
    assert_eq!(text(&cell.run(command).await.unwrap().stdout), "from a file");
    cell.close().await;
}

/// A pipe to forward to; its reading end is read when the test likes.
fn pipe() -> (File, OwnedFd, OwnedFd) {
    let (read, write) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).unwrap();
    let second = write.try_clone().unwrap();
    (read.into(), write, second)
}

pub(crate) async fn forwarded_output_waits_for_a_slow_reader(bench: &Bench) {
    let mut cell = bench.cell(limited(1 << 20)).await;
    let (mut read, stdout, stderr) = pipe();
    let mut command = Command::shell("head -c 600000 /dev/zero; head -c 400000 /dev/zero >&2");
    command.output = Output::Forward(stdout, stderr);
    // It reads only when asked to, byte by byte at first.
    let reader = tokio::task::spawn_blocking(move || {
        let mut bytes = vec![0; 1000];
        for byte in bytes.chunks_mut(1) {
            read.read_exact(byte).unwrap();
        }
        read.read_to_end(&mut bytes).unwrap();
        bytes.len()
    });
    let outcome = cell.run(command).await.unwrap();
    assert_eq!(outcome.end, exited(0), "{}", shown(&outcome));
    assert_eq!(reader.await.unwrap(), 1_000_000);
    assert!(outcome.stdout.is_empty() && outcome.stderr.is_empty() && !outcome.output_truncated);

    // A reader that comes late holds neither the program's clock nor the thread that we run on.
    let (mut read, stdout, stderr) = pipe();
    let late = Duration::from_millis(1000);
    let reader = std::thread::spawn(move || {
        std::thread::sleep(late);
        let mut bytes = Vec::new();
        read.read_to_end(&mut bytes).unwrap();
        bytes
    });
    let mut command = Command::shell("yes").wall_time(Duration::from_millis(200));
    command.output = Output::Forward(stdout, stderr);
    let started = Instant::now();
    let ticked = async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        started.elapsed()
    };
    let (outcome, ticked) = tokio::join!(cell.run(command), ticked);
    let outcome = outcome.unwrap();
    assert!(ticked < late, "others could not run meanwhile: {ticked:?}");
    assert_eq!(outcome.end, reached(Limit::WallTime), "{}", shown(&outcome));
    assert!(outcome.usage.wall_time < late / 2, "{}", shown(&outcome));
    let bytes = reader.join().unwrap();
    assert!(bytes.len() >= 65_536 && bytes.chunks(2).all(|line| line == b"y\n" || line == b"y"), "{}", bytes.len());
    cell.close().await;
}

pub(crate) async fn the_end_of_a_reader_ends_the_writer(bench: &Bench) {
    let mut cell = bench.cell(limited(1 << 30)).await;
    let (read, stdout, stderr) = pipe();
    drop(read);
    let mut command = Command::new(["yes"]);
    command.output = Output::Forward(stdout, stderr);
    let outcome = cell.run(command).await.unwrap();
    assert_eq!(outcome.end, belljar_sandbox::End::Signaled { signal: libc::SIGPIPE }, "{}", shown(&outcome));
    cell.close().await;
}
