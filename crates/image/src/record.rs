//! What is written down about images and layers.

use std::collections::BTreeMap;

use belljar_sandbox::User;
use serde::{Deserialize, Serialize};

use crate::limits::{MAX_TEXT_BYTES, MAX_USERS, MAX_WORDS};
use crate::oci::RunConfig;
use crate::{Digest, ImageError, ImageName};

/// The version of records that this program writes and reads.
pub(crate) const VERSION: u32 = 1;

/// An image: layers, and how it wants to be run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Image {
    /// Version of this record.
    pub(crate) version: u32,
    /// How it is called here.
    pub name: ImageName,
    /// The digest of its configuration; of its only layer, where it came without one.
    pub id: Digest,
    /// How many of the lowest layers nothing shows of, because one above them hides all.
    #[serde(default)]
    pub(crate) hidden: usize,
    /// Its layers by the digest of what was packed (`diff_id`), the lowest first.
    pub layers: Vec<Digest>,
    /// Bytes of the files in all its layers.
    pub bytes: u64,
    /// Files, directories and links in all its layers.
    pub entries: u64,
    /// When it was imported (RFC 3339).
    pub imported: String,
    /// Where it came from, for people.
    pub source: String,
    /// How it wants to be run.
    pub config: ImageConfig,
}

/// How an image wants to be run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageConfig {
    /// Environment variables.
    #[serde(default)]
    pub environment: BTreeMap<String, String>,
    /// What every command line begins with.
    #[serde(default)]
    pub entrypoint: Vec<String>,
    /// The command line when none is given.
    #[serde(default)]
    pub command: Vec<String>,
    /// The directory to start in, absolute.
    #[serde(default)]
    pub working_directory: Option<String>,
    /// The user as the image names it.
    #[serde(default)]
    pub user: Option<String>,
    /// The numbers of that user, where the image has it.
    #[serde(default)]
    pub(crate) ids: Option<Ids>,
}

/// A user and a group by number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Ids {
    pub(crate) uid: u32,
    pub(crate) gid: u32,
}

/// Highest user of a sandbox.
const MAX_ID: u32 = 65_535;

impl ImageConfig {
    /// What is kept of an image's own configuration.
    ///
    /// # Errors
    ///
    /// It is larger than [`crate::limits`] allow, or holds zero bytes.
    pub(crate) fn new(config: RunConfig, users: &Users) -> Result<Self, ImageError> {
        let RunConfig { env, entrypoint, cmd, working_dir, user } = config;
        let (env, entrypoint, cmd) = (env.unwrap_or_default(), entrypoint.unwrap_or_default(), cmd.unwrap_or_default());
        let texts = [&env, &entrypoint, &cmd];
        if let Some(most) = texts.iter().map(|words| words.len()).find(|&words| words > MAX_WORDS) {
            let what = format!("the number of variables or words in the image's configuration, {most},");
            return Err(ImageError::TooLarge { what, limit: MAX_WORDS as u64 });
        }
        let all = || texts.iter().copied().flatten().chain(&working_dir).chain(&user);
        let bytes: usize = all().map(String::len).sum();
        if bytes > MAX_TEXT_BYTES {
            let what = format!("the image's configuration, {bytes} bytes of text,");
            return Err(ImageError::TooLarge { what, limit: MAX_TEXT_BYTES as u64 });
        }
        if all().any(|text| text.contains('\0')) {
            return Err(ImageError::NotAnImage("the image's configuration holds a zero byte".to_owned()));
        }
        let pairs = env.iter().filter_map(|pair| pair.split_once('=')).filter(|(name, _)| !name.is_empty());
        let user = user.filter(|user| !user.is_empty());
        Ok(Self {
            environment: pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
            entrypoint,
            command: cmd,
            working_directory: working_dir.filter(|path| path.starts_with('/')),
            ids: user.as_deref().and_then(|user| users.find(user)),
            user,
        })
    }

    /// The user that the image names; nothing when it names none.
    ///
    /// # Errors
    ///
    /// [`ImageError::NoSuchUser`] when it has no such user, or one that sandboxes have no number for.
    pub fn user(&self) -> Result<Option<User>, ImageError> {
        match (&self.user, self.ids) {
            (None, _) => Ok(None),
            (Some(_), Some(Ids { uid, gid })) if uid <= MAX_ID && gid <= MAX_ID => Ok(Some(User { uid, gid })),
            (Some(name), _) => Err(ImageError::NoSuchUser(name.clone())),
        }
    }
}

/// What is known of a layer, beside its files.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LayerRecord {
    pub(crate) version: u32,
    /// Members of the tar, those passed over included.
    pub(crate) entries: u64,
    /// Bytes of its files.
    pub(crate) bytes: u64,
    /// Members that were passed over.
    pub(crate) skipped: u64,
    /// Nothing below shows through.
    pub(crate) opaque: bool,
    /// Its users, when it has an `/etc/passwd`, and its groups.
    pub(crate) users: Users,
}

/// Users and groups by name.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Users {
    pub(crate) users: Option<BTreeMap<String, Ids>>,
    pub(crate) groups: Option<BTreeMap<String, u32>>,
}

impl Users {
    /// Reads `/etc/passwd` and `/etc/group`; lines that make no sense are passed over.
    pub(crate) fn read(passwd: Option<&[u8]>, group: Option<&[u8]>) -> Self {
        fn lines(text: &[u8]) -> impl Iterator<Item = Vec<&str>> {
            let lines = text.split(|&byte| byte == b'\n').filter_map(|line| std::str::from_utf8(line).ok());
            lines.map(|line| line.split(':').collect()).take(MAX_USERS)
        }
        let user = |fields: Vec<&str>| match fields[..] {
            [name, _, uid, gid, ..] => Some((name.to_owned(), Ids { uid: uid.parse().ok()?, gid: gid.parse().ok()? })),
            _ => None,
        };
        let gid = |fields: Vec<&str>| match fields[..] {
            [name, _, gid, ..] => Some((name.to_owned(), gid.parse().ok()?)),
            _ => None,
        };
        Self {
            users: passwd.map(|text| lines(text).filter_map(user).collect()),
            groups: group.map(|text| lines(text).filter_map(gid).collect()),
        }
    }

    /// A layer's files cover those of the layers below.
    pub(crate) fn put_over(&mut self, above: &Self) {
        if above.users.is_some() {
            self.users.clone_from(&above.users);
        }
        if above.groups.is_some() {
            self.groups.clone_from(&above.groups);
        }
    }

    /// `USER[:GROUP]`, each a name or a number. A group that is not named is the user's own.
    fn find(&self, text: &str) -> Option<Ids> {
        let (user, group) = text.split_once(':').map_or((text, None), |(user, group)| (user, Some(group)));
        let entry = || self.users.as_ref()?.get(user).copied();
        let by_number = |uid: u32| {
            let same = |ids: &&Ids| ids.uid == uid;
            self.users.as_ref().and_then(|users| users.values().find(same)).map_or(0, |ids| ids.gid)
        };
        let mut ids = match user.parse() {
            Ok(uid) => Ids { uid, gid: by_number(uid) },
            Err(_) if user == "root" => Ids { uid: 0, gid: 0 },
            Err(_) => entry()?,
        };
        if let Some(group) = group.filter(|group| !group.is_empty()) {
            ids.gid = match group.parse() {
                Ok(gid) => gid,
                Err(_) if group == "root" => 0,
                Err(_) => *self.groups.as_ref()?.get(group)?,
            };
        }
        Some(ids)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWD: &[u8] =
        b"root:x:0:0:root:/root:/bin/sh\nweb:x:33:44:::\nbroken\nhuge:x:99999999999:1::\n\xff:x:7:7\n";
    const GROUP: &[u8] = b"root:x:0:\nstaff:x:50:web\n";

    fn config(user: &str) -> ImageConfig {
        let users = Users::read(Some(PASSWD), Some(GROUP));
        ImageConfig::new(RunConfig { user: Some(user.to_owned()), ..RunConfig::default() }, &users).unwrap()
    }

    #[test]
    fn users_are_found_by_name_and_number() {
        let user = |uid, gid| Some(Some(User { uid, gid }));
        for (text, expected) in [
            ("", Some(None)),
            ("root", user(0, 0)),
            ("web", user(33, 44)),
            ("web:staff", user(33, 50)),
            ("web:", user(33, 44)),
            ("33", user(33, 44)),
            ("12:34", user(12, 34)),
            ("12", user(12, 0)),
            ("nobody", None),
            ("web:nobody", None),
            ("huge", None),
            ("70000", None),
            ("-1", None),
        ] {
            assert_eq!(config(text).user().ok(), expected, "{text:?}");
        }
    }

    #[test]
    fn an_upper_layer_covers_the_users_of_a_lower_one() {
        let mut users = Users::read(Some(PASSWD), Some(GROUP));
        users.put_over(&Users::default());
        assert_eq!(users, Users::read(Some(PASSWD), Some(GROUP)));
        users.put_over(&Users::read(Some(b"other:x:5:6::\n"), None));
        assert_eq!(users.find("web"), None);
        assert_eq!(users.find("other:staff"), Some(Ids { uid: 5, gid: 50 }));
    }

    #[test]
    fn what_is_kept_of_a_configuration_is_bounded() {
        let new = |config| ImageConfig::new(config, &Users::default());
        let kept = new(RunConfig {
            env: Some(vec!["A=1=2".into(), "NAMELESS".into(), "=x".into(), "PATH=/bin".into()]),
            working_dir: Some("relative".into()),
            ..RunConfig::default()
        });
        let environment = [("A", "1=2"), ("PATH", "/bin")].map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(kept.unwrap(), ImageConfig { environment: environment.into(), ..ImageConfig::default() });
        let many = RunConfig { cmd: Some(vec![String::new(); MAX_WORDS + 1]), ..RunConfig::default() };
        let long = RunConfig { user: Some("x".repeat(MAX_TEXT_BYTES + 1)), ..RunConfig::default() };
        let zero = RunConfig { entrypoint: Some(vec!["a\0b".into()]), ..RunConfig::default() };
        assert!(matches!(new(many), Err(ImageError::TooLarge { .. })));
        assert!(matches!(new(long), Err(ImageError::TooLarge { .. })));
        assert!(matches!(new(zero), Err(ImageError::NotAnImage(_))));
    }
}
