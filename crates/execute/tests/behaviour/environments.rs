//! Working directories that are uploaded, saved and started from.

use std::fs::File;
use std::time::Duration;

use belljar_execute::{ExecuteError, Request, Settings};
use belljar_sandbox::agent::Refusal;
use belljar_sandbox::units::ByteSize;
use belljar_store::{Environment, EnvironmentId};
use tokio::io::AsyncReadExt;

use crate::fixture::{
    Bench, archive, e1, e2, ends, execute, exited, expected, file_of, members, request, settings, until,
};

fn saving(script: &str, base: Option<&Environment>, upload: Option<File>) -> Request {
    Request { base: base.map(|environment| environment.id), upload, save: true, ..request([script]) }
}

pub(crate) async fn what_is_saved_is_what_was_there(bench: Bench) {
    let service = bench.service(1).await;
    let script = "echo 'Hello World !' > result.txt; mkdir empty; ln -s file1.txt link";
    let saved = execute(&service, saving(script, None, Some(e1()))).await.saved.expect("saved");
    let (found, archive) = service.open_environment(&saved.id).await.unwrap();
    assert_eq!(found, saved);
    assert_eq!(archive.metadata().unwrap().len(), saved.size);
    let names = [
        ("dir", ""),
        ("dir/file1.txt", "env1\n"),
        ("dir/file3.txt", "both1\n"),
        ("empty", ""),
        ("file1.txt", "env1\n"),
        ("file3.txt", "both1\n"),
        ("link", ""),
        ("result.txt", "Hello World !\n"),
    ];
    assert_eq!(members(archive), expected(names));

    // An environment is never changed: what starts from it is saved as another one.
    let next = execute(&service, saving("rm -r dir empty; cat link", Some(&saved), None)).await;
    assert_eq!(ends(&next), [(exited(0), "env1\n".to_owned())]);
    let next = next.saved.expect("saved");
    assert_ne!(next.id, saved.id);
    assert_eq!(members(service.open_environment(&next.id).await.unwrap().1).len(), 4);
    assert_eq!(members(service.open_environment(&saved.id).await.unwrap().1).len(), 8);
    service.stop().await;
}

pub(crate) async fn an_upload_wins_over_the_base(bench: Bench) {
    let service = bench.service(1).await;
    let base = execute(&service, saving("true", None, Some(e2()))).await.saved.expect("saved");
    let merged = execute(&service, saving("echo x > result.txt", Some(&base), Some(e1()))).await.saved.expect("saved");
    let names = [
        ("dir", ""),
        ("dir/file1.txt", "env1\n"),
        ("dir/file2.txt", "env2\n"),
        ("dir/file3.txt", "both1\n"),
        ("dir2", ""),
        ("dir2/file2.txt", "env2\n"),
        ("file1.txt", "env1\n"),
        ("file2.txt", "env2\n"),
        ("file3.txt", "both1\n"),
        ("result.txt", "x\n"),
    ];
    assert_eq!(members(service.open_environment(&merged.id).await.unwrap().1), expected(names));
    service.stop().await;
}

pub(crate) async fn an_upload_wins_however_its_names_are_spelled(bench: Bench) {
    let service = bench.service(1).await;
    let base = archive(&[("a.txt", "base"), ("d/", ""), ("d/b.txt", "base")]);
    let base = execute(&service, saving("true", None, Some(base))).await.saved.expect("saved");
    let upload = archive(&[("./", ""), ("./a.txt", "upload"), ("d/./b.txt", "upload")]);
    let response = execute(&service, saving("cat a.txt d/b.txt", Some(&base), Some(upload))).await;
    assert_eq!(ends(&response), [(exited(0), "uploadupload".to_owned())]);
    service.stop().await;
}

pub(crate) async fn a_failed_run_is_saved_and_returned_too(bench: Bench) {
    let service = bench.service(1).await;
    let mut slow = saving("echo x > file; sleep 5", None, None);
    slow.commands[0].timeout = Some(Duration::from_millis(300));
    for request in [saving("echo x > file; exit 3", None, None), slow] {
        let saved = execute(&service, request).await.saved.expect("saved");
        assert_eq!(members(service.open_environment(&saved.id).await.unwrap().1), expected([("file", "x\n")]));
    }
    service.stop().await;
}

pub(crate) async fn nothing_is_stored_that_was_not_asked_for(bench: Bench) {
    let service = bench.service(1).await;
    let response = execute(&service, Request { upload: Some(e1()), ..request(["cat file1.txt"]) }).await;
    assert_eq!(ends(&response), [(exited(0), "env1\n".to_owned())]);
    let missing = Request { base: Some(EnvironmentId::random()), upload: Some(e1()), save: true, ..request(["true"]) };
    service.execute(missing).await.expect_err("there is no such base");
    service.execute(saving("true", None, Some(file_of(b"no archive")))).await.expect_err("that is no archive");
    assert_eq!(bench.stored_files(), 0);
    execute(&service, saving("true", None, None)).await;
    assert_eq!(bench.stored_files(), 1);
    service.stop().await;
}

pub(crate) async fn bad_uploads_are_the_callers_fault(bench: Bench) {
    let mut tight = settings(1);
    tight.max_archive_entries = 10;
    tight.max_unpacked = ByteSize::from_mib(1);
    let service = bench.start(tight).await;
    let many: Vec<String> = (0..11).map(|i| format!("f{i}")).collect();
    let many: Vec<_> = many.iter().map(|name| (name.as_str(), "")).collect();
    let large = "x".repeat((1 << 20) + 1);
    type Check = fn(&Refusal) -> bool;
    let cases: [(&str, File, Check); 7] = [
        ("text", file_of(b"hello"), |refusal| matches!(refusal, Refusal::NotAnArchive(_))),
        ("nothing", file_of(b""), |refusal| matches!(refusal, Refusal::NotAnArchive(_))),
        ("half", file_of(&[0x1f, 0x8b, 8, 0, 0, 0]), |refusal| matches!(refusal, Refusal::NotAnArchive(_))),
        ("up", archive(&[("../x", "y")]), |refusal| matches!(refusal, Refusal::PathOutside(_))),
        ("root", archive(&[("/tmp/x", "y")]), |refusal| matches!(refusal, Refusal::PathOutside(_))),
        ("many", archive(&many), |refusal| *refusal == Refusal::TooManyEntries(10)),
        ("large", archive(&[("f", &large)]), |refusal| *refusal == Refusal::TooManyBytes(1 << 20)),
    ];
    for (name, upload, check) in cases {
        match service.execute(Request { upload: Some(upload), ..request(["true"]) }).await {
            Err(ExecuteError::Archive(refusal)) => assert!(check(&refusal), "{name}: {refusal:?}"),
            other => panic!("{name}: {other:?}"),
        }
    }
    until(|| service.pool().idle == 1).await;
    service.stop().await;
}

pub(crate) async fn what_does_not_fit_is_told_apart(bench: Bench) {
    let mut small = settings(1);
    small.sandbox.disk = ByteSize::from_mib(1);
    let service = bench.start(small.clone()).await;
    let base = saving("head -c 700000 /dev/zero > base", None, None);
    let base = execute(&service, base).await.saved.expect("saved");
    let large = "x".repeat(700_000);
    let both = || saving("true", Some(&base), Some(archive(&[("upload", &large)])));
    let refused = service.execute(both()).await;
    assert!(matches!(refused, Err(ExecuteError::DoesNotFit)), "{refused:?}");
    service.stop().await;
    drop(service);

    // Less than what was saved: neither the caller's fault nor a failure of the sandbox.
    small.sandbox.disk = ByteSize::from_kib(500);
    let service = bench.start(small).await;
    match service.execute(both()).await {
        Err(ExecuteError::Unusable { environment, refusal }) => {
            assert_eq!((environment, refusal), (base.id, Refusal::TooManyBytes(500 << 10)));
        }
        other => panic!("{other:?}"),
    }
    service.stop().await;
}

pub(crate) async fn steps_that_take_too_long_are_given_up(bench: Bench) {
    let limit = Duration::from_millis(50);
    let mut impatient = settings(1);
    impatient.archive_timeout = limit;
    impatient.max_saved = ByteSize::from_mib(256);
    impatient.compression_level = 9;
    let service = bench.start(impatient).await;
    let slow = saving("head -c 100000000 /dev/urandom > f", None, None);
    match service.execute(slow).await {
        Err(ExecuteError::Slow { limit: told, .. }) => assert_eq!(told, limit),
        other => panic!("{other:?}"),
    }
    until(|| service.pool().idle == 1).await;
    assert_eq!(bench.stored_files(), 0);
    let next = execute(&service, request(["ls -A"])).await;
    assert_eq!(ends(&next), [(exited(0), String::new())]);
    service.stop().await;
}

pub(crate) async fn too_large_a_directory_is_not_saved(bench: Bench) {
    let limit = ByteSize::from_kib(100);
    let service = bench.start(Settings { max_saved: limit, ..settings(1) }).await;
    match service.execute(saving("head -c 300000 /dev/urandom > f", None, None)).await {
        Err(ExecuteError::TooLargeToSave { max_bytes }) => assert_eq!(max_bytes, limit.bytes()),
        other => panic!("{other:?}"),
    }
    // Nobody could unpack it: the program's doing, and no fault of ours.
    let deep = r#"python3 -c 'import os; [(os.mkdir("d" * 200), os.chdir("d" * 200)) for _ in range(30)]'"#;
    match service.execute(saving(deep, None, None)).await {
        Err(ExecuteError::CannotSave(Refusal::PathTooLong(path))) => assert!(path.starts_with("ddd"), "{path}"),
        other => panic!("{other:?}"),
    }
    assert_eq!(bench.stored_files(), 0);
    execute(&service, saving("head -c 50000 /dev/urandom > f", None, None)).await;
    service.stop().await;
}

pub(crate) async fn files_are_taken_out_of_environments(bench: Bench) {
    let service = bench.service(1).await;
    let script = "ln -s dir/file1.txt link; mkfifo pipe; head -c 1000000 /dev/zero > zeros";
    let saved = execute(&service, saving(script, None, Some(e1()))).await.saved.expect("saved");
    for (path, content) in [
        ("file1.txt", b"env1\n".to_vec()),
        ("dir/file3.txt", b"both1\n".to_vec()),
        ("link", b"env1\n".to_vec()),
        ("zeros", vec![0; 1_000_000]),
    ] {
        let mut member = service.member(&saved.id, path).await.unwrap();
        // The sandbox is free although nobody has read the file.
        assert_eq!(service.member_size(&saved.id, path).await.unwrap(), member.size);
        let mut found = Vec::new();
        member.content.read_to_end(&mut found).await.unwrap();
        assert_eq!(member.size, content.len() as u64, "{path}");
        assert!(found == content, "{path}");
    }
    for path in [
        "missing",
        "dir",
        "pipe",
        "./file1.txt",
        "/file1.txt",
        "../file1.txt",
        "dir/../file1.txt",
        "",
        "file1.txt\0",
        &"x/".repeat(500_000),
    ] {
        match service.member(&saved.id, path).await {
            Err(ExecuteError::UnknownFile { environment, path: told }) => {
                assert_eq!((environment, told.as_str()), (saved.id, path));
            }
            other => panic!("{path}: {other:?}"),
        }
    }
    service.stop().await;
}

pub(crate) async fn unknown_environments_are_told(bench: Bench) {
    let service = bench.service(1).await;
    let id = EnvironmentId::random();
    let errors = [
        service.environment(&id).await.map(drop),
        service.open_environment(&id).await.map(drop),
        service.member(&id, "file").await.map(drop),
        service.remove_environment(&id).await,
        service.execute(Request { base: Some(id), ..request(["true"]) }).await.map(drop),
    ];
    for error in errors {
        assert!(matches!(error, Err(ExecuteError::UnknownEnvironment(told)) if told == id), "{error:?}");
    }
    service.stop().await;
}

pub(crate) async fn environments_expire_and_can_be_removed(bench: Bench) {
    let mut short = settings(1);
    short.environment_lifetime = Duration::from_secs(2);
    short.sweep_interval = Duration::from_millis(50);
    let service = bench.start(short).await;
    let first = execute(&service, saving("echo 1 > f", None, None)).await.saved.expect("saved");
    let second = execute(&service, saving("echo 2 > f", None, None)).await.saved.expect("saved");
    assert_eq!(first.expires.duration_since(first.created), jiff::SignedDuration::from_secs(2));
    service.remove_environment(&first.id).await.unwrap();
    service.environment(&first.id).await.expect_err("it was removed");
    service.environment(&second.id).await.unwrap();
    until(|| bench.stored_files() == 0).await;
    service.environment(&second.id).await.expect_err("it has expired");
    assert!(jiff::Timestamp::now() >= second.expires);
    service.stop().await;
}
