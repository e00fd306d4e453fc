//! Names of images, and of root directories in general.

use std::ffi::OsStr;
use std::fmt;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Longest name with its tag in bytes: it is the name of a file, with something behind it.
const MAX_NAME_BYTES: usize = 240;
/// Longest tag in bytes (OCI distribution specification, "Pulling manifests").
const MAX_TAG_BYTES: usize = 128;
/// The tag of a name without one.
const DEFAULT_TAG: &str = "latest";

/// The name of an image here: a repository and a tag, such as `debian:13`, `team/course-1:latest` or
/// `registry.example:5000/team/course:2`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ImageName(String);

/// Why a text is no name of an image.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "'{0}' is no name of an image: use lower-case letters and digits, joined by '.', '_', '-' and '/', and a tag after ':'"
)]
pub struct InvalidName(String);

impl ImageName {
    /// The whole name, with its tag.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name without the tag.
    #[must_use]
    pub fn repository(&self) -> &str {
        self.0.rsplit_once(':').map_or(&self.0, |(repository, _)| repository)
    }

    /// The tag.
    #[must_use]
    pub fn tag(&self) -> &str {
        self.0.rsplit_once(':').map_or(DEFAULT_TAG, |(_, tag)| tag)
    }

    /// A name for a file, from which [`ImageName::from_file_name`] finds back. No name holds a `+`.
    pub(crate) fn file_name(&self) -> String {
        format!("{}.json", self.0.replace('/', "+"))
    }

    /// The inverse of [`ImageName::file_name`].
    pub(crate) fn from_file_name(name: &OsStr) -> Option<Self> {
        name.to_str()?.strip_suffix(".json")?.replace('+', "/").parse().ok()
    }
}

impl FromStr for ImageName {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        let (repository, tag) = split_tag(text);
        let tag = tag.unwrap_or(DEFAULT_TAG);
        let name = format!("{repository}:{tag}");
        let mut components = repository.split('/');
        let first = components.next().unwrap_or_default();
        // Only a host has a port.
        let host = first.rsplit_once(':').filter(|_| repository.contains('/'));
        let first = host.map_or(first, |(host, _)| host);
        let port = host.is_none_or(|(_, port)| port.parse::<u16>().is_ok_and(|port| port > 0));
        let valid = is_component(first) && port && components.all(is_component) && is_tag(tag);
        if valid && name.len() <= MAX_NAME_BYTES {
            Ok(Self(name))
        } else {
            Err(InvalidName(text.chars().take(100).flat_map(char::escape_debug).collect()))
        }
    }
}

/// Repository and tag; the colon of a port comes before a slash.
pub(crate) fn split_tag(text: &str) -> (&str, Option<&str>) {
    match text.rsplit_once(':') {
        Some((repository, tag)) if !tag.contains('/') => (repository, Some(tag)),
        _ => (text, None),
    }
}

/// Letters and digits, joined by dots, dashes and underscores, none of them at an end or doubled into `..`.
pub(crate) fn is_component(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let bytes = text.as_bytes();
    let ends = bytes.first().is_some_and(|&byte| plain(byte)) && bytes.last().is_some_and(|&byte| plain(byte));
    ends && bytes.iter().all(|&byte| plain(byte) || b"._-".contains(&byte)) && !text.contains("..")
}

pub(crate) fn is_tag(text: &str) -> bool {
    let word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let bytes = text.as_bytes();
    bytes.len() <= MAX_TAG_BYTES
        && bytes.first().is_some_and(|&byte| word(byte))
        && bytes.iter().all(|&byte| word(byte) || b".-".contains(&byte))
}

impl fmt::Display for ImageName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for ImageName {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for ImageName {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from)?.parse().map_err(serde::de::Error::custom)
    }
}

/// Where the root directory of a sandbox comes from, as people write it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum RootfsChoice {
    /// `host`: the programs of the host.
    #[default]
    Host,
    /// `dir:PATH`: a directory that holds a whole system.
    Directory(PathBuf),
    /// `image:NAME`: an image that was imported or pulled.
    Image(ImageName),
}

/// Why a text says nothing about a root directory.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidRootfs {
    /// None of the three forms.
    #[error("expected 'host', 'dir:PATH' or 'image:NAME'")]
    Unknown,
    /// `dir:` alone.
    #[error("the path is empty")]
    EmptyPath,
    /// Paths hold no zero bytes.
    #[error("a null byte cannot be part of it")]
    NullByte,
    /// Not the name of an image.
    #[error(transparent)]
    Name(#[from] InvalidName),
}

impl RootfsChoice {
    /// Understands a text; paths may hold any bytes.
    ///
    /// # Errors
    ///
    /// What is wrong with it.
    pub fn parse(text: &OsStr) -> Result<Self, InvalidRootfs> {
        let bytes = text.as_bytes();
        if bytes.contains(&0) {
            return Err(InvalidRootfs::NullByte);
        }
        match (bytes.strip_prefix(b"dir:"), bytes.strip_prefix(b"image:")) {
            (Some(b""), _) => Err(InvalidRootfs::EmptyPath),
            (Some(path), _) => Ok(Self::Directory(PathBuf::from(OsStr::from_bytes(path)))),
            (None, Some(name)) => Ok(Self::Image(String::from_utf8_lossy(name).parse()?)),
            (None, None) if bytes == b"host" => Ok(Self::Host),
            (None, None) => Err(InvalidRootfs::Unknown),
        }
    }
}

impl fmt::Display for RootfsChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Host => f.write_str("host"),
            Self::Directory(path) => write!(f, "dir:{}", path.display()),
            Self::Image(name) => write!(f, "image:{name}"),
        }
    }
}

impl Serialize for RootfsChoice {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for RootfsChoice {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Self::parse(OsStr::new(&String::deserialize(from)?)).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_repositories_with_tags() {
        for (text, name) in [
            ("debian", Some("debian:latest")),
            ("debian:13", Some("debian:13")),
            ("team/course-1", Some("team/course-1:latest")),
            ("127.0.0.1:5000/a/b", Some("127.0.0.1:5000/a/b:latest")),
            ("registry.example:5000/a/b:v1.0_X-y", Some("registry.example:5000/a/b:v1.0_X-y")),
            ("a__b.c", Some("a__b.c:latest")),
            ("", None),
            (":x", None),
            ("a:", None),
            ("A", None),
            ("a//b", None),
            ("/a", None),
            ("a/", None),
            ("..", None),
            ("a/../b", None),
            ("a..b", None),
            ("-a", None),
            ("a:b:c", None),
            ("a:0/b", None),
            ("a:99999/b", None),
            ("a:x/b", None),
            ("a b", None),
            ("a+b", None),
            ("a\nb", None),
            ("a:.x", None),
            ("é", None),
        ] {
            assert_eq!(text.parse().ok().map(|name: ImageName| name.to_string()).as_deref(), name, "{text:?}");
        }
        assert!("a".repeat(233).parse::<ImageName>().is_ok());
        assert!("a".repeat(234).parse::<ImageName>().is_err());
    }

    #[test]
    fn files_are_named_after_images_and_back() {
        for text in ["debian", "127.0.0.1:5000/a/b:v1"] {
            let name: ImageName = text.parse().unwrap();
            assert!(!name.file_name().contains('/'));
            assert_eq!(ImageName::from_file_name(OsStr::new(&name.file_name())), Some(name));
        }
        for other in ["x.tmp", ".json", "a.json.tmp", "A:b.json"] {
            assert_eq!(ImageName::from_file_name(OsStr::new(other)), None, "{other}");
        }
    }

    #[test]
    fn root_directories_have_three_forms() {
        let image = |name: &str| Ok(RootfsChoice::Image(name.parse().unwrap()));
        for (text, expected) in [
            ("host", Ok(RootfsChoice::Host)),
            ("dir:/srv/root", Ok(RootfsChoice::Directory("/srv/root".into()))),
            ("image:debian", image("debian:latest")),
            ("image:a/b:1", image("a/b:1")),
            ("dir:", Err(InvalidRootfs::EmptyPath)),
            ("dir:a\0", Err(InvalidRootfs::NullByte)),
            ("/srv/root", Err(InvalidRootfs::Unknown)),
            ("debian", Err(InvalidRootfs::Unknown)),
            ("", Err(InvalidRootfs::Unknown)),
        ] {
            assert_eq!(RootfsChoice::parse(OsStr::new(text)), expected, "{text:?}");
            if let Ok(choice) = expected {
                assert_eq!(RootfsChoice::parse(OsStr::new(&choice.to_string())), Ok(choice));
            }
        }
        assert!(matches!(RootfsChoice::parse(OsStr::new("image:../x")), Err(InvalidRootfs::Name(_))));
    }
}
