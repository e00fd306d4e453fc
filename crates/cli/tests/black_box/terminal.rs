//! A terminal of the command's own.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::process::{Child, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use rustix::pty::{OpenptFlags, grantpt, ioctl_tiocgptpeer, openpt, unlockpt};
use rustix::termios::{LocalModes, Winsize, tcgetattr, tcsetwinsize};

use crate::support::{Guard, belljar, has_program, has_sandboxes};

/// Someone who sits at a terminal and runs `belljar` there.
struct Person {
    keyboard: File,
    theirs: OwnedFd,
    screen: Receiver<Vec<u8>>,
    seen: String,
    child: Guard,
}

impl Person {
    fn runs(arguments: &[&str]) -> Self {
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
        let ours = openpt(flags).expect("a terminal");
        grantpt(&ours).expect("granted");
        unlockpt(&ours).expect("unlocked");
        let theirs = ioctl_tiocgptpeer(&ours, flags).expect("the other end");
        tcsetwinsize(&ours, size(33, 77)).expect("a size");
        let stream = || Stdio::from(theirs.try_clone().expect("a descriptor"));
        let child = belljar()
            .env("TERM", "xterm")
            .args(["run"])
            .args(arguments)
            .stdin(stream())
            .stdout(stream())
            .stderr(stream())
            .spawn()
            .map(Guard)
            .expect("the binary starts");
        let keyboard = File::from(ours);
        let mut reader = keyboard.try_clone().expect("a descriptor");
        let (sender, screen) = channel();
        thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(length @ 1..) = reader.read(&mut buffer) {
                if sender.send(buffer[..length].to_vec()).is_err() {
                    return;
                }
            }
        });
        Self { keyboard, theirs, screen, seen: String::new(), child }
    }

    fn types(&mut self, keys: &str) {
        self.keyboard.write_all(keys.as_bytes()).expect("typed");
    }

    fn sees(&mut self, text: &str) {
        while !self.seen.contains(text) {
            let piece = self.screen.recv_timeout(Duration::from_secs(20));
            let piece = piece.unwrap_or_else(|_| panic!("'{text}' comes; until now: {:?}", self.seen));
            self.seen.push_str(&String::from_utf8_lossy(&piece));
        }
    }

    fn process(&mut self) -> &mut Child {
        &mut self.child.0
    }

    /// The exit code, after a look at the terminal, which must be as it was.
    fn ends(mut self) -> Option<i32> {
        let code = self.process().wait().expect("it ends").code();
        let modes = tcgetattr(&self.theirs).expect("settings").local_modes;
        assert!(modes.contains(LocalModes::ECHO | LocalModes::ICANON | LocalModes::ISIG), "{modes:?}");
        code
    }
}

fn size(rows: u16, columns: u16) -> Winsize {
    Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 }
}

#[test]
fn the_command_has_a_terminal_of_the_same_size() {
    if !has_sandboxes() {
        return;
    }
    let mut person =
        Person::runs(&["sh", "-c", "test -t 0 && test -t 1 && test -t 2 && stty size && echo $TERM; exit 5"]);
    person.sees("33 77\r\nxterm\r\n");
    assert_eq!(person.ends(), Some(5));
}

#[test]
fn without_one_when_told_so() {
    if !has_sandboxes() {
        return;
    }
    let mut person =
        Person::runs(&["-T", "sh", "-c", "test -t 0 || test -t 1 || echo none; read line; echo got $line"]);
    person.sees("none\r\n");
    person.types("words\n");
    person.sees("got words\r\n");
    assert_eq!(person.ends(), Some(0));
}

#[test]
fn keys_reach_the_command_and_control_c_interrupts_it() {
    if !has_sandboxes() {
        return;
    }
    // No shell: one that is just starting a program may overlook the key.
    let mut person = Person::runs(&["sed", "-u", "s/.*/<&>/"]);
    person.types("hello\r");
    person.sees("<hello>\r\n");
    person.types("\u{3}");
    assert_eq!(person.ends(), Some(130));
}

#[test]
fn a_new_size_is_passed_on() {
    if !has_sandboxes() || !has_program("bash") {
        return;
    }
    let mut person =
        Person::runs(&["bash", "-c", "trap 'stty size; exit 0' WINCH; echo ready; while :; do sleep 0.01; done"]);
    person.sees("ready\r\n");
    tcsetwinsize(&person.keyboard, size(11, 22)).expect("a size");
    // The kernel tells the foreground processes of a terminal; the test's child is none.
    let process = Pid::from_child(person.process());
    kill_process(process, Signal::WINCH).expect("it is there");
    person.sees("11 22\r\n");
    assert_eq!(person.ends(), Some(0));
}

#[test]
fn the_terminal_is_given_back_however_it_ends() {
    if !has_sandboxes() {
        return;
    }
    let limit = Person::runs(&["--wall-time", "200ms", "sleep", "30"]);
    assert_eq!(limit.ends(), Some(240));
    let missing = Person::runs(&["no-such-program"]);
    assert_eq!(missing.ends(), Some(127));
    let unmakeable = Person::runs(&["--dir", "/proc/self/fd", "true"]);
    assert!(unmakeable.ends().is_some());
    let mut terminated = Person::runs(&["sh", "-c", "echo ready; exec sleep 30"]);
    terminated.sees("ready");
    let process = Pid::from_child(terminated.process());
    kill_process(process, Signal::TERM).expect("it is there");
    assert_eq!(terminated.ends(), Some(143));
}
