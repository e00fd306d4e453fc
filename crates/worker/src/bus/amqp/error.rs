//! What went wrong with a broker, and what can be done about it.

use lapin::types::ShortString;
use lapin::{Error, ErrorKind};

use crate::bus::BusError;

/// No connection, for this reason.
pub(super) fn disconnected(why: impl Into<String>) -> BusError {
    BusError::Disconnected(why.into())
}

/// What an error is for those who use a bus: trouble with the connection goes by itself; what the broker does not let us do does
/// not, and comes with advice.
pub(super) fn explain(what: &str, error: &Error) -> BusError {
    let ErrorKind::ProtocolError(protocol) = error.kind() else {
        return disconnected(format!("{what}: {error}"));
    };
    let message = protocol.get_message();
    let advice = match protocol.get_id() {
        // ACCESS_REFUSED, at login or later.
        403 => {
            "check the user and its password, and give it the rights to configure, write and read (rabbitmqctl set_permissions)"
        }
        // NOT_FOUND: somebody removes it while we work; it is declared anew.
        404 => return disconnected(format!("{what}: {message}")),
        // RESOURCE_LOCKED
        405 => "another connection has it for itself",
        // PRECONDITION_FAILED
        406 => {
            "it is there with other properties: remove it, or declare it durable, not deleted automatically, without arguments \
             (limits and dead-letter exchanges are set by policies)"
        }
        // NOT_ALLOWED, such as a virtual host that is not there.
        530 => "check the virtual host and the user's rights in it (rabbitmqctl add_vhost, set_permissions)",
        _ => return disconnected(format!("{what}: {message}")),
    };
    BusError::Topology(format!("{what}: {message}; {advice}"))
}

/// A name as AMQP takes it.
pub(super) fn short(name: &str) -> Result<ShortString, BusError> {
    ShortString::try_new(name).map_err(|_| BusError::Topology(format!("the name `{name}` has more than 255 bytes")))
}
