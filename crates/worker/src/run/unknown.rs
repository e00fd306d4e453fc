//! What vxsandbox logs before it kills an app for asking for something that does not exist.

use crate::protocol::{Command, UNKNOWN};
use crate::python::{repr, repr_unicode};

/// For a request; `by` is the resource that does not know it.
pub(super) fn request(by: &str, command: &Command, sandbox_id: &str) -> String {
    let (_, name) = command.target();
    let mut members = vec![format!("u'cmd': {}", repr_unicode(name)), format!("u'cmd_id': {}", repr(&command.cmd_id))];
    members.push(format!("u'reply': {}", repr(&command.reply.into())));
    members.extend(command.fields.iter().map(|(name, value)| format!("{}: {}", repr_unicode(name), repr(value))));
    text(by, &repr_unicode(name), &members, sandbox_id)
}

/// For a line that is no request at all.
pub(super) fn line(problem: &str, sandbox_id: &str) -> String {
    let members = [format!("'cmd': '{UNKNOWN}'"), format!("'exception': {}", repr_unicode(problem))];
    text("fallback", &format!("'{UNKNOWN}'"), &members, sandbox_id)
}

fn text(by: &str, name: &str, members: &[String], sandbox_id: &str) -> String {
    let members = members.join(", ");
    format!(
        "Resource {by} received unknown command {name} from sandbox '{sandbox_id}'. Killing sandbox. \
         [Full command: <Message payload=\"{{{members}}}\">]"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_begin_as_vxsandbox_writes_them() {
        let command = Command::parse(br#"{"cmd":"kv.thing","cmd_id":"1","reply":false,"a":1}"#).unwrap();
        let shown = request("kv", &command, "sandbox1");
        let start = "Resource kv received unknown command u'thing' from sandbox 'sandbox1'. Killing sandbox. \
                     [Full command: <Message payload=\"{";
        assert!(shown.starts_with(start) && shown.contains("u'a': 1"), "{shown}");
        let shown = line("not JSON", "sandbox1");
        let start = "Resource fallback received unknown command 'unknown' from sandbox 'sandbox1'. Killing sandbox. \
                     [Full command: <Message payload=\"{";
        assert!(shown.starts_with(start), "{shown}");
    }
}
