//! Requests of SOCKS5 (RFC 1928): connections only, without a password.

use std::net::{Ipv4Addr, Ipv6Addr};

use crate::host::{Host, HostError};
use crate::record::Refusal;

/// The answer to a greeting that offers to go without a password, and to one that does not.
pub(crate) const WELCOME: [u8; 2] = [5, 0];
pub(crate) const NO_METHOD: [u8; 2] = [5, 0xff];

/// What an answer says (RFC 1928, 6).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Reply {
    Connected = 0,
    NotAllowed = 2,
    Unreachable = 4,
    UnknownCommand = 7,
    UnknownAddress = 8,
}

impl Reply {
    /// The answer. The address of our end is nobody's business: zeros, as the RFC has it for those who do not tell.
    pub(crate) const fn bytes(self) -> [u8; 10] {
        [5, self as u8, 0, 1, 0, 0, 0, 0, 0, 0]
    }
}

/// How much of a message there is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Read<T> {
    /// More bytes are needed.
    More,
    /// All of it, in so many bytes.
    Done(T, usize),
}

/// Reads a greeting: whether it offers to go without a password.
///
/// # Errors
/// It is not SOCKS5.
pub fn read_greeting(bytes: &[u8]) -> Result<Read<bool>, Refusal> {
    match bytes {
        [] | [5] => Ok(Read::More),
        [5, count, ..] if *count > 0 => {
            let count = usize::from(*count);
            let methods = bytes.get(2..2 + count);
            Ok(methods.map_or(Read::More, |methods| Read::Done(methods.contains(&0), 2 + count)))
        }
        _ => Err(Refusal::Request("it is not SOCKS5")),
    }
}

/// What a request asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Asked {
    /// A connection.
    Connect(Host, u16),
    /// A connection to something that is no host; the text of it.
    NoHost(String, u16, HostError),
    /// Something else than a connection: to be called back, or to send datagrams.
    OtherCommand,
    /// A kind of address that there is not.
    OtherAddress,
}

/// Reads a request.
///
/// # Errors
/// It is not SOCKS5.
pub fn read_request(bytes: &[u8]) -> Result<Read<Asked>, Refusal> {
    let not_socks = Err(Refusal::Request("it is not SOCKS5"));
    let (command, kind) = match bytes {
        [] | [5] | [5, _] | [5, _, 0] => return Ok(Read::More),
        [5, command, 0, kind, ..] => (*command, *kind),
        _ => return not_socks,
    };
    let rest = bytes.get(4..).unwrap_or_default();
    let (host, length) = match kind {
        1 => match rest.first_chunk::<4>() {
            Some(octets) => (Ok(Host::Address(Ipv4Addr::from(*octets).into())), 4),
            None => return Ok(Read::More),
        },
        4 => match rest.first_chunk::<16>() {
            Some(octets) => (Ok(Host::Address(Ipv6Addr::from(*octets).into())), 16),
            None => return Ok(Read::More),
        },
        3 => {
            let Some((&count, rest)) = rest.split_first() else { return Ok(Read::More) };
            let Some(name) = rest.get(..usize::from(count)) else { return Ok(Read::More) };
            let text = String::from_utf8_lossy(name).into_owned();
            (Host::parse(&text).map_err(|error| (text, error)), 1 + usize::from(count))
        }
        _ => return Ok(Read::Done(Asked::OtherAddress, 4)),
    };
    let Some(&[high, low]) = rest.get(length..length + 2) else { return Ok(Read::More) };
    let port = u16::from_be_bytes([high, low]);
    let asked = match (command, host) {
        (1, Ok(host)) => Asked::Connect(host, port),
        (1, Err((text, error))) => Asked::NoHost(text, port, error),
        _ => Asked::OtherCommand,
    };
    Ok(Read::Done(asked, 4 + length + 2))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn greetings() {
        let not_socks = Err(Refusal::Request("it is not SOCKS5"));
        for (bytes, expected) in [
            (&b""[..], Ok(Read::More)),
            (b"\x05", Ok(Read::More)),
            (b"\x05\x02\x00", Ok(Read::More)),
            (b"\x05\x02\x02\x00", Ok(Read::Done(true, 4))),
            (b"\x05\x01\x02more", Ok(Read::Done(false, 3))),
            (b"\x05\x00", not_socks.clone()),
            (b"\x04\x01", not_socks.clone()),
            (b"GET ", not_socks),
        ] {
            assert_eq!(read_greeting(bytes), expected, "{bytes:?}");
        }
    }

    #[test]
    fn requests() {
        let connect = |host: &str, length| Ok(Read::Done(Asked::Connect(Host::parse(host).unwrap(), 443), length));
        for (bytes, expected) in [
            (&b"\x05\x01\x00\x03\x0bexample.org\x01\xbb"[..], connect("example.org", 18)),
            (b"\x05\x01\x00\x03\x0bEXAMPLE.org\x01\xbbmore", connect("example.org", 18)),
            (b"\x05\x01\x00\x01\x5d\xb8\xd8\x22\x01\xbb", connect("93.184.216.34", 10)),
            (b"\x05\x01\x00\x03\x09127.0.0.1\x01\xbb", connect("127.0.0.1", 16)),
            (b"\x05\x01\x00\x04\0\0\0\0\0\0\0\0\0\0\xff\xff\x7f\0\0\x01\x01\xbb", connect("[::ffff:127.0.0.1]", 22)),
            (
                b"\x05\x01\x00\x03\x05127.1\x01\xbb",
                Ok(Read::Done(Asked::NoHost("127.1".to_owned(), 443, HostError::LooksLikeAddress), 12)),
            ),
            (b"\x05\x01\x00\x03\x00\x01\xbb", Ok(Read::Done(Asked::NoHost(String::new(), 443, HostError::Empty), 7))),
            (b"\x05\x02\x00\x01\x5d\xb8\xd8\x22\x01\xbb", Ok(Read::Done(Asked::OtherCommand, 10))),
            (b"\x05\x03\x00\x01\0\0\0\0\0\0", Ok(Read::Done(Asked::OtherCommand, 10))),
            (b"\x05\x01\x00\x02", Ok(Read::Done(Asked::OtherAddress, 4))),
            (b"\x05\x01\x01\x01", Err(Refusal::Request("it is not SOCKS5"))),
        ] {
            assert_eq!(read_request(bytes), expected, "{bytes:?}");
        }
    }

    proptest! {
        /// Bytes that come one by one mean the same as all at once, and a message never takes more than there is.
        #[test]
        fn pieces_make_no_difference(bytes in proptest::collection::vec(any::<u8>(), 0..300), head in 0_usize..4) {
            let mut message = [&b""[..], b"\x05", b"\x05\x01", b"\x05\x01\x00\x03"][head].to_vec();
            message.extend(bytes);
            let whole = read_request(&message);
            let first = (0..=message.len()).map(|end| read_request(&message[..end])).find(|read| !matches!(read, Ok(Read::More)));
            prop_assert_eq!(first.unwrap_or(Ok(Read::More)), whole.clone());
            if let Ok(Read::Done(_, length)) = whole {
                prop_assert!(length <= message.len());
            }
            if let Ok(Read::Done(_, length)) = read_greeting(&message) {
                prop_assert!(length <= message.len());
            }
        }
    }
}
