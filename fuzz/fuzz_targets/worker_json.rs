//! Lines of an app, and bodies from the bus: what is understood is written so that it is understood the same way, and in ASCII.

#![no_main]

use belljar_worker::message::{Kind, Message};
use belljar_worker::protocol::{Command, read_json, to_ascii};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    if let Ok(value) = read_json(input) {
        assert!(to_ascii(&value).is_ascii());
    }
    if let Ok(command) = Command::parse(input) {
        let line = command.to_line();
        assert!(line.is_ascii() && line.iter().position(|byte| *byte == b'\n') == Some(line.len() - 1));
        let again = Command::parse(&line).expect("what was written is a command");
        assert_eq!((again.target(), again.reply), (command.target(), command.reply));
    }
    for kind in [Kind::UserMessage, Kind::Event] {
        if let Ok(message) = Message::parse(kind, input) {
            let again = Message::parse(kind, &message.to_body()).expect("what was written is a message");
            assert_eq!(again.text("timestamp"), message.text("timestamp"));
        }
    }
});
