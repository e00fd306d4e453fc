//! Result paths that are no files of the request.

use serde_json::json;

use super::Watched;

#[test]
fn only_files_of_the_request_are_returned() {
    let Some(watched) = Watched::start(&[]) else { return };
    let outside = tempfile::tempdir().unwrap();
    std::fs::set_permissions(outside.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let secret = outside.path().join("secret");
    std::fs::write(&secret, "of the host").unwrap();
    let secret = secret.to_str().unwrap();
    let key = watched.server.stored().into_iter().next().expect("a file").display().to_string();
    let up = format!("{}{secret}", "../".repeat(12).trim_end_matches('/'));
    let many = "../".repeat(2000);
    let long = "x".repeat(5000);
    for (what, command, path) in [
        ("an absolute path", "true".to_owned(), secret),
        ("a path upwards", "true".to_owned(), &up),
        ("the database", "true".to_owned(), &key),
        ("a file of the system", "true".to_owned(), "/etc/hostname"),
        ("a link to a file of the host", format!("ln -s {secret} r"), "r"),
        ("a link upwards", format!("ln -s {up} r"), "r"),
        ("a link to a directory above", "ln -s / d".to_owned(), "d/etc/passwd"),
        ("a link to itself", "ln -s r r".to_owned(), "r"),
        ("the memory of a process", "ln -s /proc/1/mem r".to_owned(), "r"),
        ("the environment of a process", "ln -s /proc/1/environ r".to_owned(), "r"),
        ("a descriptor of a process", "ln -s /proc/self/fd/0 r".to_owned(), "r"),
        ("a directory", "mkdir r".to_owned(), "r"),
        ("the directory itself", "true".to_owned(), "."),
        ("a pipe", "mkfifo r".to_owned(), "r"),
        (
            "a socket",
            "python3 -c 'import socket; socket.socket(socket.AF_UNIX).bind(\"r\")' || mkfifo r".to_owned(),
            "r",
        ),
        ("an endless device", "ln -s /dev/zero r".to_owned(), "r"),
        ("a terminal", "ln -s /dev/tty r".to_owned(), "r"),
        ("nothing", "true".to_owned(), ""),
        ("a file as a directory", "echo > f".to_owned(), "f/r"),
        ("a very long path", "true".to_owned(), &many),
        ("a very long name", "true".to_owned(), &long),
    ] {
        let answer = watched.server.execute(&json!({"commands": [command], "result_path": path}));
        assert_eq!((&answer["status"], answer.get("result")), (&json!(-3), None), "{what}: {answer}");
    }
    watched.is_unharmed("result paths");
    // What is inside is found, however it is reached.
    for (command, path) in [
        ("echo inside > r", "./r"),
        ("mkdir d; echo inside > r", "d/../r"),
        ("echo inside > r; ln -s r l", "l"),
        ("echo inside > r; chmod 000 r", "r"),
    ] {
        let answer = watched.server.execute(&json!({"commands": [command], "result_path": path}));
        assert!(answer["result"] == "inside\n" || answer["status"] == -3, "{command}: {answer}");
    }
    watched
        .server
        .ask(&json!({"commands": ["true"], "result_path": "a\u{0}b"}))
        .refuses(400, "result_path must be valid Unicode without NUL");
}

#[test]
fn a_result_of_a_gigabyte_is_not_read() {
    let Some(watched) = Watched::start(&[]) else { return };
    for command in ["truncate -s 200M r", "truncate -s 1G r", "head -c 17M /dev/zero > r"] {
        let answer = watched.server.execute(&json!({"commands": [format!("-{command}"), "true"], "result_path": "r"}));
        assert!(answer.get("result").is_none_or(|result| result == ""), "{command}");
        assert!(answer["status"] == -3 || answer["status"] == 0, "{command}: {}", answer["status"]);
    }
    watched.is_unharmed("large results");
}
