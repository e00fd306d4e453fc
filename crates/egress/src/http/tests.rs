use proptest::prelude::*;

use super::*;

/// What a request becomes, as text; or why it is refused.
fn read(request: &str) -> Result<String, String> {
    assert_eq!(head_length(request.as_bytes()), Some(request.len()), "{request:?} is one head");
    let head = parse_head(request.as_bytes()).map_err(|refusal| refusal.to_string())?;
    let place = format!("{}:{}", head.host, head.port);
    Ok(match head.task {
        Task::Tunnel => format!("tunnel to {place}"),
        Task::Forward { head, framing } => format!("{place} {framing:?}\n{}", String::from_utf8_lossy(&head)),
    })
}

#[test]
fn requests_are_written_anew() {
    for (request, expected) in [
        ("CONNECT pypi.org:443 HTTP/1.1\r\nHost: pypi.org:443\r\n\r\n", "tunnel to pypi.org:443"),
        (
            "CONNECT PyPI.org.:443 HTTP/1.1\r\nHost: pypi.org:443\r\nProxy-Connection: Keep-Alive\r\n\r\n",
            "tunnel to pypi.org:443",
        ),
        ("CONNECT [2001:db8::1]:443 HTTP/1.0\r\n\r\n", "tunnel to [2001:db8::1]:443"),
        (
            "GET http://Example.ORG./a?b=c HTTP/1.1\r\nHost: example.org\r\nAccept: */*\r\n\r\n",
            "example.org:80 None\nGET /a?b=c HTTP/1.1\r\nHost: example.org\r\nAccept: */*\r\nConnection: close\r\n\r\n",
        ),
        (
            "GET HTTP://example.org:8080?q HTTP/1.0\r\n\r\n",
            "example.org:8080 None\nGET /?q HTTP/1.0\r\nHost: example.org:8080\r\nConnection: close\r\n\r\n",
        ),
        (
            "POST http://example.org/ HTTP/1.1\r\nhost: EXAMPLE.org:80\r\nContent-Length: 5\r\nConnection: keep-alive, X-Mine\r\n\
             X-Mine: 1\r\nKeep-Alive: 5\r\nProxy-Authorization: Basic x\r\nTE: trailers\r\nUpgrade: h2c\r\nX-Other: 2\r\n\r\n",
            "example.org:80 Length(5)\nPOST / HTTP/1.1\r\nHost: example.org\r\nContent-Length: 5\r\nX-Other: 2\r\nConnection: close\r\n\r\n",
        ),
        (
            "POST http://example.org/ HTTP/1.1\r\nHost: example.org\r\nTransfer-Encoding: Chunked\r\nTrailer: X\r\n\r\n",
            "example.org:80 Chunked\nPOST / HTTP/1.1\r\nHost: example.org\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n",
        ),
        (
            "GET http://example.org/@evil.org HTTP/1.1\r\nHost: example.org\r\n\r\n",
            "example.org:80 None\nGET /@evil.org HTTP/1.1\r\nHost: example.org\r\nConnection: close\r\n\r\n",
        ),
    ] {
        assert_eq!(read(request), Ok(expected.to_owned()), "{request:?}");
    }
}

#[test]
fn what_can_be_read_in_two_ways_is_refused() {
    let get = |fields: &str| format!("GET http://example.org/ HTTP/1.1\r\nHost: example.org\r\n{fields}\r\n");
    let target = |target: &str| format!("GET {target} HTTP/1.1\r\nHost: example.org\r\n\r\n");
    let line_ends = "a line does not end in CR LF, or a zero byte is in it";
    let twice = "the length of its body is told more than once";
    let proxy = "this is a proxy: the target is a whole URL, or CONNECT is asked for";
    let other_host = "its Host field names another host than its target";
    let encoding = "its body has another encoding than 'chunked'";
    let address = "an address is written as four decimal numbers without leading zeros";
    for (request, why) in [
        // Targets.
        (target("/"), proxy),
        (target("*"), proxy),
        (target("//example.org/"), proxy),
        (target("https://example.org/"), "only http is spoken here; CONNECT leads to everything else"),
        (target("ftp://example.org/"), "only http is spoken here; CONNECT leads to everything else"),
        (target("http://user@example.org/"), "'@' is in no name of a host"),
        (target("http://example.org@10.0.0.5/"), "'@' is in no name of a host"),
        (target("http://example.org:80@10.0.0.5/"), "':' is in no name of a host"),
        (target("http://example.org\\@10.0.0.5/"), "its target holds characters that are in no URL"),
        (target("http://example.org#@10.0.0.5/"), "its target holds characters that are in no URL"),
        (target("http://example.org%2e/"), "'%' is in no name of a host"),
        (target("http://b\u{fc}cher.example/"), "its target holds characters that are in no URL"),
        (target("http://0x7f.1/"), address),
        (target("http://2130706433/"), address),
        (target("http://0177.0.0.1/"), address),
        (target("http:///"), "the name of the host is empty"),
        (target("http://example.org:0/"), "':' is in no name of a host"),
        // Two hosts.
        (target("http://other.example/"), other_host),
        (target("http://example.org:81/"), other_host),
        (get("Host: example.org\r\n"), "it has more than one Host field"),
        (get("hOST: other.example\r\n"), "it has more than one Host field"),
        ("GET http://example.org/ HTTP/1.1\r\n\r\n".to_owned(), "it has no Host field"),
        ("GET http://example.org/ HTTP/1.1\r\nHost: a, b\r\n\r\n".to_owned(), "',' is in no name of a host"),
        ("GET http://example.org/ HTTP/1.1\r\nHost:\r\n\r\n".to_owned(), "the name of the host is empty"),
        ("CONNECT example.org:443 HTTP/1.1\r\nHost: other.example:443\r\n\r\n".to_owned(), other_host),
        ("CONNECT example.org HTTP/1.1\r\nHost: example.org\r\n\r\n".to_owned(), "the name of the host is empty"),
        (
            "CONNECT http://example.org:443 HTTP/1.1\r\nHost: example.org\r\n\r\n".to_owned(),
            "':' is in no name of a host",
        ),
        ("CONNECT example.org:443/ HTTP/1.1\r\nHost: example.org\r\n\r\n".to_owned(), "':' is in no name of a host"),
        (
            "CONNECT example.org:443 HTTP/1.1\r\nHost: example.org:443\r\nContent-Length: 3\r\n\r\n".to_owned(),
            "CONNECT has no body",
        ),
        // Two lengths.
        (get("Content-Length: 1\r\nContent-Length: 1\r\n"), twice),
        (get("Content-Length: 1\r\ncontent-length: 2\r\n"), twice),
        (get("Content-Length: 1, 1\r\n"), "the length of its body is no number"),
        (get("Content-Length: +1\r\n"), "the length of its body is no number"),
        (get("Content-Length: 0x1\r\n"), "the length of its body is no number"),
        (get("Content-Length:\r\n"), "the length of its body is no number"),
        (get("Content-Length: 99999999999999999999\r\n"), "the length of its body is no number"),
        (get("Content-Length: 1\r\nTransfer-Encoding: chunked\r\n"), twice),
        (get("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"), twice),
        (get("Transfer-Encoding: identity\r\n"), encoding),
        (get("Transfer-Encoding: gzip, chunked\r\n"), encoding),
        (get("Transfer-Encoding: chunked, identity\r\n"), encoding),
        (get("Transfer-Encoding: xchunked\r\n"), encoding),
        ("GET http://example.org/ HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n".to_owned(), encoding),
        // Lines.
        (get("X: a\nY: b\r\n"), line_ends),
        (get("X: a\rContent-Length: 5\r\n"), line_ends),
        (get("X: a\0b\r\n"), line_ends),
        (get("Transfer-Encoding : chunked\r\n"), "it is not HTTP/1"),
        (get(" Transfer-Encoding: chunked\r\n"), "it is not HTTP/1"),
        (get("X: a\r\n folded: b\r\n"), "it is not HTTP/1"),
        (get("no colon\r\n"), "it is not HTTP/1"),
        (
            "\r\nGET http://example.org/ HTTP/1.1\r\nHost: example.org\r\n\r\n".to_owned(),
            "it does not begin with a method",
        ),
        ("GET http://example.org/ HTTP/2.0\r\nHost: example.org\r\n\r\n".to_owned(), "it is not HTTP/1"),
        ("GET http://example.org/ HTTP/1.1 \r\nHost: example.org\r\n\r\n".to_owned(), "it is not HTTP/1"),
        ("GET  http://example.org/ HTTP/1.1\r\nHost: example.org\r\n\r\n".to_owned(), "it is not HTTP/1"),
        ("GET http://example.org/ x HTTP/1.1\r\nHost: example.org\r\n\r\n".to_owned(), "it is not HTTP/1"),
        ("GET http://example.org/\r\nHost: example.org\r\n\r\n".to_owned(), "it is not HTTP/1"),
        (get(&"X: y\r\n".repeat(100)), "it has more than 100 header fields"),
    ] {
        let refusal = read(&request).expect_err(&request);
        let refusal = refusal.strip_prefix("the request is refused: ").unwrap_or(&refusal);
        assert_eq!(refusal, why, "{request:?}");
    }
}

/// Reads chunks in pieces of this size: what was written, and how much was read.
fn chunks(body: &[u8], piece: usize) -> Result<(Vec<u8>, usize, bool), Refusal> {
    let (mut chunks, mut written, mut read) = (Chunks::default(), Vec::new(), 0);
    for piece in body.chunks(piece) {
        let here = chunks.read(piece, &mut written)?;
        read += here;
        if here < piece.len() {
            break;
        }
    }
    Ok((written, read, chunks.ended()))
}

#[test]
fn chunks_end_where_everybody_says() {
    for (body, expected) in [
        ("5\r\nhello\r\n0\r\n\r\n", Some(("hello", 15, true))),
        ("5\r\nhello\r\n0\r\n\r\nGET http://evil/", Some(("hello", 15, true))),
        ("00003\r\nabc\r\nA\r\n0123456789\r\n0\r\n\r\n", Some(("abc0123456789", 32, true))),
        ("5\r\nhel", Some(("hel", 6, false))),
        ("0\r\n\r\n", Some(("", 5, true))),
        ("5\nhello\n0\n\n", None),
        ("5;a=b\r\nhello\r\n0\r\n\r\n", None),
        ("5 \r\nhello\r\n0\r\n\r\n", None),
        ("0x5\r\nhello\r\n0\r\n\r\n", None),
        ("+5\r\nhello\r\n", None),
        ("\r\nhello\r\n", None),
        ("5\r\nhelloX\r\n0\r\n\r\n", None),
        ("5\r\nhello\r\n0\r\nTrailer: x\r\n\r\n", None),
        ("ffffffffffffffff\r\n", None),
        ("-1\r\n", None),
    ] {
        for piece in [1, 3, 100] {
            let found = chunks(body.as_bytes(), piece).ok();
            let Some((data, length, ended)) = expected else {
                assert_eq!(found, None, "{body:?}");
                continue;
            };
            let (written, read, is_ended) = found.unwrap_or_else(|| panic!("{body:?} is fine"));
            assert_eq!((read, is_ended), (length, ended), "{body:?} by {piece}");
            assert_eq!(plain(&written), data.as_bytes(), "{body:?} by {piece}");
        }
    }
}

/// The data of chunks that were written here.
fn plain(mut chunked: &[u8]) -> Vec<u8> {
    let mut data = Vec::new();
    while let Some(end) = chunked.windows(2).position(|window| window == b"\r\n") {
        let size = usize::from_str_radix(std::str::from_utf8(&chunked[..end]).unwrap(), 16).unwrap();
        data.extend_from_slice(&chunked[end + 2..end + 2 + size]);
        chunked = &chunked[end + 4 + size..];
    }
    assert!(chunked.is_empty());
    data
}

/// Something near a request.
fn near_request() -> impl Strategy<Value = Vec<u8>> {
    let fields = prop::sample::select(vec![
        "Host: example.org\r\n",
        "Host: other.example\r\n",
        "Content-Length: 5\r\n",
        "Content-Length: 0\r\n",
        "Transfer-Encoding: chunked\r\n",
        "Connection: close, X\r\n",
        "X: \u{e9}\r\n",
        "X:y\r\n",
        "\r\n",
        "\n",
        " folded\r\n",
        "Connection: host\r\n",
        "Expect: 100-continue\r\n",
    ]);
    let line = prop::sample::select(vec![
        "GET http://example.org/ HTTP/1.1\r\n",
        "POST http://EXAMPLE.org:80/x HTTP/1.1\r\n",
        "CONNECT example.org:80 HTTP/1.1\r\n",
        "GET http://example.org HTTP/1.0\r\n",
        "GET / HTTP/1.1\r\n",
        "",
    ]);
    let mutation = (any::<prop::sample::Index>(), any::<u8>());
    (line, prop::collection::vec(fields, 0..6), prop::collection::vec(mutation, 0..3)).prop_map(
        |(line, fields, mutations)| {
            let mut bytes = format!("{line}{}\r\n", fields.concat()).into_bytes();
            for (at, byte) in mutations {
                let at = at.index(bytes.len());
                bytes[at] = byte;
            }
            bytes
        },
    )
}

proptest! {
    /// Whatever comes in: what goes out is one request to the host that was checked, with one length, and nothing behind it.
    #[test]
    fn what_goes_out_is_one_request(bytes in near_request()) {
        let Some(length) = head_length(&bytes) else { return Ok(()) };
        let Ok(head) = parse_head(&bytes[..length]) else { return Ok(()) };
        let Task::Forward { head: written, framing } = head.task else { return Ok(()) };
        prop_assert_eq!(head_length(&written), Some(written.len()));
        let mut fields = [httparse::EMPTY_HEADER; 110];
        let mut request = httparse::Request::new(&mut fields);
        prop_assert!(request.parse(&written).unwrap().is_complete());
        prop_assert!(request.path.unwrap().starts_with('/'));
        let all = |name: &str| request.headers.iter().filter(|field| field.name.eq_ignore_ascii_case(name)).map(|field| field.value.to_vec()).collect::<Vec<_>>();
        let port = if head.port == 80 { String::new() } else { format!(":{}", head.port) };
        prop_assert_eq!(all("host"), [format!("{}{port}", head.host).into_bytes()]);
        prop_assert_eq!(all("connection"), [b"close".to_vec()]);
        let lengths = (all("content-length").len(), all("transfer-encoding").len());
        let as_told = match framing {
            Framing::None => lengths.1 == 0 && all("content-length").iter().all(|value| value.iter().all(|byte| *byte == b'0')),
            Framing::Length(_) => lengths == (1, 0),
            Framing::Chunked => lengths == (0, 1),
        };
        prop_assert!(as_told);
    }

    /// Anything at all is read to its end or refused, however it is cut.
    #[test]
    fn pieces_of_chunks_make_no_difference(body in "([0-9a-f]{1,2}\r\n[a-z]{0,9}\r\n){0,3}(0\r\n\r\n)?[ -~\r\n]{0,5}", piece in 1_usize..9) {
        let whole = chunks(body.as_bytes(), body.len().max(1));
        let parts = chunks(body.as_bytes(), piece);
        prop_assert_eq!(whole.is_ok(), parts.is_ok());
        if let (Ok(whole), Ok(parts)) = (whole, parts) {
            prop_assert_eq!((plain(&whole.0), whole.1, whole.2), (plain(&parts.0), parts.1, parts.2));
        }
    }
}
