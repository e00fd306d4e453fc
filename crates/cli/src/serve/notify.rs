//! Tells systemd how the service is (`sd_notify(3)`): a datagram to the socket that it names.

use std::ffi::OsStr;
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};

/// All is set up and requests are taken.
pub(crate) const READY: &str = "READY=1";
/// No new requests are taken.
pub(crate) const STOPPING: &str = "STOPPING=1";

/// Tells a state to the socket of that name, as `NOTIFY_SOCKET` gives it: a path, or `@` and an abstract name (`unix(7)`).
///
/// # Errors
///
/// Nobody listens there.
pub(crate) fn notify(socket: &OsStr, state: &str) -> io::Result<()> {
    let address = match socket.as_bytes().strip_prefix(b"@") {
        Some(name) => SocketAddr::from_abstract_name(name)?,
        None => SocketAddr::from_pathname(socket)?,
    };
    UnixDatagram::unbound()?.send_to_addr(state.as_bytes(), &address)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use super::*;

    #[test]
    fn states_arrive_at_paths_and_abstract_names() {
        let place = tempfile::tempdir().expect("a directory");
        let path = place.path().join("socket");
        let name = format!("belljar-test-{}", std::process::id());
        let by_path = UnixDatagram::bind(&path).expect("bound");
        let by_name = UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(&name).expect("a name")).expect("bound");
        for (socket, address) in [(by_path, path.into_os_string()), (by_name, OsString::from(format!("@{name}")))] {
            notify(&address, READY).expect("sent");
            let mut buffer = [0; 32];
            let length = socket.recv(&mut buffer).expect("received");
            assert_eq!(&buffer[..length], b"READY=1");
        }
        assert!(notify(OsStr::new("/no/such/socket"), READY).is_err());
    }
}
