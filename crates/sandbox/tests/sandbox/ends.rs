//! How commands end, and what they leave for the next one in the same sandbox.

use std::time::{Duration, Instant};

use belljar_sandbox::{Command, End, Limit, Policy};

use crate::bench::{Bench, exited, reached, shown, text};

pub(crate) async fn each_end_is_told(bench: &Bench) {
    let mut cell = bench.cell(Policy::default()).await;
    let signaled = |signal| End::Signaled { signal };
    let cases = [
        ("exit 0", exited(0)),
        ("exit 1", exited(1)),
        ("exit 255", exited(255)),
        ("exit 256", exited(0)),
        ("kill -KILL $$", signaled(libc::SIGKILL)),
        ("kill -SEGV $$", signaled(libc::SIGSEGV)),
        ("kill -TERM $$", signaled(libc::SIGTERM)),
        ("exec python3 -c 'import os; os.abort()'", signaled(libc::SIGABRT)),
        ("exec python3 -c 'import ctypes; ctypes.string_at(0)'", signaled(libc::SIGSEGV)),
        ("kill -XFSZ $$", reached(Limit::FileSize)),
        // Only a shell's word for it.
        ("exit 137", exited(137)),
        // A signal to process 1 of the sandbox, and to the whole group 0, does nothing or hits the sender only.
        ("kill -KILL 1; kill -TERM 1; kill -STOP 1; exit 3", exited(3)),
        ("kill -KILL 0", signaled(libc::SIGKILL)),
    ];
    for (script, end) in cases {
        let outcome = cell.shell(script).await;
        assert_eq!(outcome.end, end, "{script}: {}", shown(&outcome));
    }
    assert_eq!(cell.pool().status().made, 1);
    cell.close().await;
}

pub(crate) async fn a_daemon_does_not_hold_the_result_back(bench: &Bench) {
    let mut cell = bench.cell(Policy::default()).await;
    for script in ["sleep 60 & echo done", "setsid sleep 60 & echo done", "(setsid sh -c 'sleep 60' &) ; echo done"] {
        let started = Instant::now();
        let outcome = cell.shell(script).await;
        assert!(started.elapsed() < Duration::from_secs(3), "{script}");
        assert_eq!(
            (outcome.end.clone(), text(&outcome.stdout)),
            (exited(0), "done\n".to_owned()),
            "{}",
            shown(&outcome)
        );
    }
    // What a daemon writes after its command ended belongs to nobody.
    cell.shell("(setsid sh -c 'sleep 0.05; echo late' &) ; echo first").await;
    let outcome = cell.shell("sleep 0.2; echo second").await;
    assert_eq!(text(&outcome.stdout), "second\n");
    cell.settle().await.unwrap();
    assert_eq!(cell.say("set -- /proc/[0-9]*; echo $#").await, "1\n");
    cell.close().await;
}

pub(crate) async fn whoever_kills_or_stops_everything_hurts_no_later_command(bench: &Bench) {
    let mut policy = Policy::default();
    policy.limits.wall_time = Duration::from_millis(1500);
    let mut cell = bench.cell(policy).await;
    let scripts = [
        "kill -KILL -1",
        "kill -STOP -1",
        "kill -TERM -1",
        "kill -STOP -1; kill -KILL -1",
        "kill -STOP -1; exec python3 -c 'import os, signal\nos.kill(-1, signal.SIGKILL)'",
        // It goes on after its command has ended.
        "(setsid bash -c 'trap \"\" TERM; for i in {1..2000}; do kill -STOP -1; done' &) ; exit 0",
        "for i in 1 2 3; do kill -KILL -1 & done; wait",
        // Every process that can be seen, one by one.
        "for i in {2..300}; do kill -KILL $i 2>/dev/null; done",
        "for i in {2..300}; do kill -STOP $i 2>/dev/null; done",
    ];
    for script in scripts {
        for _ in 0..10 {
            let outcome = cell.shell(&format!("echo once; {script}")).await;
            assert!(!matches!(outcome.end, End::SetupFailed { .. }), "{script}: {}", shown(&outcome));
            // Killed before it answers, its starter must not make us start it twice.
            assert_eq!(text(&outcome.stdout), "once\n", "{script}: {}", shown(&outcome));
            if script.contains("setsid") {
                cell.settle().await.unwrap();
            }
            let started = Instant::now();
            let outcome = cell.shell("echo alive").await;
            assert_eq!(
                (outcome.end.clone(), text(&outcome.stdout)),
                (exited(0), "alive\n".into()),
                "{script}: {}",
                shown(&outcome)
            );
            assert!(started.elapsed() < Duration::from_secs(1), "{script}: {:?}", started.elapsed());
        }
        cell.settle().await.unwrap();
        assert!(cell.shell("true").await.success(), "{script}");
    }
    assert_eq!(cell.pool().status().made, 1, "the sandbox itself lives");
    cell.close().await;
}

pub(crate) async fn what_cannot_be_executed_is_told(bench: &Bench) {
    let mut cell = bench.cell(Policy::default()).await;
    cell.say("mkdir d; mkfifo fifo; echo 'echo hi' > text; chmod +x text; echo x > plain; ln -s loop loop; printf '#!/nowhere\\n' > bad; chmod +x bad; printf '\\177ELF' > elf; chmod +x elf; mkdir -m 0 closed; mkfifo -m 755 xfifo; head -c 100 /bin/ls > half; chmod +x half").await;
    let cases = [
        ("nothing-of-this-name", libc::ENOENT),
        ("./nothing", libc::ENOENT),
        ("", libc::ENOENT),
        ("/", libc::EACCES),
        ("./d", libc::EACCES),
        ("./fifo", libc::EACCES),
        ("./xfifo", libc::EACCES),
        ("./plain", libc::EACCES),
        ("./text", libc::ENOEXEC),
        ("./elf", libc::ENOEXEC),
        ("./half", 0),
        ("./bad", libc::ENOENT),
        ("./loop", libc::ELOOP),
        ("./plain/x", libc::ENOTDIR),
        ("./closed/x", libc::EACCES),
        ("/proc/1/exe", libc::ENOENT),
        ("/dev/null", libc::EACCES),
    ];
    for (program, errno) in cases {
        let outcome = cell.run(Command::new([program, "x"])).await.unwrap();
        if errno == 0 {
            assert!(!outcome.success(), "{program}: {}", shown(&outcome));
            continue;
        }
        let End::SetupFailed { step, errno: found, message } = &outcome.end else {
            panic!("{program}: {}", shown(&outcome));
        };
        assert_eq!((step.as_str(), *found), ("execve", errno), "{program}: {message}");
        assert!(message.contains("cannot be executed"), "{message}");
    }
    for (directory, errno) in [("/nowhere", libc::ENOENT), ("plain", libc::ENOTDIR), ("closed", libc::EACCES)] {
        let mut command = Command::new(["pwd"]);
        command.directory = Some(directory.into());
        let outcome = cell.run(command).await.unwrap();
        assert!(
            matches!(&outcome.end, End::SetupFailed { step, errno: found, .. } if step == "chdir" && *found == errno),
            "{directory}: {}",
            shown(&outcome)
        );
    }
    let mut command = Command::new(["pwd"]);
    command.directory = Some("d".into());
    assert_eq!(text(&cell.run(command).await.unwrap().stdout), "/home/student/d\n");
    cell.close().await;
}

pub(crate) async fn signals_reach_the_command(bench: &Bench) {
    let mut cell = bench.cell(Policy::default()).await;
    let signaller = cell.signaller().unwrap();
    signaller.send(libc::SIGTERM).unwrap();
    assert!(cell.shell("true").await.success(), "one that came before the command is not for it");
    let sending = async {
        // Until it has set its trap, it does not write; there is no other way to see that from here.
        for _ in 0..200 {
            tokio::time::sleep(Duration::from_millis(20)).await;
            signaller.send(libc::SIGUSR1).unwrap();
        }
    };
    let script = "trap 'echo got; exit 7' USR1; while :; do sleep 0.01; done";
    // An untrapped first signal is an end too; the trap is quicker than 20 ms nearly always.
    let outcome = tokio::select! {
        outcome = cell.shell(script) => outcome,
        () = sending => panic!("the command does not end"),
    };
    assert!(outcome.end == exited(7) || outcome.end == End::Signaled { signal: libc::SIGUSR1 }, "{}", shown(&outcome));
    for signal in [0, -1, 64, 65, 1000, i32::MAX, i32::MIN] {
        let _ = signaller.send(signal);
        assert!(cell.shell("true").await.success(), "signal {signal}");
    }
    cell.close().await;
}

pub(crate) async fn files_stay_processes_go(bench: &Bench) {
    let mut cell = bench.cell(Policy::default()).await;
    cell.say("echo kept > file; echo kept > /tmp/file; export LOST=1; cd /tmp; sleep 60 &").await;
    assert_eq!(
        cell.say("cat file /tmp/file; echo \"[$LOST]\"; pwd; pgrep -c sleep").await,
        "kept\nkept\n[]\n/home/student\n1\n"
    );
    cell.settle().await.unwrap();
    assert_eq!(cell.say("cat file /tmp/file; pgrep -c sleep || :").await, "kept\nkept\n0\n");
    cell.close().await;
}

pub(crate) async fn a_dropped_run_leaves_a_usable_sandbox(bench: &Bench) {
    let mut cell = bench.cell(Policy::default()).await;
    let begun = Instant::now();
    for pause in [0, 0, 1, 2, 5, 20] {
        let run = cell.shell("trap '' TERM; yes > /dev/null & setsid sleep 60 & sleep 60");
        let cut = tokio::time::timeout(Duration::from_millis(pause), run).await;
        assert!(cut.is_err());
        let outcome = cell.shell("echo next").await;
        assert_eq!((outcome.end.clone(), text(&outcome.stdout)), (exited(0), "next\n".into()), "{}", shown(&outcome));
        // Dropped, and given back at once.
        let cut =
            tokio::time::timeout(Duration::from_millis(pause), cell.shell("echo mark > /tmp/mark; sleep 60")).await;
        assert!(cut.is_err());
        cell.next().await;
        assert_eq!(cell.say("ls /tmp; pgrep sleep || :").await, "");
    }
    // A settling that nobody waits for.
    let _ = tokio::time::timeout(Duration::ZERO, cell.settle()).await;
    assert!(cell.shell("true").await.success());
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    assert_eq!(cell.pool().status().made, 1);
    cell.close().await;
}
