//! A server whose programs find an image.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::Stdio;

use super::Caller;
use super::archive::{Image, Layer};
use crate::support::Guard;

/// Posts a script to `/execute/`; gives the whole answer.
fn execute(address: &str, script: &str) -> String {
    let form = format!("config={{\"commands\":[\"{script}\"]}}");
    let mut stream = TcpStream::connect(address).expect("it listens");
    write!(
        stream,
        "POST /execute/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/x-www-form-urlencoded\r\n\
         Content-Length: {}\r\n\r\n{form}",
        form.len()
    )
    .expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("text");
    answer
}

#[test]
fn a_server_runs_what_an_image_holds() {
    for caller in Caller::all() {
        let layer = Layer::new().with_programs().directory("etc").file("etc/issue", "served\n");
        let mut image = Image::of(&[&layer, &Layer::new().file("etc/upper", "upper\n")]);
        image.config["config"] =
            serde_json::json!({"Env": ["FLAVOUR=image"], "Entrypoint": ["nothing"], "User": "nobody"});
        caller.import(&image.archive(), "x");
        let serve = ["serve", "--listen", "127.0.0.1:0", "--set", "execute.pool_size=1", "--set"];
        let done = caller.call(serve.into_iter().chain(["execute.sandbox.rootfs=image:y"]));
        assert_eq!(done.code, Some(125), "{done:?}");
        assert!(
            done.stderr.contains("`execute.sandbox.rootfs`: there is no image 'y:latest'; there is x:latest"),
            "{done:?}"
        );
        let mut child = caller
            .command(serve.into_iter().chain(["execute.sandbox.rootfs=image:x"]))
            .stderr(Stdio::null())
            .spawn()
            .map(Guard)
            .expect("the binary starts");
        let mut stdout = BufReader::new(child.0.stdout.take().expect("it is piped"));
        let mut line = String::new();
        stdout.read_line(&mut line).expect("text");
        let url = line.split_whitespace().find_map(|word| word.strip_prefix("http://"));
        let address = url.unwrap_or_else(|| panic!("a URL in {line:?}")).trim_end_matches(';').to_owned();
        // Twice, because a sandbox is used again.
        for _ in 0..2 {
            let answer = execute(&address, "cat /etc/issue /etc/upper; echo $FLAVOUR; id -u; ls /boot || echo alone");
            assert!(answer.contains(r"served\nupper\nimage\n1000\nalone"), "{}: {answer}", caller.name());
        }
        // Images can be changed meanwhile; what is in use stays.
        assert_eq!(caller.call(["image", "remove", "x"]).code, Some(0));
        assert!(execute(&address, "cat /etc/issue").contains("served"));
        assert_eq!(caller.stored()[0].len(), 2);
    }
}
