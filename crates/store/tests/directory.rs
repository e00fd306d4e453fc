//! The data directory: made, locked, cleaned, and never somebody else's.

#[expect(dead_code, reason = "each test uses a part of it")]
mod common;

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;

use belljar_store::{DataDirectory, Environments, StoreError};
use common::files;

fn mode(path: &Path) -> u32 {
    fs::metadata(path).expect("exists").permissions().mode() & 0o7777
}

#[test]
fn a_missing_directory_is_made_for_this_user_alone() {
    let parent = tempfile::tempdir().unwrap();
    let path = parent.path().join("var/belljar");
    let directory = DataDirectory::open(&path).unwrap();
    for (name, expected) in [("", 0o700), ("blobs", 0o700), ("spool", 0o700), ("libraries", 0o755), ("lock", 0o600)] {
        assert_eq!(mode(&directory.path().join(name)), expected, "{name:?}");
    }
    assert_eq!(directory.libraries(), directory.path().join("libraries"));
}

#[tokio::test]
async fn a_second_open_says_who_holds_the_lock_until_the_last_user_is_gone() {
    let parent = tempfile::tempdir().unwrap();
    let directory = DataDirectory::open(parent.path()).unwrap();
    let blobs = directory.blobs().clone();
    let environments = Environments::open(&directory).await.unwrap();
    let refused = |by: &str| {
        let error = DataDirectory::open(parent.path()).expect_err(by);
        assert!(
            matches!(error, StoreError::Locked { holder: Some(pid), .. } if pid == std::process::id()),
            "{by}: {error:?}"
        );
        let text = error.to_string();
        assert!(text.contains(&format!("process {}", std::process::id())), "{text}");
        assert!(text.contains("--data-dir"), "{text}");
    };
    refused("by the directory");
    drop(directory);
    refused("by the environments");
    environments.close().await;
    refused("by the blobs");
    drop(blobs);
    DataDirectory::open(parent.path()).expect("is free");
}

#[test]
fn what_a_killed_process_left_is_removed_and_nothing_else() {
    let parent = tempfile::tempdir().unwrap();
    drop(DataDirectory::open(parent.path()).unwrap());
    let outside = tempfile::tempdir().unwrap();
    let precious = outside.path().join("precious");
    fs::write(&precious, "x").unwrap();
    for name in ["spool/file", "spool/directory/deep/file", "blobs/incoming/.tmpAbC", "libraries/python/lib.py"] {
        let path = parent.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "x").unwrap();
    }
    symlink(outside.path(), parent.path().join("spool/link")).unwrap();

    let directory = DataDirectory::open(parent.path()).unwrap();
    let left: Vec<_> = files(directory.path());
    assert_eq!(left, [directory.path().join("libraries/python/lib.py"), directory.path().join("lock")]);
    assert!(precious.exists());
}

#[test]
fn a_spool_file_has_no_name() {
    use std::io::{Read, Seek, Write};
    let parent = tempfile::tempdir().unwrap();
    let directory = DataDirectory::open(parent.path()).unwrap();
    let mut file = directory.spool_file().unwrap();
    file.write_all(b"bytes").unwrap();
    file.rewind().unwrap();
    let mut text = String::new();
    file.read_to_string(&mut text).unwrap();
    assert_eq!(text, "bytes");
    assert_eq!(file.metadata().unwrap().nlink(), 0);
    assert_eq!(files(&directory.path().join("spool")), [] as [&Path; 0]);
}

#[test]
fn a_directory_of_somebody_else_is_refused_untouched() {
    // What is in it -> whether it is taken.
    let cases: [(&[&str], bool); 8] = [
        (&[], true),
        (&["lost+found/"], true),
        (&["libraries/python/lib.py"], true),
        (&["lock"], true),             // killed right after it was made
        (&["spool/mail/root"], false), // such as /var
        (&["notes.txt"], false),
        (&["lock:some other program"], false),
        (&["lock:some other program", "spool/mail/root"], false),
    ];
    for (entries, taken) in cases {
        let parent = tempfile::tempdir().unwrap();
        for entry in entries {
            let (name, text) = entry.split_once(':').unwrap_or((entry, ""));
            let path = parent.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            if name.ends_with('/') {
                fs::create_dir_all(path).unwrap();
            } else {
                fs::write(path, text).unwrap();
            }
        }
        let before = files(parent.path());
        let opened = DataDirectory::open(parent.path());
        assert_eq!(opened.is_ok(), taken, "{entries:?}: {opened:?}");
        if let Err(error) = opened {
            assert!(matches!(error, StoreError::Foreign { .. }), "{entries:?}: {error:?}");
            assert_eq!(files(parent.path()), before, "{entries:?}");
        }
    }
}

#[test]
fn an_impossible_path_is_an_error_that_names_it() {
    let parent = tempfile::tempdir().unwrap();
    let file = parent.path().join("file");
    fs::write(&file, "x").unwrap();
    symlink("/dev/null", parent.path().join("lock")).unwrap();
    let cases = [
        (file.clone(), "make directory"),
        (file.join("below"), "make directory"),
        (Path::new("/proc/belljar").to_owned(), "make directory"),
        (parent.path().to_owned(), "open"), // its lock is a symbolic link
    ];
    for (path, expected) in cases {
        let error = DataDirectory::open(&path).expect_err("is impossible");
        let StoreError::File { step, path: named, .. } = &error else {
            panic!("{path:?}: {error:?}");
        };
        assert_eq!(*step, expected, "{path:?}");
        assert!(named.starts_with(&path), "{path:?}: {named:?}");
    }
    assert_eq!(fs::read(&file).unwrap(), b"x");
}
