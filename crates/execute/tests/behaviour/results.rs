//! The file that a request returns.

use belljar_execute::{Request, ResultFile, Service, Settings};
use belljar_sandbox::units::ByteSize;

use crate::fixture::{Bench, ends, execute, exited, request, settings};

async fn result(service: &Service, script: &str, path: &str) -> ResultFile {
    let request = Request { result_path: Some(path.to_owned()), ..request([script]) };
    let response = execute(service, request).await;
    assert_eq!(ends(&response)[0].0, exited(0), "{script}");
    response.result.expect("a result was asked for")
}

pub(crate) async fn a_file_is_returned(bench: Bench) {
    let service = bench.service(1).await;
    for (script, path, content) in [
        ("echo 'Hello World !' > result.txt", "result.txt", &b"Hello World !\n"[..]),
        ("mkdir -p a/b; printf 'x\\r\\n' > a/b/c", "a/b/c", b"x\r\n"),
        ("printf '\\xff\\0' > binary", "./binary", b"\xff\0"),
        (": > empty", "empty", b""),
        ("echo x > target; ln -s target link", "link", b"x\n"),
    ] {
        assert_eq!(result(&service, script, path).await, ResultFile::Content(content.to_vec()), "{script}");
    }
    // Whatever the command did.
    let failed = Request { result_path: Some("file".to_owned()), ..request(["echo x > file; exit 3"]) };
    assert_eq!(execute(&service, failed).await.result, Some(ResultFile::Content(b"x\n".to_vec())));
    service.stop().await;
}

pub(crate) async fn what_is_no_file_inside_is_not_returned(bench: Bench) {
    let service = bench.service(1).await;
    for (script, path) in [
        ("true", "missing"),
        ("mkdir directory", "directory"),
        ("mkfifo pipe", "pipe"),
        ("echo x > secret; chmod 000 secret", "secret"),
        ("true", "/etc/hostname"),
        ("true", "/etc/passwd"),
        ("true", "../../etc/passwd"),
        ("ln -s /etc/passwd link", "link"),
        ("ln -s / root", "root/etc/passwd"),
        ("ln -s loop loop", "loop"),
        ("true", ""),
        ("true", "."),
        ("true", "a\0b"),
        ("true", &"x/".repeat(500_000)),
    ] {
        let found = result(&service, script, path).await;
        assert!(matches!(&found, ResultFile::Unavailable(reason) if !reason.is_empty()), "{script} {path}: {found:?}");
    }
    service.stop().await;
}

pub(crate) async fn large_files_are_returned_up_to_the_limit(bench: Bench) {
    let limit = ByteSize::from_mib(12);
    let service = bench.start(Settings { max_result: limit, ..settings(1) }).await;
    let script = "head -c 12582912 /dev/urandom > exact; (cat exact; echo) > above";
    match result(&service, script, "exact").await {
        ResultFile::Content(bytes) => assert_eq!(bytes.len() as u64, limit.bytes()),
        ResultFile::Unavailable(reason) => panic!("{reason}"),
    }
    assert!(matches!(result(&service, script, "above").await, ResultFile::Unavailable(_)));
    service.stop().await;
}

pub(crate) async fn what_still_runs_cannot_change_a_result(bench: Bench) {
    let service = bench.service(1).await;
    // Writes for ever, as fast as it can; the file is whole in each moment in which it stands still.
    let script = "(while :; do echo more >> file; done) > /dev/null 2>&1 & until [ -s file ]; do :; done";
    let request = Request { result_path: Some("file".to_owned()), save: true, ..request([script]) };
    let response = execute(&service, request).await;
    let Some(ResultFile::Content(content)) = response.result else { panic!("{:?}", response.result) };
    let saved = response.saved.expect("saving was asked for");
    let member = service.member(&saved.id, "file").await.unwrap();
    assert_eq!(member.size, content.len() as u64);
    service.stop().await;
}
