//! Behaviours 1 to 21: environments and files.

use crate::archive::{self, E1, contents, e1, expected};
use crate::http::Reply;
use crate::server::shared;

const UNKNOWN: &str = "00000000-0000-4000-8000-000000000000";

/// The headers of an answer that brings a file.
#[track_caller]
fn is_attachment(reply: &Reply, content_type: &str, name: &str, length: usize) {
    assert_eq!(reply.status, 200, "{reply:?}");
    assert_eq!(reply.header("content-type"), Some(content_type));
    assert_eq!(reply.header("content-length"), Some(length.to_string().as_str()));
    assert_eq!(reply.header("content-disposition"), Some(format!("attachment; filename={name}").as_str()));
    assert_eq!(reply.header("content-encoding"), None, "clients would unpack it");
}

#[test]
fn b01_b02_an_environment_is_told_and_downloaded() {
    let Some(server) = shared() else { return };
    let id = server.save(&e1());
    let path = format!("/environments/{id}/");
    let body = server.download(&id);
    for reply in [server.head(&path), server.get(&path)] {
        is_attachment(&reply, "application/gzip", &format!("{id}.tgz"), body.len());
    }
    assert_eq!(server.get(&path).body, body, "the same bytes each time");
}

#[test]
fn b03_b04_b07_b08_unknown_environments_are_not_found() {
    let Some(server) = shared() else { return };
    for path in [format!("/environments/{UNKNOWN}/"), format!("/files/{UNKNOWN}/file1.txt/")] {
        let expected = format!("No environment with UUID '{UNKNOWN}' found");
        server.get(&path).refuses(404, &expected);
        let head = server.head(&path);
        assert_eq!((head.status, head.header("content-type")), (404, Some("text/plain; charset=utf-8")));
    }
}

#[test]
fn b05_b06_b11_files_are_told_and_downloaded() {
    let Some(server) = shared() else { return };
    let id = server.save(&e1());
    for (path, name, content) in [
        ("file1.txt", "file1.txt", "env1\n"),
        ("dir/file1.txt", "file1.txt", "env1\n"),
        ("dir/file3.txt", "file3.txt", "both1\n"),
    ] {
        let path = format!("/files/{id}/{path}/");
        for reply in [server.head(&path), server.get(&path)] {
            is_attachment(&reply, "application/octet-stream", name, content.len());
        }
        assert_eq!(server.get(&path).text(), content);
    }
}

#[test]
fn b09_b10_b12_unknown_files_are_not_found() {
    let Some(server) = shared() else { return };
    let id = server.save(&e1());
    for name in ["unknown.txt", "dir", "dir/file2.txt", "./file1.txt", "../file1.txt"] {
        let path = format!("/files/{id}/{name}/");
        let expected = format!("The file '{name}' could not be found in environment '{id}'");
        server.get(&path).refuses(404, &expected);
        assert_eq!(server.head(&path).status, 404);
    }
}

#[test]
fn b13_a_stored_environment_can_be_used_and_an_unknown_one_cannot() {
    let Some(server) = shared() else { return };
    let id = server.save(&e1());
    let answer = server.execute(&serde_json::json!({"commands": ["cat dir/file1.txt"], "environment": id}));
    assert_eq!(answer["execution"][0]["stdout"], "env1");
    server
        .ask(&serde_json::json!({"commands": ["true"], "environment": UNKNOWN}))
        .refuses(404, &format!("No environment with UUID '{UNKNOWN}' found"));
}

#[test]
fn b14_what_is_uploaded_and_saved_is_downloaded() {
    let Some(server) = shared() else { return };
    let id = server.save(&e1());
    let names = |archive: &[u8]| {
        let mut names: Vec<String> = archive::members(archive).into_iter().map(|member| member.name).collect();
        // The client compares names without slashes at their ends, and leaves out the root.
        names.iter_mut().for_each(|name| name.truncate(name.trim_end_matches('/').len()));
        names.retain(|name| !name.is_empty());
        names.sort();
        names
    };
    assert_eq!(names(&server.download(&id)), names(&e1()));
    assert_eq!(contents(&server.download(&id)), expected(&E1));
}

#[test]
fn b15_b18_b19_what_is_saved_is_found() {
    let Some(server) = shared() else { return };
    let id = server.save(&e1());
    assert_eq!(server.get(&format!("/files/{id}/dir/file1.txt/")).text(), "env1\n");
    for path in [format!("/environments/{id}/"), format!("/files/{id}/dir/file1.txt/")] {
        let reply = server.head(&path);
        let length: u64 = reply.header("content-length").expect("the client needs it").parse().expect("a number");
        assert!(reply.status == 200 && length > 0, "{reply:?}");
    }
}

#[test]
fn b16_b17_b20_b21_what_does_not_exist_is_not_found() {
    let Some(server) = shared() else { return };
    let id = server.save(&e1());
    for path in ["/environments/unknown/".to_owned(), format!("/files/{id}/unknown.unk/")] {
        assert_eq!(server.get(&path).status, 404);
        assert_eq!(server.head(&path).status, 404);
    }
}
