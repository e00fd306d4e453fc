//! What is typed.

/// What every command does, for `/help`.
pub(super) const HELP: &str = "\
Whatever you type goes to the app as a message. The first one begins a session.
  /new [TEXT]    begin a new session, as somebody does who dials
  /close         end the session, as somebody does who hangs up
  /user ADDRESS  be somebody else; each has a session of their own
  //TEXT         send a text that begins with a slash
  /help          show this
  /quit          end (or Ctrl-D)";

/// A line.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Input {
    /// A message, in the session that there is, or else a new one.
    Say(String),
    /// A new session, with what is said at its beginning.
    New(Option<String>),
    /// The end of the session.
    Close,
    /// Somebody else.
    User(String),
    Help,
    Quit,
    /// Not understood: why.
    Wrong(String),
}

impl Input {
    /// Reads a line, without its end.
    pub(super) fn parse(line: &str) -> Self {
        let Some(command) = line.strip_prefix('/') else { return Self::Say(line.to_owned()) };
        if command.starts_with('/') {
            return Self::Say(command.to_owned());
        }
        let (name, rest) = command.split_once(char::is_whitespace).unwrap_or((command, ""));
        let rest = rest.trim();
        match (name, rest) {
            ("new", "") => Self::New(None),
            ("new", text) => Self::New(Some(text.to_owned())),
            ("close", "") => Self::Close,
            ("user", "") => Self::Wrong("/user takes an address, such as /user +27820000002".to_owned()),
            ("user", address) => Self::User(address.to_owned()),
            ("help" | "?", "") => Self::Help,
            ("quit" | "exit", "") => Self::Quit,
            ("close" | "help" | "?" | "quit" | "exit", _) => Self::Wrong(format!("/{name} takes nothing more")),
            _ => Self::Wrong(format!("there is no command /{name}; /help shows those that there are")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_messages_or_commands() {
        let say = |text: &str| Input::Say(text.to_owned());
        let text = |text: &str| Some(text.to_owned());
        for (line, input) in [
            ("hello", say("hello")),
            ("", say("")),
            (" 1 ", say(" 1 ")),
            ("//new", say("/new")),
            ("/new", Input::New(None)),
            ("/new ", Input::New(None)),
            ("/new *120#  ", Input::New(text("*120#"))),
            ("/close", Input::Close),
            ("/user +27 82", Input::User("+27 82".to_owned())),
            ("/help", Input::Help),
            ("/?", Input::Help),
            ("/quit", Input::Quit),
        ] {
            assert_eq!(Input::parse(line), input, "{line:?}");
        }
        for (line, part) in [
            ("/user", "takes an address"),
            ("/close now", "/close takes nothing more"),
            ("/", "there is no command /;"),
            ("/news", "there is no command /news;"),
        ] {
            match Input::parse(line) {
                Input::Wrong(why) => assert!(why.contains(part), "{line:?}: {why}"),
                other => panic!("{line:?} is {other:?}"),
            }
        }
    }
}
