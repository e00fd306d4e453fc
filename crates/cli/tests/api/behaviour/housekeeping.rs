//! Behaviours 81 to 83: expiry, and libraries from git.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::json;

use crate::archive::files;
use crate::server::{self, USER, has_program, own, wait_for};

#[test]
fn b81_expired_environments_are_removed() {
    let settings = ["execute.pool_size=1", "execute.environment_lifetime=1s", "execute.sweep_interval=100ms"];
    let Some(server) = own(&settings) else { return };
    let old = server.save(&files(&[("old", "old\n")]));
    let stored = server.stored();
    assert_eq!(stored.len(), 1);
    let mut young = String::new();
    wait_for("the old one is gone", || {
        young = server.save(&files(&[("young", "young\n")]));
        server.head(&format!("/environments/{old}/")).status == 404
    });
    assert_eq!(server.head(&format!("/environments/{young}/")).status, 200);
    wait_for("its file is gone", || stored.is_disjoint(&server.stored()));
    let config = json!({"commands": ["true"], "environment": old});
    server.ask(&config).refuses(404, &format!("No environment with UUID '{old}' found"));
    wait_for("all are gone", || server.stored().is_empty());
}

/// Runs git in a directory, without the settings of whoever runs the tests.
fn git(directory: &Path, arguments: &[&str]) {
    let status = Command::new("git")
        .args(["-c", "user.name=test", "-c", "user.email=test@localhost", "-c", "init.defaultBranch=main"])
        .args(["-c", "safe.directory=*"])
        .args(arguments)
        .current_dir(directory)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_SYSTEM", "/dev/null")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    assert!(status.expect("git starts").success(), "git {arguments:?}");
}

fn commit(repository: &Path, content: &str) {
    fs::write(repository.join("__init__.py"), content).expect("written");
    git(repository, &["add", "."]);
    git(repository, &["commit", "-m", content]);
}

/// Gives a directory with all that is in it to the user that root's server becomes.
fn give(path: &Path) {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    std::os::unix::fs::lchown(path, Some(USER), Some(USER)).expect("root may");
    if path.is_dir() && !path.is_symlink() {
        fs::read_dir(path).expect("it is there").for_each(|entry| give(&entry.expect("an entry").path()));
    }
}

#[test]
fn b82_b83_libraries_are_fetched_and_updated() {
    if !has_program("git") {
        return;
    }
    let place = server::place();
    let repository = place.path().join("repository");
    let libraries = place.path().join("libraries");
    fs::create_dir_all(&repository).expect("it is new");
    // A directory that is in the way, and no repository.
    fs::create_dir_all(libraries.join("occupied")).expect("it is new");
    fs::write(libraries.join("occupied/file"), "mine").expect("written");
    git(&repository, &["init"]);
    commit(&repository, "first");
    give(&repository);
    give(&libraries);
    let url = repository.display();
    let external = format!(
        "execute.libraries.external=[{{url='{url}', alias='course'}}, {{url='{url}', alias='occupied'}}, \
         {{url='{url}-missing', alias='missing'}}]"
    );
    let settings = [
        "execute.pool_size=1",
        &format!("execute.libraries.directory={}", libraries.display()),
        &external,
        "execute.libraries.refresh_interval=200ms",
    ];
    let Some(server) = own(&settings) else { return };
    let shown = || {
        server.execute(&json!({"commands": ["-cat /utils/libs/course/__init__.py"]}))["execution"][0]["stdout"].clone()
    };
    wait_for("it is fetched", || shown() == "first");
    assert!(libraries.join("course/.git").exists());
    commit(&repository, "second");
    give(&repository);
    wait_for("it is updated", || shown() == "second");
    assert_eq!(fs::read_to_string(libraries.join("occupied/file")).expect("still there"), "mine");
    assert!(!libraries.join("missing/.git").exists());
    let log = server.log();
    for alias in ["occupied", "missing"] {
        assert!(log.contains(alias), "what failed is told: {log}");
    }
}
