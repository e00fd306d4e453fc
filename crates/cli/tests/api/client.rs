//! The client of this API that belljar brings, against the real server. Numbers are those of the behaviours that the protocol's own client
//! is tested for.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::time::Duration;

use belljar_client::execution::{
    Archive, Command, ExecutionSettings, Fact, HttpError, Presence, Reason, Request, Status,
};
use belljar_client::{Error, ErrorKind, Secret, blocking, execution};
use serde_json::json;

use crate::archive::{E1, contents, e1, e2, expected, files};
use crate::server::{Server, own, shared};

fn client(server: &Server) -> blocking::Execution {
    let address = format!("http://{}/", server.address());
    blocking::Execution::new(ExecutionSettings::new("here", address)).expect("an address")
}

#[track_caller]
fn http(error: &Error) -> &HttpError {
    match &error.kind {
        ErrorKind::Http(error) => error,
        other => panic!("{other:?}"),
    }
}

fn read(mut download: blocking::Download) -> Vec<u8> {
    let mut bytes = Vec::new();
    download.read_to_end(&mut bytes).expect("it comes whole");
    assert_eq!(download.length, Some(bytes.len() as u64));
    bytes
}

/// 14-21: what was saved is downloaded, as a whole and a file of it, and is there; what was not is not.
#[test]
fn environments_come_back() {
    let Some(server) = shared() else { return };
    let client = client(&server);
    let request = Request { save: true, ..Request::new(["true"]) };
    let outcome = client.execute(&request, Some(&Archive::bytes(e1()))).expect("executed");
    let expires = outcome.expires().expect("a time");
    assert!(expires > jiff::Timestamp::now());
    let id = outcome.environment.expect("saved");
    let whole = client.download_environment(&id).expect("there");
    assert_eq!(whole.name, Some(format!("{id}.tgz")));
    let whole = read(whole);
    assert_eq!(contents(&whole), expected(&E1));
    assert_eq!(read(client.download_file(&id, "dir/file1.txt").expect("there")), b"env1\n");
    let length = Some(whole.len() as u64);
    assert_eq!(client.check_environment(&id).expect("asked"), Presence::Present { length });
    assert_eq!(client.check_file(&id, "dir/file1.txt").expect("asked"), Presence::Present { length: Some(5) });
    assert_eq!(client.check_environment("unknown").expect("asked"), Presence::Absent);
    assert_eq!(client.check_file(&id, "unknown.unk").expect("asked"), Presence::Absent);
    for error in [
        client.download_environment("unknown").expect_err("no UUID"),
        client.download_environment("00000000-0000-4000-8000-000000000000").expect_err("unknown"),
        client.download_file(&id, "unknown.unk").expect_err("unknown"),
    ] {
        assert_eq!(http(&error).reason(), Reason::NotFound);
    }
    let error = client.download_file(&id, "unknown.unk").expect_err("unknown");
    assert_eq!(http(&error).message(), format!("The file 'unknown.unk' could not be found in environment '{id}'"));
}

/// Names that addresses are made of arrive as they are.
#[test]
fn files_have_any_names() {
    let Some(server) = shared() else { return };
    let client = client(&server);
    let names = ["a b", "é", "q?x#y", "100%25", "a;b\"c", "d/e f/ü.txt", "...", "+"];
    let archive =
        names.iter().fold(crate::archive::Archive::new(), |archive, name| archive.file(name, name.as_bytes()));
    let request = Request { save: true, ..Request::new(["true"]) };
    let outcome = client.execute(&request, Some(&Archive::bytes(archive.finish()))).expect("executed");
    let id = outcome.environment.expect("saved");
    for name in names {
        let download = client.download_file(&id, name).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(download.name.as_deref(), name.rsplit('/').next());
        assert_eq!(read(download), name.as_bytes(), "{name}");
        assert!(client.check_file(&id, name).expect("asked").is_present(), "{name}");
    }
}

/// 41, 44-47, 50, 52-57: every option and every status.
#[test]
fn every_outcome_is_told() {
    let Some(server) = shared() else { return };
    let client = client(&server);
    let second = Duration::from_secs(1);
    let run = |commands: Vec<Command>| client.execute(&Request::new(commands), None).expect("executed");
    let outcome = run(vec!["true".into(), Command::new("echo $((1+1))").within(second), "-false".into()]);
    assert_eq!((outcome.status, outcome.commands.len()), (Status::Success, 3));
    assert_eq!(outcome.commands[1].stdout, "2");
    assert_eq!((outcome.commands[2].command.as_str(), outcome.commands[2].exit_code), ("false", Status::Exit(1)));
    let sum: Duration = outcome.commands.iter().map(|command| command.time).sum();
    assert!(sum <= outcome.total_time + Duration::from_micros(1), "{outcome:?}");
    assert_eq!((outcome.environment, outcome.result, outcome.expire), (None, None, None));

    let outcome = run(vec!["echo 2".into(), Command::new("sleep 5").within(Duration::from_millis(200)), "true".into()]);
    assert_eq!((outcome.status, outcome.commands.len()), (Status::Timeout, 2));
    assert_eq!(outcome.last_errors(), "Command timed out after 0.2 seconds\n");
    let outcome = run(vec![Command::new("sleep 5").within(second)]);
    assert_eq!(outcome.last_errors(), "Command timed out after 1 seconds\n");
    assert_eq!(run(vec!["exit 3".into(), "true".into()]).status, Status::Exit(3));
    assert_eq!(run(vec![r"printf '\377'".into()]).status, Status::Unknown);
    // A program whose name begins with a hyphen is one, and does not lose it.
    let outcome = run(vec![Command::new("-x")]);
    assert_eq!((outcome.status, outcome.last_errors().contains("-x")), (Status::Exit(127), true), "{outcome:?}");

    let with_result = |line: &str| {
        let request = Request { result_path: Some("r.txt".to_owned()), ..Request::new([line]) };
        client.execute(&request, None).expect("executed")
    };
    let outcome = with_result("printf 'Hello World !\\r\\n' > r.txt; exit 4");
    assert_eq!((outcome.status, outcome.result.as_deref()), (Status::Exit(4), Some("Hello World !\n")));
    assert_eq!(with_result("true").status, Status::ResultNotFound);
    assert_eq!(with_result(r"printf '\377' > r.txt").status, Status::ResultNotUtf8);
}

/// 51, 55: variables, and an archive over a saved environment, each from a path, bytes and a stream.
#[test]
fn archives_come_over_environments() {
    let Some(server) = shared() else { return };
    let client = client(&server);
    let saving = Request { save: true, ..Request::new(["true"]) };
    let saved = client.execute(&saving, Some(&Archive::bytes(e2()))).expect("executed").environment;
    let path = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(path.path(), e1()).expect("written");
    let stream = execution::Archive {
        name: String::new(),
        origin: belljar_client::Origin::from_reader(e1().as_slice(), 1 << 20).expect("read"),
    };
    for archive in [Archive::path(path.path()), Archive::bytes(e1()), stream] {
        let request = Request {
            environ: BTreeMap::from([("VAR1".to_owned(), "My var".to_owned())]),
            environment: saved.clone(),
            ..Request::new(["echo \"$VAR1\"; cat file3.txt file2.txt"])
        };
        let outcome = client.execute(&request, Some(&archive)).expect("executed");
        assert_eq!(outcome.last_output(), "My var\nboth1\nenv2", "{archive:?}");
    }
}

/// 38, 39 and more: what the server refuses it says, and the answer is kept. What the client can know beforehand it says in the words of the
/// protocol's client.
#[test]
fn refusals_are_told() {
    let Some(server) = shared() else { return };
    let client = client(&server);
    for (config, status, message) in [
        (json!("config"), 400, "config must be an object, not <class 'str'>"),
        (json!({}), 400, "Missing field 'commands' in config"),
        (json!({"commands": []}), 400, "Command list cannot be empty"),
        (json!({"commands": ["true"], "environment": "x"}), 404, "No environment with UUID 'x' found"),
    ] {
        let error = client.execute_json(&config, None).expect_err("wrong");
        assert_eq!((http(&error).response.status.as_u16(), http(&error).message().as_str()), (status, message));
        assert_eq!(http(&error).response.headers["content-type"], "text/plain; charset=utf-8");
        assert!(http(&error).response.url.ends_with("/execute/"));
    }
    let error = client.execute(&Request::new(["true"]), Some(&Archive::bytes(&b"no archive"[..]))).expect_err("wrong");
    assert_eq!(http(&error).reason(), Reason::Invalid);
    assert!(execution::validate(&json!({"commands": ["true"]})).is_ok());
    let raw = client.execute_json(&json!({"commands": ["echo 1"], "unknown": 1}), None).expect("executed");
    assert_eq!(raw["execution"][0]["stdout"], "1");
}

/// 77, 79: the facts of a real server are what the client reads.
#[test]
fn facts_are_told() {
    let Some(server) = shared() else { return };
    let client = client(&server);
    let specifications = client.specifications().expect("told");
    assert_eq!((specifications.host.sandbox_version.as_str(), specifications.container.count), ("3.0.3", 4));
    assert!(specifications.host.memory.ram > 0 && specifications.container.memory.ram > 0);
    let usage = client.usage().expect("asked").expect("told");
    assert!(usage.process > 0 && usage.cpu.usage_avg.len() == 3, "{usage:?}");
    let libraries = client.libraries().expect("told");
    assert!(libraries.bin.iter().any(|name| name == "bash"));
    for fact in [Fact::Specifications, Fact::Usage, Fact::Libraries] {
        assert!(client.fact(fact).expect("told").is_object());
    }
}

/// A full server says so; the request is sent again then, and nothing has been executed twice.
#[test]
fn a_busy_server_is_asked_again() {
    let Some(server) = own(&["execute.pool_size=1", "execute.wait_for_sandbox=100ms"]) else { return };
    let busy = client(&server);
    std::thread::scope(|scope| {
        let long = scope.spawn(|| busy.execute(&Request::new([Command::new("sleep 6")]), None));
        crate::server::wait_for("the sandbox is taken", || server.taken() == 1);
        let mut settings = ExecutionSettings::new("once", format!("http://{}", server.address()));
        settings.http.tries = 1;
        let once = blocking::Execution::new(settings.clone()).expect("an address");
        let error = once.execute(&Request::new(["true"]), None).expect_err("full");
        assert_eq!(http(&error).reason(), Reason::Overloaded);
        assert!(error.is_retryable() && error.retry_after().is_some(), "{error:?}");
        settings.http.tries = 20;
        let patient = blocking::Execution::new(settings).expect("an address");
        assert_eq!(patient.execute(&Request::new(["true"]), None).expect("in the end").status, Status::Success);
        assert_eq!(long.join().expect("no panic").expect("executed").status, Status::Success);
    });
}

/// Keys, which only belljar's server has.
#[test]
fn a_key_is_shown_to_the_server_only() {
    let place = tempfile::tempdir().expect("a directory");
    let file = place.path().join("keys");
    let key = "a-key-that-is-long-enough-for-a-server-0123456789";
    std::fs::write(&file, format!("{key}\n")).expect("written");
    // The server becomes another user before it reads them.
    let open = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(place.path(), open).expect("allowed");
    let Some(server) = own(&[&format!("server.api_keys_file={}", file.display())]) else { return };
    for (given, works) in
        [(None, false), (Some("another-key-that-is-long-enough-for-a-server-01"), false), (Some(key), true)]
    {
        let mut settings = ExecutionSettings::new("here", format!("http://{}", server.address()));
        settings.key = given.map(Secret::new);
        let client = blocking::Execution::new(settings).expect("an address");
        match client.execute(&Request::new(["true"]), None) {
            Ok(_) => assert!(works),
            Err(error) => {
                assert!(!works && http(&error).reason() == Reason::Unauthenticated, "{error}");
                assert!(!format!("{error:?}").contains("long-enough"));
            }
        }
    }
}

/// 80: the asynchronous one, many at once.
#[test]
fn many_are_asked_at_once() {
    let Some(server) = shared() else { return };
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let client = execution::Execution::new(ExecutionSettings::new("here", format!("http://{}", server.address())));
        let client = client.expect("an address");
        let archive = Archive::bytes(files(&[("in.txt", "42\n")]));
        let runs = (0..12).map(|number| {
            let (client, archive) = (client.clone(), archive.clone());
            tokio::spawn(async move {
                let outcome =
                    client.execute(&Request::new([format!("cat in.txt; echo {number}")]), Some(&archive)).await;
                assert_eq!(outcome.expect("executed").last_output(), format!("42\n{number}"));
            })
        });
        for run in runs.collect::<Vec<_>>() {
            run.await.expect("no panic");
        }
    });
}
