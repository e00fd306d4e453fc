//! Tells systemd how the service is (`sd_notify(3)`): a datagram to the socket that it names.

use std::ffi::OsStr;
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};

use tracing::warn;

/// All is set up and requests are taken.
pub(crate) const READY: &str = "READY=1";
/// No new requests are taken.
pub(crate) const STOPPING: &str = "STOPPING=1";

/// Whoever started us and wants to know, if anybody does.
#[derive(Debug)]
pub(crate) struct Supervisor(Option<UnixDatagram>);

impl Supervisor {
    /// Connects to the socket that the environment names. Early: later it may be out of reach. What goes wrong is logged.
    pub(crate) fn connect() -> Self {
        let socket = std::env::var_os("NOTIFY_SOCKET").and_then(|name| {
            let connected = connect(&name);
            connected.inspect_err(|error| warn!(%error, "The supervisor cannot be told anything.")).ok()
        });
        Self(socket)
    }

    /// Tells a state.
    pub(crate) fn tell(&self, state: &str) {
        if let Some(socket) = &self.0
            && let Err(error) = socket.send(state.as_bytes())
        {
            warn!(%error, state, "The supervisor could not be told.");
        }
    }
}

/// Connects to the socket of that name, as `NOTIFY_SOCKET` gives it: a path, or `@` and an abstract name (`unix(7)`).
fn connect(socket: &OsStr) -> io::Result<UnixDatagram> {
    let address = match socket.as_bytes().strip_prefix(b"@") {
        Some(name) => SocketAddr::from_abstract_name(name)?,
        None => SocketAddr::from_pathname(socket)?,
    };
    let connection = UnixDatagram::unbound()?;
    connection.connect_addr(&address)?;
    Ok(connection)
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
            Supervisor(Some(connect(&address).expect("connected"))).tell(READY);
            let mut buffer = [0; 32];
            let length = socket.recv(&mut buffer).expect("received");
            assert_eq!(&buffer[..length], b"READY=1");
        }
        assert!(connect(OsStr::new("/no/such/socket")).is_err());
    }
}
