//! Where an image is in the world: a registry, a repository, and a tag or a digest.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use crate::name::{is_component, is_tag, split_tag};
use crate::{Digest, ImageName};

/// Longest repository in bytes (OCI distribution specification, "Pulling manifests": with the host, 255).
const MAX_REPOSITORY_BYTES: usize = 255;
/// The tag of a reference without tag or digest.
const DEFAULT_TAG: &str = "latest";

/// An image of a registry, such as `registry.example:5000/team/course:2` or `registry.example/team/course@sha256:…`.
///
/// The registry is always named: there is no default one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference {
    registry: String,
    repository: String,
    version: Version,
}

/// Which image of a repository.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Version {
    Tag(String),
    Digest(Digest),
}

/// Why a text is no reference.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "'{0}' names no image of a registry: expected HOST[:PORT]/REPOSITORY with :TAG or @sha256:DIGEST behind it; there is no default \
     registry"
)]
pub struct InvalidReference(String);

impl Reference {
    /// Host and port of the registry, as in a URL.
    #[must_use]
    pub fn registry(&self) -> &str {
        &self.registry
    }

    /// The repository, without the registry.
    #[must_use]
    pub fn repository(&self) -> &str {
        &self.repository
    }

    /// The digest, when it names one.
    pub(crate) const fn digest(&self) -> Option<Digest> {
        match self.version {
            Version::Digest(digest) => Some(digest),
            Version::Tag(_) => None,
        }
    }

    /// Tag or digest, as in a path.
    pub(crate) fn version(&self) -> String {
        match &self.version {
            Version::Tag(tag) => tag.clone(),
            Version::Digest(digest) => digest.to_string(),
        }
    }

    /// Whether the registry is on this machine.
    pub(crate) fn is_loopback(&self) -> bool {
        is_loopback(host_of(&self.registry))
    }

    /// How the image is called here, unless somebody says otherwise: with the first digits in place of a tag when there is none.
    pub(crate) fn name(&self) -> Option<ImageName> {
        let tag = match &self.version {
            Version::Tag(tag) => tag.clone(),
            Version::Digest(digest) => format!("sha256-{}", &digest.hex()[..12]),
        };
        format!("{}/{}:{tag}", self.registry, self.repository).parse().ok()
    }
}

/// The host without its port.
fn host_of(registry: &str) -> &str {
    match registry.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => registry,
    }
}

/// Whether a host, as it stands in a URL, is this machine by what it says; a name that only leads to it is not.
pub(crate) fn is_loopback(host: &str) -> bool {
    let six = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    host == "localhost"
        || host.parse::<Ipv4Addr>().is_ok_and(|address| address.is_loopback())
        || six.and_then(|six| six.parse::<Ipv6Addr>().ok()).is_some_and(|address| address.is_loopback())
}

impl FromStr for Reference {
    type Err = InvalidReference;

    fn from_str(text: &str) -> Result<Self, InvalidReference> {
        let invalid = || InvalidReference(text.chars().take(100).flat_map(char::escape_debug).collect());
        let (registry, path) = text.split_once('/').ok_or_else(invalid)?;
        let (repository, version) = match path.split_once('@') {
            // A tag beside a digest says nothing more.
            Some((path, digest)) => (split_tag(path).0, Version::Digest(digest.parse().map_err(|_| invalid())?)),
            None => {
                let (repository, tag) = split_tag(path);
                (repository, Version::Tag(tag.unwrap_or(DEFAULT_TAG).to_owned()))
            }
        };
        let host = host_of(registry);
        let six = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        let named = is_component(host) && (host.contains('.') || host == "localhost" || registry != host);
        let known_host = named || six.is_some_and(|six| six.parse::<Ipv6Addr>().is_ok());
        let port = registry.strip_prefix(host).and_then(|port| port.strip_prefix(':'));
        let known_port = port.is_none_or(|port| port.parse::<u16>().is_ok_and(|port| port > 0));
        let known_version = match &version {
            Version::Tag(tag) => is_tag(tag),
            Version::Digest(_) => true,
        };
        let fits = repository.len() <= MAX_REPOSITORY_BYTES && repository.split('/').all(is_component);
        if known_host && known_port && known_version && fits {
            Ok(Self { registry: registry.to_owned(), repository: repository.to_owned(), version })
        } else {
            Err(invalid())
        }
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let separator = if self.digest().is_some() { '@' } else { ':' };
        write!(f, "{}/{}{separator}{}", self.registry, self.repository, self.version())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_name_registry_repository_and_version() {
        let digest = Digest::of(b"x").to_string();
        let by_digest = format!("r.example/a@{digest}");
        let by_both = format!("r.example/a:1@{digest}");
        for (text, parts) in [
            ("r.example/a", Some(("r.example", "a", "latest"))),
            ("r.example:5000/a/b:v1", Some(("r.example:5000", "a/b", "v1"))),
            ("localhost/a:1", Some(("localhost", "a", "1"))),
            ("127.0.0.1:5000/a", Some(("127.0.0.1:5000", "a", "latest"))),
            ("[::1]:5000/a", Some(("[::1]:5000", "a", "latest"))),
            (&by_digest, Some(("r.example", "a", &digest))),
            (&by_both, Some(("r.example", "a", &digest))),
            // No registry, or none that could not as well be a part of a path.
            ("debian", None),
            ("library/debian", None),
            ("", None),
            ("/a", None),
            ("r.example/", None),
            ("r.example/A", None),
            ("r.example/a/../b", None),
            ("r.example/a?x=y", None),
            ("r.example/a#x", None),
            ("user@r.example/a", None),
            ("r.example:0/a", None),
            ("r.example:x/a", None),
            ("r.example/a:", None),
            ("r.example/a@sha256:00", None),
            ("https://r.example/a", None),
            ("[::g]/a", None),
        ] {
            let reference = text.parse::<Reference>().ok();
            let found = reference.as_ref().map(|found| (found.registry(), found.repository(), found.version()));
            let expected = parts.map(|(registry, repository, version)| (registry, repository, version.to_owned()));
            assert_eq!(found, expected, "{text:?}");
        }
    }

    #[test]
    fn only_what_says_so_is_this_machine() {
        for (text, loopback) in [
            ("127.0.0.1:5000/a", true),
            ("127.8.8.8/a", true),
            ("[::1]:1/a", true),
            ("localhost:5000/a", true),
            ("localhost.example/a", false),
            ("10.0.0.1:5000/a", false),
            ("[2001:db8::1]/a", false),
            ("r.example/a", false),
        ] {
            assert_eq!(text.parse::<Reference>().unwrap().is_loopback(), loopback, "{text}");
        }
    }

    #[test]
    fn images_are_called_after_where_they_come_from() {
        let digest = Digest::of(b"");
        for (text, name) in [
            ("r.example:5000/a/b".to_owned(), Some("r.example:5000/a/b:latest")),
            (format!("r.example/a@{digest}"), Some("r.example/a:sha256-e3b0c44298fc")),
            ("[::1]:5000/a".to_owned(), None),
        ] {
            let found = text.parse::<Reference>().unwrap().name();
            assert_eq!(found.as_ref().map(ImageName::as_str), name, "{text}");
        }
    }
}
