//! Software that programs find.

use std::fs;
use std::process::Command;
use std::sync::Arc;

use belljar_execute::settings::ExternalLibrary;

use crate::fixture::{Bench, ends, execute, exited, request, settings, until};

pub(crate) async fn installed_software_is_listed_once(bench: Bench) {
    let service = bench.service(2).await;
    let (one, other) = tokio::join!(service.libraries(), service.libraries());
    let (one, other) = (one.unwrap(), other.unwrap());
    assert!(Arc::ptr_eq(&one, &other));
    for program in ["bash", "ls"] {
        assert!(one.executables.binary_search(&program.to_owned()).is_ok(), "{program}");
    }
    assert!(one.c.contains_key("libc"), "{:?}", one.c);
    if fs::exists("/var/lib/dpkg/status").unwrap() {
        assert!(one.system.contains_key("bash") || one.system.contains_key("busybox"), "{:?}", one.system);
    }
    if fs::exists("/usr/bin/perl").unwrap() {
        assert!(one.perl.contains_key("strict"), "{:?}", one.perl);
    }
    service.stop().await;
}

pub(crate) async fn external_libraries_can_be_imported(bench: Bench) {
    let remote = bench.path().join("remote");
    fs::create_dir(&remote).unwrap();
    fs::write(remote.join("module.py"), "def answer():\n    return 42\n").unwrap();
    for arguments in [&["init", "--quiet"][..], &["add", "."], &["commit", "--quiet", "--message", "Begin"]] {
        let identity = ["-c", "user.name=T", "-c", "user.email=t@example.org"];
        let mut git = Command::new("git");
        git.args(identity).args(arguments).current_dir(&remote).env_remove("GIT_DIR").env_remove("GIT_INDEX_FILE");
        assert!(git.status().unwrap().success(), "{arguments:?}");
    }
    let mut settings = settings(1);
    let url = format!("file://{}", remote.display());
    settings.libraries.external =
        vec![ExternalLibrary { url: url.parse().unwrap(), alias: "pl".parse().unwrap(), branch: None }];
    let service = bench.start(settings).await;
    until(|| !service.library_updates().is_empty()).await;
    let update = service.library_updates().remove(0);
    assert_eq!((update.alias.as_str(), update.url), ("pl", url));
    assert!(update.result.is_ok(), "{:?}", update.result);
    let script = "python3 -c 'from pl.module import answer; print(answer())'";
    assert_eq!(ends(&execute(&service, request([script])).await), [(exited(0), "42\n".to_owned())]);
    service.stop().await;
}

pub(crate) async fn programs_cannot_change_libraries(bench: Bench) {
    let mut settings = settings(1);
    let directory = bench.path().join("mine");
    fs::create_dir(&directory).unwrap();
    fs::write(directory.join("tool"), "#!/bin/sh\necho works\n").unwrap();
    fs::set_permissions(directory.join("tool"), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    settings.libraries.directory = Some(directory.clone());
    let service = bench.start(settings).await;
    let scripts = ["tool", "-echo x > /utils/libs/new", "-echo x >> /utils/libs/tool", "-chmod 777 /utils/libs"];
    let response = execute(&service, request(scripts)).await;
    let found = ends(&response);
    assert_eq!(found[0], (exited(0), "works\n".to_owned()));
    assert!(found[1..].iter().all(|(end, _)| *end == exited(1)), "{found:?}");
    assert_eq!(fs::read_dir(&directory).unwrap().count(), 1);
    service.stop().await;
}
