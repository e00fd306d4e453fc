//! What a process is and may do, as the kernel tells it.

use std::fmt;
use std::io;

use serde::{Deserialize, Serialize};

/// Names of the capabilities by number (`linux/capability.h` of Linux 6.18), without `CAP_`, in small letters.
const CAPABILITIES: [&str; 41] = [
    "chown",
    "dac_override",
    "dac_read_search",
    "fowner",
    "fsetid",
    "kill",
    "setgid",
    "setuid",
    "setpcap",
    "linux_immutable",
    "net_bind_service",
    "net_broadcast",
    "net_admin",
    "net_raw",
    "ipc_lock",
    "ipc_owner",
    "sys_module",
    "sys_rawio",
    "sys_chroot",
    "sys_ptrace",
    "sys_pacct",
    "sys_admin",
    "sys_boot",
    "sys_nice",
    "sys_resource",
    "sys_time",
    "sys_tty_config",
    "mknod",
    "lease",
    "audit_write",
    "audit_control",
    "setfcap",
    "mac_override",
    "mac_admin",
    "syslog",
    "wake_alarm",
    "block_suspend",
    "audit_read",
    "perfmon",
    "bpf",
    "checkpoint_restore",
];

/// The name of a capability, such as `sys_admin`; of one that is newer than this program, its number.
#[must_use]
pub fn capability_name(number: u32) -> String {
    let name = usize::try_from(number).ok().and_then(|number| CAPABILITIES.get(number));
    name.map_or_else(|| number.to_string(), |name| (*name).to_owned())
}

/// What a process is and may do. Its text is one line for people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    /// Its user, the same for all purposes (real, effective, saved, files).
    pub user: u32,
    /// Its group, likewise.
    pub group: u32,
    /// Its other groups.
    pub groups: Vec<u32>,
    /// Names of the capabilities that it has, uses or hands on, without `CAP_`.
    pub capabilities: Vec<String>,
    /// Names of those that a program which it executes could give it (the bounding set).
    pub attainable: Vec<String>,
    /// Whether no program that it executes gains privileges.
    pub no_new_privileges: bool,
    /// Whether a filter decides over its system calls.
    pub filtered: bool,
}

impl Standing {
    /// That of this process.
    ///
    /// # Errors
    /// `/proc` is not there, or the ids differ by purpose.
    pub fn of_self() -> io::Result<Self> {
        Self::parse(&std::fs::read_to_string("/proc/self/status")?)
    }

    /// Reads the text of `/proc/<pid>/status` (`proc_pid_status(5)`).
    fn parse(status: &str) -> io::Result<Self> {
        let invalid = |name: &str| io::Error::new(io::ErrorKind::InvalidData, format!("no usable {name} in it"));
        let field = |name: &str| {
            let mut lines = status.lines().filter_map(|line| line.split_once(':'));
            lines.find(|(found, _)| *found == name).map(|(_, value)| value.trim()).ok_or_else(|| invalid(name))
        };
        let numbers = |name: &str| {
            let words = field(name)?.split_ascii_whitespace();
            words.map(|word| word.parse::<u32>().map_err(|_| invalid(name))).collect::<io::Result<Vec<_>>>()
        };
        let one = |name: &str| match numbers(name)?.as_slice() {
            [first, rest @ ..] if rest.len() == 3 && rest.iter().all(|other| other == first) => Ok(*first),
            _ => Err(io::Error::new(io::ErrorKind::InvalidData, format!("the {name}s differ by purpose"))),
        };
        let set = |name: &str| u64::from_str_radix(field(name)?, 16).map_err(|_| invalid(name));
        let mut all = 0;
        for name in ["CapInh", "CapPrm", "CapEff", "CapAmb"] {
            all |= set(name)?;
        }
        let names = |set: u64| (0..u64::BITS).filter(|bit| set >> bit & 1 == 1).map(capability_name).collect();
        Ok(Self {
            user: one("Uid")?,
            group: one("Gid")?,
            groups: numbers("Groups")?,
            capabilities: names(all),
            attainable: names(set("CapBnd")?),
            no_new_privileges: field("NoNewPrivs")? == "1",
            filtered: field("Seccomp")? == "2",
        })
    }
}

impl fmt::Display for Standing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "user {}, group {}", self.user, self.group)?;
        if !self.groups.is_empty() {
            let groups: Vec<_> = self.groups.iter().map(u32::to_string).collect();
            write!(f, ", groups {}", groups.join(" "))?;
        }
        match self.capabilities.len() {
            0 => f.write_str(", no capability")?,
            // More than anything of ours keeps: all that there are, or nearly.
            count @ 16.. => write!(f, ", {count} capabilities")?,
            _ => write!(f, ", capabilities {}", self.capabilities.join(" "))?,
        }
        f.write_str(if self.no_new_privileges { ", no new privileges" } else { "" })?;
        f.write_str(if self.filtered { ", filtered system calls" } else { "" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owned(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    fn status(uid: &str, capabilities: [&str; 5], flags: (u8, u8)) -> String {
        let [inheritable, permitted, effective, bounding, ambient] = capabilities;
        format!(
            "Name:\tx\nUid:\t{uid}\nGid:\t7\t7\t7\t7\nGroups:\t4 24 \nCapInh:\t{inheritable}\nCapPrm:\t{permitted}\n\
             CapEff:\t{effective}\nCapBnd:\t{bounding}\nCapAmb:\t{ambient}\nNoNewPrivs:\t{}\nSeccomp:\t{}\n",
            flags.0, flags.1
        )
    }

    #[test]
    fn a_right_that_is_left_anywhere_is_told() {
        const NONE: &str = "0000000000000000";
        let nothing = Standing::parse(&status("5\t5\t5\t5", [NONE; 5], (1, 2))).unwrap();
        assert_eq!(
            nothing.to_string(),
            "user 5, group 7, groups 4 24, no capability, no new privileges, filtered system calls"
        );
        for place in 0..5 {
            let mut sets = [NONE; 5];
            sets[place] = "0000000000200000";
            let standing = Standing::parse(&status("5\t5\t5\t5", sets, (0, 0))).unwrap();
            // The fourth is the bounding set.
            let (has, could): (&[&str], &[&str]) =
                if place == 3 { (&[], &["sys_admin"]) } else { (&["sys_admin"], &[]) };
            assert_eq!((standing.capabilities, standing.attainable), (owned(has), owned(could)), "{place}");
        }
        let many = Standing::parse(&status("0\t0\t0\t0", ["ffffffffffffffff"; 5], (0, 1))).unwrap();
        assert_eq!((many.capabilities.len(), many.capabilities[63].as_str(), many.filtered), (64, "63", false));
    }

    #[test]
    fn ids_that_differ_by_purpose_are_an_error() {
        for uid in ["5\t0\t5\t5", "5\t5\t0\t5", "5\t5\t5\t0", "5\t5\t5", "5", "", "a\ta\ta\ta"] {
            assert!(Standing::parse(&status(uid, ["0"; 5], (1, 2))).is_err(), "{uid}");
        }
        assert!(Standing::parse("").is_err());
    }

    #[test]
    fn this_process_has_a_standing() {
        assert_eq!(Standing::of_self().unwrap().user, rustix::process::geteuid().as_raw());
    }
}
