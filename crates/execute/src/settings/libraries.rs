//! Settings of external libraries: git repositories that every sandbox sees at `/utils/libs`.

use std::collections::BTreeSet;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use belljar_sandbox::units::duration;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::InvalidSetting;

/// What programs find at `/utils/libs`, and what is told about installed software.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LibrarySettings {
    /// The directory shown read-only at `/utils/libs` in every sandbox; made if it is missing. When absent,
    /// `libraries` in the data directory. The user that the server becomes (`server.user`) makes it and updates the repositories in
    /// it, with that user's keys. Peer: `EXTERNAL_LIBRARIES_ROOT`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub directory: Option<PathBuf>,
    /// The repositories kept in it. Default none. Peer: `EXTERNAL_LIBRARIES`, one public library.
    pub external: Vec<ExternalLibrary>,
    /// How often they are updated, the start included. Default 2 h. Peer: `EXTERNAL_LIBRARIES_CRON_TRIGGER`, every second hour.
    #[serde(with = "duration")]
    pub refresh_interval: Duration,
    /// Time for updating one repository. Default 5 min. Peer: no limit.
    #[serde(with = "duration")]
    pub git_timeout: Duration,
    /// Protocols that repositories may be fetched by. Default all: the addresses are the operator's own.
    pub protocols: BTreeSet<Protocol>,
    /// After what time the list of installed software is made anew, when somebody asks. Default 10 min. Peer: at each request.
    #[serde(with = "duration")]
    pub listing_lifetime: Duration,
}

impl Default for LibrarySettings {
    fn default() -> Self {
        Self {
            directory: None,
            external: Vec::new(),
            refresh_interval: Duration::from_secs(2 * 3600),
            git_timeout: Duration::from_secs(300),
            protocols: Protocol::ALL.into(),
            listing_lifetime: Duration::from_secs(600),
        }
    }
}

impl LibrarySettings {
    pub(super) fn validate(&self) -> Result<(), InvalidSetting> {
        let broken = |problem| Err(InvalidSetting { key: "libraries.external", problem });
        let mut seen = BTreeSet::new();
        for library in &self.external {
            if !seen.insert(&library.alias) {
                return broken("names an alias twice");
            }
            if !self.protocols.contains(&library.url.protocol()) {
                return broken("names an address whose protocol is not in `libraries.protocols`");
            }
        }
        Ok(())
    }
}

/// One repository.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExternalLibrary {
    /// Where it is fetched from.
    pub url: RepositoryUrl,
    /// The name of its directory, and so of the Python package.
    pub alias: Alias,
    /// The branch; when absent the one that the remote's `HEAD` names. Peer: always `master`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub branch: Option<String>,
}

/// A way to fetch a repository (`git-clone(1)`, "Git URLs"), by git's own name for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Protocol {
    /// HTTP over TLS.
    Https,
    /// SSH, as `ssh://host/path` or `user@host:path`. Keys come from the server's account; nobody is asked anything.
    Ssh,
    /// Git's own protocol, without any authentication.
    Git,
    /// A directory of this machine, as `file:///path` or `/path`.
    File,
}

impl Protocol {
    /// All of them. Plain HTTP is not among them, and no remote helper (`ext::`, which runs commands).
    pub const ALL: [Self; 4] = [Self::Https, Self::Ssh, Self::Git, Self::File];

    /// Git's name for it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Https => "https",
            Self::Ssh => "ssh",
            Self::Git => "git",
            Self::File => "file",
        }
    }
}

/// Why a repository's address or alias was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidLibrary {
    /// Not the name of a directory.
    #[error("'{0}' is no alias: use 1 to 64 letters, digits, '_', '-' and '.', beginning with a letter, digit or '_'")]
    Alias(String),
    /// Not an address that git would fetch by a known protocol.
    #[error("'{0}' is no repository: use https://, ssh://, git:// or file://, user@host:path, or an absolute path")]
    Url(String),
}

/// The name of a library's directory: one path component that neither hides nor looks like an option.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Alias(String);

impl Alias {
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Alias {
    type Err = InvalidLibrary;

    fn from_str(text: &str) -> Result<Self, InvalidLibrary> {
        let begins = text.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_');
        let fits = text.len() <= 64 && text.chars().all(|c| c.is_ascii_alphanumeric() || "_-.".contains(c));
        if begins && fits { Ok(Self(text.to_owned())) } else { Err(InvalidLibrary::Alias(text.to_owned())) }
    }
}

/// Where a repository is fetched from, and by which protocol.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RepositoryUrl {
    text: String,
    protocol: Protocol,
}

impl RepositoryUrl {
    /// The text, as git takes it. May hold a password: use [`fmt::Display`] for logs.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The protocol that git will use.
    #[must_use]
    pub const fn protocol(&self) -> Protocol {
        self.protocol
    }
}

impl fmt::Display for RepositoryUrl {
    /// The address with what stands between `://` and `@` left out: it can hold a password or a token.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some((scheme, rest)) = self.text.split_once("://") {
            let host = rest.find('/').unwrap_or(rest.len());
            if let Some(at) = rest[..host].rfind('@') {
                return write!(f, "{scheme}://…{}", &rest[at..]);
            }
        }
        f.write_str(&self.text)
    }
}

impl FromStr for RepositoryUrl {
    type Err = InvalidLibrary;

    fn from_str(text: &str) -> Result<Self, InvalidLibrary> {
        let protocol = if text.chars().any(char::is_control) || text.contains("::") {
            None
        } else if let Some((scheme, rest)) = text.split_once("://") {
            let known = Protocol::ALL.into_iter().find(|protocol| protocol.name() == scheme);
            known.filter(|_| !rest.is_empty() && !rest.starts_with('-'))
        } else if text.starts_with('/') {
            Some(Protocol::File)
        } else {
            // The short form of ssh: a colon before any slash. A host that begins with '-' would be an option of ssh.
            text.split_once(':')
                .filter(|(host, path)| !host.is_empty() && !host.contains('/') && !path.is_empty())
                .filter(|(host, _)| !host.split('@').any(|part| part.is_empty() || part.starts_with('-')))
                .map(|_| Protocol::Ssh)
        };
        match protocol {
            Some(protocol) => Ok(Self { text: text.to_owned(), protocol }),
            None => Err(InvalidLibrary::Url(text.to_owned())),
        }
    }
}

/// Written as the text it was read from.
macro_rules! as_text {
    ($name:ty) => {
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                to.serialize_str(self.as_str())
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                String::deserialize(from)?.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

as_text!(Alias);
as_text!(RepositoryUrl);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_alias_is_one_harmless_path_component() {
        for (text, valid) in [
            ("pl", true),
            ("_lib-1.2", true),
            ("9lives", true),
            ("", false),
            (".", false),
            ("..", false),
            (".git", false),
            ("-rf", false),
            ("a/b", false),
            ("/a", false),
            ("a b", false),
            ("a\nb", false),
            ("a\0", false),
            ("é", false),
        ] {
            assert_eq!(text.parse::<Alias>().is_ok(), valid, "{text:?}");
        }
        assert!("a".repeat(64).parse::<Alias>().is_ok());
        assert!("a".repeat(65).parse::<Alias>().is_err());
    }

    #[test]
    fn the_protocol_of_an_address_is_git_s() {
        for (text, protocol) in [
            ("https://example.org/pl.git", Some(Protocol::Https)),
            ("ssh://git@example.org:22/pl.git", Some(Protocol::Ssh)),
            ("git@example.org:team/pl.git", Some(Protocol::Ssh)),
            ("example.org:pl.git", Some(Protocol::Ssh)),
            ("git://example.org/pl.git", Some(Protocol::Git)),
            ("file:///srv/pl.git", Some(Protocol::File)),
            ("/srv/pl.git", Some(Protocol::File)),
            ("http://example.org/pl.git", None),
            ("ext::sh -c id", None),
            ("fd::17", None),
            ("HTTPS://example.org/pl.git", None),
            ("https://", None),
            ("ssh://-oProxyCommand=id/x", None),
            ("-oProxyCommand=id:x", None),
            ("git@-oProxyCommand=id:x", None),
            ("--upload-pack=id", None),
            ("relative/path", None),
            ("./a:b", None),
            (":x", None),
            ("https://example.org/a\nb", None),
            ("", None),
        ] {
            assert_eq!(text.parse::<RepositoryUrl>().ok().map(|url| url.protocol()), protocol, "{text:?}");
        }
    }

    #[test]
    fn passwords_are_not_shown() {
        for (text, shown) in [
            ("https://user:secret@example.org/pl.git", "https://…@example.org/pl.git"),
            ("https://to@ken@example.org", "https://…@example.org"),
            ("https://example.org/a@b", "https://example.org/a@b"),
            ("git@example.org:pl.git", "git@example.org:pl.git"),
        ] {
            assert_eq!(text.parse::<RepositoryUrl>().unwrap().to_string(), shown);
        }
    }
}
