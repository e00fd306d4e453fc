//! Whom the server becomes when root starts it.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, anyhow};
use belljar_sandbox::privileges::SANDBOX_USERS;
use rustix::process::{getegid, geteuid};
use tracing::warn;

use crate::failure::Failure;

/// The system user that there may be for us.
const NAME: &str = "belljar";
/// The user without a name that we are where there is no such user.
///
/// Nobody's: above what 16 bits hold, where Debian, systemd and the Filesystem Hierarchy put people and services (people 1000 to
/// 59999, systemd's dynamic users 61184 to 65519, nobody 65534); below 100000, where `/etc/subuid` begins; and far from sandboxes'.
/// (Debian Policy 9.2.2; systemd's UIDS-GIDS.md.)
pub(crate) const NUMBER: u32 = 99_700;

/// A user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Account {
    /// The number.
    pub(crate) user: u32,
    /// The number of the group.
    pub(crate) group: u32,
    /// The name; none where it has only a number.
    pub(crate) name: Option<String>,
    /// The home directory, likewise.
    pub(crate) home: Option<PathBuf>,
}

/// What the setting and the machine come to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Choice {
    /// Not root: nothing to give up, nobody to become.
    Unprivileged,
    /// Root, and it stays so.
    Root,
    /// Root, and it becomes somebody else.
    Become(Account),
}

impl std::fmt::Display for Account {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.name {
            Some(name) => write!(f, "{name} ({})", self.user),
            None => write!(f, "{}", self.user),
        }
    }
}

/// Decides.
///
/// # Errors
///
/// The setting names nobody, or somebody that the server must not or cannot be.
pub(crate) fn choose(setting: Option<&str>) -> Result<Choice, Failure> {
    let read = |path: &str| fs::read_to_string(path).with_context(|| format!("cannot read {path}"));
    // Without the file there are no names.
    let names = fs::read_to_string("/etc/passwd").unwrap_or_default();
    let map = read("/proc/self/uid_map")?;
    let choice = decide(setting, (geteuid().as_raw(), getegid().as_raw()), &names, &map).map_err(Failure::usage)?;
    if choice == Choice::Root {
        match setting {
            Some(_) => warn!("The server stays root, as it was told: whoever takes it over has the machine."),
            None => warn!("The server stays root, which is not the machine's: no other user can be had in here."),
        }
    }
    Ok(choice)
}

fn decide(setting: Option<&str>, own: (u32, u32), names: &str, map: &str) -> anyhow::Result<Choice> {
    let named = |name: &str| names.lines().filter_map(entry).find(|account| account.name.as_deref() == Some(name));
    let numbered = |user: u32| {
        let known = names.lines().filter_map(entry).find(|account| account.user == user);
        known.unwrap_or(Account { user, group: user, name: None, home: None })
    };
    let account = match setting {
        Some("root") if own.0 == 0 => return Ok(Choice::Root),
        Some(text) => match text.parse() {
            Ok(number) => numbered(number),
            Err(_) => named(text).ok_or_else(|| anyhow!("server.user: there is no user '{text}' in /etc/passwd"))?,
        },
        None if own.0 != 0 => return Ok(Choice::Unprivileged),
        None => named(NAME).unwrap_or_else(|| numbered(NUMBER)),
    };
    let refused = |why: &str| Err(anyhow!("server.user: user {account} {why}"));
    if account.user == own.0 && own.0 != 0 {
        return Ok(Choice::Unprivileged);
    }
    if own.0 != 0 {
        return refused("can only be become by root: leave the setting out");
    }
    if account.user == 0 || account.group == 0 {
        return refused("is root, or has its group: say 'root' if the server is to stay root");
    }
    if [account.user, account.group].iter().any(|number| SANDBOX_USERS.contains(number)) {
        return refused("is one of those that sandboxes are given");
    }
    // -1, in 32 and in 16 bits, is nobody to the kernel.
    if [u32::MAX, 0xffff].contains(&account.user) {
        return refused("cannot be had");
    }
    match (is_mapped(map, account.user), setting) {
        (true, _) => Ok(Choice::Become(account)),
        // Root of a container, which is somebody without rights outside.
        (false, None) => Ok(Choice::Root),
        (false, Some(_)) => refused("does not exist in this user namespace"),
    }
}

/// Reads a line of `/etc/passwd` (`passwd(5)`).
fn entry(line: &str) -> Option<Account> {
    let fields: Vec<&str> = line.split(':').collect();
    let [name, _, user, group, _, home, _] = fields.as_slice() else {
        return None;
    };
    let home = (!home.is_empty()).then(|| PathBuf::from(home));
    Some(Account { user: user.parse().ok()?, group: group.parse().ok()?, name: Some((*name).to_owned()), home })
}

/// Whether a user is there in a user namespace with this map (`user_namespaces(7)`).
fn is_mapped(map: &str, user: u32) -> bool {
    map.lines().any(|line| {
        let mut numbers = line.split_ascii_whitespace().map(str::parse::<u64>);
        let (Some(Ok(first)), Some(Ok(_)), Some(Ok(count))) = (numbers.next(), numbers.next(), numbers.next()) else {
            return false;
        };
        (first..first + count).contains(&u64::from(user))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAMES: &str = "root:x:0:0:root:/root:/bin/bash\nbelljar:x:998:997:::/usr/sbin/nologin\n\
                         some:x:1234:1234:Some One:/home/some:/bin/sh\ntoor:x:0:0::/root:/bin/sh\nwheel:x:1235:0::/:/bin/sh\n\
                         broken:x:one\n";
    const ALL: &str = "         0          0 4294967295\n";
    const ROOT: (u32, u32) = (0, 0);

    fn become_of(setting: Option<&str>, names: &str) -> Option<(u32, u32, Option<String>)> {
        match decide(setting, ROOT, names, ALL) {
            Ok(Choice::Become(account)) => Some((account.user, account.group, account.name)),
            _ => None,
        }
    }

    #[test]
    fn root_becomes_somebody_without_rights() {
        let named = |user, group, name: &str| Some((user, group, Some(name.to_owned())));
        for (setting, names, expected) in [
            (None, NAMES, named(998, 997, "belljar")),
            (None, "", Some((NUMBER, NUMBER, None))),
            (Some("some"), NAMES, named(1234, 1234, "some")),
            (Some("1234"), NAMES, named(1234, 1234, "some")),
            (Some("4711"), NAMES, Some((4711, 4711, None))),
        ] {
            assert_eq!(become_of(setting, names), expected, "{setting:?}");
        }
        assert_eq!(decide(Some("root"), ROOT, NAMES, ALL).unwrap(), Choice::Root);
    }

    #[test]
    fn who_has_rights_or_is_nobody_is_refused() {
        for (setting, reason) in [
            ("nobody-here", "there is no user 'nobody-here'"),
            ("broken", "there is no user 'broken'"),
            ("", "there is no user ''"),
            ("-1", "there is no user '-1'"),
            ("0", "is root"),
            ("toor", "is root"),
            ("wheel", "has its group"),
            ("1879048192", "sandboxes are given"),
            ("2952790015", "sandboxes are given"),
            ("4294967295", "cannot be had"),
            ("65535", "cannot be had"),
        ] {
            let error = decide(Some(setting), ROOT, NAMES, ALL).expect_err(setting).to_string();
            assert!(error.contains(reason), "{setting}: {error}");
        }
    }

    #[test]
    fn who_is_not_root_stays_who_they_are() {
        let own = (1234, 1234);
        assert_eq!(decide(None, own, NAMES, ALL).unwrap(), Choice::Unprivileged);
        for same in ["some", "1234"] {
            assert_eq!(decide(Some(same), own, NAMES, ALL).unwrap(), Choice::Unprivileged);
        }
        for other in ["root", "belljar", "4711"] {
            assert!(decide(Some(other), own, NAMES, ALL).is_err(), "{other}");
        }
    }

    #[test]
    fn root_of_a_container_without_users_has_nobody_to_become() {
        for (map, found) in
            [("0 1000 1\n", None), ("0 1000 65536\n", None), ("0 0 65536\n65536 65536 65536\n", Some(()))]
        {
            let default = decide(None, ROOT, "", map).unwrap();
            assert_eq!(matches!(default, Choice::Become(_)), found.is_some(), "{map}");
            assert_eq!(decide(Some("99700"), ROOT, "", map).is_ok(), found.is_some(), "{map}");
        }
    }
}
