//! Throws anything at what reads the first bytes of programs: heads of HTTP requests, chunks, SOCKS5.
#![no_main]

use belljar_egress::parse::{Chunks, Framing, Read, Task, head_length, parse_head, read_greeting, read_request};
use belljar_egress::{Entry, Host};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    if let Some(length) = head_length(input)
        && let Ok(head) = parse_head(&input[..length])
        && let Task::Forward { head: written, framing } = head.task
    {
        // What goes out is one head, which says the same about its host and its body when it is read once more.
        assert_eq!(head_length(&written), Some(written.len()));
        let line_end = written.windows(2).position(|pair| pair == b"\r\n").expect("a head has lines");
        let line = std::str::from_utf8(&written[..line_end]).expect("targets are ASCII");
        let mut parts = line.splitn(3, ' ');
        let (method, path, version) = (parts.next(), parts.next(), parts.next());
        let (Some(method), Some(path), Some(version)) = (method, path, version) else { panic!("{line}") };
        let again = format!("{method} http://{}:{}{path} {version}", head.host, head.port);
        let again = [again.as_bytes(), &written[line_end..]].concat();
        let again = parse_head(&again).expect("what we write can be read");
        assert_eq!((&again.host, again.port), (&head.host, head.port));
        let Task::Forward { head: rewritten, framing: reread } = again.task else { panic!("it is a request still") };
        assert_eq!((rewritten, reread), (written, framing));
        if framing == Framing::Chunked {
            let mut data = Vec::new();
            let _ = Chunks::default().read(&input[length..], &mut data);
        }
    }
    // Chunks that are read are read again, and end at the same place.
    let (mut chunks, mut data) = (Chunks::default(), Vec::new());
    if chunks.read(input, &mut data).is_ok() && chunks.ended() {
        let (mut again, mut same) = (Chunks::default(), Vec::new());
        assert_eq!(again.read(&data, &mut same), Ok(data.len()));
        assert!(again.ended() && same == data);
    }
    if let Ok(Read::Done(_, length)) = read_greeting(input) {
        assert!(length <= input.len());
    }
    if let Ok(Read::Done(_, length)) = read_request(input) {
        assert!(length <= input.len());
    }
    if let Ok(text) = std::str::from_utf8(input) {
        if let Ok(host) = Host::parse(text) {
            assert_eq!(Host::parse(&host.to_string()), Ok(host));
        }
        if let Ok(entry) = text.parse::<Entry>() {
            assert_eq!(entry.to_string().parse(), Ok(entry));
        }
    }
});
