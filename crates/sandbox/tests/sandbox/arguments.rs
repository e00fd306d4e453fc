//! Arguments, variables and the search for programs.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;

use belljar_sandbox::{Command, End, Policy, SandboxError};

use crate::bench::{Bench, exited, shown, text};

pub(crate) async fn arguments_arrive_as_they_are(bench: &Bench) {
    let mut cell = bench.cell(Policy::default()).await;
    let show = "import sys, os\nsys.stdout.buffer.write(b'\\0'.join(os.fsencode(a) for a in sys.argv[1:]))";
    let cases: Vec<Vec<OsString>> = vec![
        vec!["".into()],
        vec!["".into(), "".into(), "a b".into(), "'\"$x`\n\t\\".into()],
        vec![OsString::from_vec((1..=255).collect())],
        vec!["x".repeat(100_000).into()],
        (0..4000).map(|number| number.to_string().into()).collect(),
    ];
    for arguments in cases {
        let argv = ["python3", "-c", show].map(OsString::from).into_iter().chain(arguments.iter().cloned());
        let outcome = cell.run(Command::new(argv)).await.unwrap();
        let expected = arguments.into_iter().map(OsStringExt::into_vec).collect::<Vec<_>>().join(&0);
        assert!(outcome.stdout == expected, "{} bytes: {}", expected.len(), shown(&outcome));
    }
    cell.close().await;
}

pub(crate) async fn too_much_is_refused_with_a_reason(bench: &Bench) {
    let mut cell = bench.cell(Policy::default()).await;
    let refused: Vec<(Command, &str)> = vec![
        (Command::new(["echo", &"x".repeat(200_000)]), "limit"),
        (Command::new(["echo", "a\0b"]), "zero byte"),
        (Command::new(["tr\0ue"]), "zero byte"),
        (Command::new(["true"]).environment([("A".into(), "\0".into())]), "zero byte"),
        (Command::new(["true"]).environment([("A\0".into(), "x".into())]), "zero byte"),
        (Command::new(Vec::<OsString>::new()), "no program"),
    ];
    for (command, why) in refused {
        let shown = format!("{:.200?}", command);
        match cell.run(command).await {
            Err(SandboxError::Command(message)) => assert!(message.contains(why), "{shown}: {message}"),
            other => panic!("{shown}: {other:?}"),
        }
        assert!(cell.shell("true").await.success(), "{shown}: the sandbox stays usable");
    }
    let told: Vec<Command> = vec![
        // The kernel's own limit for one string, and our table's for their number.
        Command::new(["echo", &"x".repeat(140_000)]),
        Command::new(std::iter::once("echo").chain(std::iter::repeat_n("x", 5000))),
        Command::new(["true"]).environment((0..5000).map(|number| (format!("V{number}").into(), "x".into()))),
    ];
    for command in told {
        let outcome = cell.run(command).await.unwrap();
        assert!(matches!(outcome.end, End::SetupFailed { errno: libc::E2BIG, .. }), "{}", shown(&outcome));
        assert!(cell.shell("true").await.success());
    }
    cell.close().await;
}

pub(crate) async fn variables_override(bench: &Bench) {
    let mut cell = bench.cell(Policy::default()).await;
    let variable = |name: &str, value: &str| (OsString::from(name), OsString::from(value));
    let command = |variables: Vec<(OsString, OsString)>| Command::new(["env"]).environment(variables);
    let outcome =
        cell.run(command(vec![variable("LANG", "xx"), variable("NEW", "a=b c"), variable("EMPTY", "")])).await.unwrap();
    let said = text(&outcome.stdout);
    for line in ["LANG=xx", "NEW=a=b c", "EMPTY=", "HOME=/home/student"] {
        assert_eq!(said.lines().filter(|found| *found == line).count(), 1, "{line}: {said}");
    }
    assert_eq!(said.matches("LANG=").count(), 1, "{said}");
    let outcome = cell.run(command(vec![variable("A", "1"), variable("A", "2")])).await.unwrap();
    assert!(text(&outcome.stdout).contains("A=2") && !text(&outcome.stdout).contains("A=1"), "the last one counts");
    cell.close().await;
}

pub(crate) async fn programs_are_looked_up_inside(bench: &Bench) {
    let mut cell = bench.cell(Policy::default()).await;
    cell.say("mkdir a b c; printf '#!/bin/sh\\necho mine \"$@\"\\n' | tee b/tool c/true > a/tool; chmod +x b/tool c/true; mkdir a/dir; printf '#!/bin/sh\\necho dir\\n' > b/dir; chmod +x b/dir").await;
    let with_path =
        |path: &str, program: &str| Command::new([program, "x"]).environment([("PATH".into(), path.into())]);
    let home = "/home/student";
    let cases = [
        // What is found but not executable is passed over.
        (format!("{home}/a:{home}/b"), "tool", Ok("mine x\n")),
        (format!("{home}/a"), "tool", Err(libc::EACCES)),
        (format!("{home}/a:{home}/b"), "dir", Ok("dir\n")),
        (format!("{home}/c:/usr/bin"), "true", Ok("mine x\n")),
        (format!("/usr/bin:{home}/c"), "true", Ok("")),
        ("c".to_owned(), "true", Ok("mine x\n")),
        ("/nowhere".to_owned(), "true", Err(libc::ENOENT)),
        ("x".repeat(5000), "true", Err(libc::ENOENT)),
        (format!("{home}/b/tool:/usr/bin"), "true", Ok("")),
        ("/nowhere".to_owned(), "/usr/bin/true", Ok("")),
    ];
    for (path, program, expected) in cases {
        let outcome = cell.run(with_path(&path, program)).await.unwrap();
        match expected {
            Ok(said) => {
                assert_eq!(
                    (outcome.end.clone(), text(&outcome.stdout).as_str()),
                    (exited(0), said),
                    "{path:.100} {program}: {}",
                    shown(&outcome)
                );
            }
            Err(errno) => assert!(
                matches!(outcome.end, End::SetupFailed { errno: found, .. } if found == errno),
                "{path:.100} {program}: {}",
                shown(&outcome)
            ),
        }
    }
    // An empty part of a path is the current directory.
    cell.say("cp b/tool here").await;
    assert_eq!(text(&cell.run(with_path(":/usr/bin", "here")).await.unwrap().stdout), "mine x\n");
    cell.close().await;
}
