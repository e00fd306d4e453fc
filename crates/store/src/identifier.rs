//! Names of what is stored: parsed strictly, written in one way only.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use uuid::Uuid;

/// A text that is no identifier of the kind that was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not {expected}")]
pub struct InvalidId {
    expected: &'static str,
}

/// Name of a saved working directory.
///
/// New ones are random (UUID version 4, 122 bits): who does not know the name cannot guess it. Any version and variant is
/// accepted when parsing, but one spelling only: 36 characters, lower-case hexadecimal in groups of 8-4-4-4-12. So a name that
/// was parsed is safe as a path component, and two names are equal exactly if their texts are.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EnvironmentId(Uuid);

impl EnvironmentId {
    /// A new name, from the system's random number generator.
    #[must_use]
    pub fn random() -> Self {
        Self(Uuid::new_v4())
    }

    /// The same name as a UUID.
    #[must_use]
    pub const fn as_uuid(&self) -> &Uuid {
        &self.0
    }

    pub(crate) const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(Uuid::from_bytes(bytes))
    }
}

impl FromStr for EnvironmentId {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        // The parser of `uuid` also takes braces, `urn:uuid:`, upper case and no hyphens: four names of one file.
        let canonical = text.len() == 36
            && text.bytes().enumerate().all(|(at, byte)| match at {
                8 | 13 | 18 | 23 => byte == b'-',
                _ => byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte),
            });
        let invalid = InvalidId { expected: "a UUID of 36 characters in lower case" };
        if !canonical {
            return Err(invalid);
        }
        Uuid::try_parse(text).map(Self).map_err(|_| invalid)
    }
}

impl fmt::Display for EnvironmentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self.0.as_hyphenated(), f)
    }
}

impl fmt::Debug for EnvironmentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EnvironmentId({self})")
    }
}

/// Name of a blob: the SHA-256 of its bytes (FIPS 180-4), written as 64 characters of lower-case hexadecimal.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BlobId([u8; 32]);

impl BlobId {
    /// The name of the blob with this digest.
    #[must_use]
    pub const fn from_digest(digest: [u8; 32]) -> Self {
        Self(digest)
    }

    /// The digest itself.
    #[must_use]
    pub const fn digest(&self) -> &[u8; 32] {
        &self.0
    }
}

impl FromStr for BlobId {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let invalid = InvalidId { expected: "a SHA-256 of 64 hexadecimal characters in lower case" };
        let nibble = |character: u8| match character {
            b'0'..=b'9' => Ok(character - b'0'),
            b'a'..=b'f' => Ok(character - b'a' + 10),
            _ => Err(invalid),
        };
        if text.len() != 64 {
            return Err(invalid);
        }
        let mut digest = [0; 32];
        for (byte, pair) in digest.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
            *byte = (nibble(pair[0])? << 4) | nibble(pair[1])?;
        }
        Ok(Self(digest))
    }
}

impl fmt::Display for BlobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for BlobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BlobId({self})")
    }
}

/// Serialized as the text, and parsed as strictly as it.
macro_rules! serialize_as_text {
    ($($name:ty),*) => {$(
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                to.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                let text = String::deserialize(from)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    )*};
}

serialize_as_text!(EnvironmentId, BlobId);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const CANONICAL: &str = "39a843f6-0f46-4f90-b2af-b7724106f954";

    #[test]
    fn environment_names_have_one_spelling() {
        let cases = [
            (CANONICAL, true),
            ("00000000-0000-0000-0000-000000000000", true),
            ("ffffffff-ffff-ffff-ffff-ffffffffffff", true),
            ("0190163d-8694-739b-aea5-966c26f8ad91", true), // version 7
            ("39A843F6-0F46-4F90-B2AF-B7724106F954", false),
            ("39a843f60f464f90b2afb7724106f954", false),
            ("{39a843f6-0f46-4f90-b2af-b7724106f954}", false),
            ("urn:uuid:39a843f6-0f46-4f90-b2af-b7724106f954", false),
            ("39a843f6-0f46-4f90-b2af-b7724106f95", false),
            ("39a843f6-0f46-4f90-b2af-b7724106f9544", false),
            ("39a843f60-f46-4f90-b2af-b7724106f954", false),
            ("39a843f6-0f46-4f90-b2af-b7724106f95g", false),
            ("39a843f6-0f46-4f90-b2af-b7724106f95\0", false),
            ("39a843f6-0f46-4f90-b2af-b7724106f95\n", false),
            (" 39a843f6-0f46-4f90-b2af-b7724106f95", false),
            ("../../../../../../../etc/passwd-----", false),
            ("39a843f6-0f46-4f90-b2af-b7724106f9é", false), // 36 bytes
            ("undefined", false),
            ("", false),
        ];
        for (text, valid) in cases {
            assert_eq!(text.parse::<EnvironmentId>().is_ok(), valid, "{text:?}");
        }
    }

    #[test]
    fn random_names_are_version_4_and_differ() {
        let (one, other) = (EnvironmentId::random(), EnvironmentId::random());
        assert_eq!(one.as_uuid().get_version_num(), 4);
        assert_ne!(one, other);
    }

    proptest! {
        #[test]
        fn every_environment_name_survives_its_text(bytes: [u8; 16]) {
            let id = EnvironmentId::from_bytes(bytes);
            prop_assert_eq!(id.to_string().parse(), Ok(id));
        }

        #[test]
        fn whatever_parses_as_an_environment_name_is_written_the_same(text in ".{0,40}|[0-9a-fA-F]{8}-?([0-9a-f]{4}-){3}[0-9a-fA-F]{11,13}") {
            if let Ok(id) = text.parse::<EnvironmentId>() {
                prop_assert_eq!(id.to_string(), text);
            }
        }

        #[test]
        fn one_changed_character_keeps_the_spelling_or_is_refused(at in 0_usize..36, with: char) {
            let mut characters: Vec<char> = CANONICAL.chars().collect();
            characters[at] = with;
            let text: String = characters.into_iter().collect();
            let valid = if [8, 13, 18, 23].contains(&at) { with == '-' } else { "0123456789abcdef".contains(with) };
            prop_assert_eq!(text.parse::<EnvironmentId>().is_ok(), valid);
        }

        #[test]
        fn every_blob_name_survives_its_text(digest: [u8; 32]) {
            let id = BlobId::from_digest(digest);
            let text = id.to_string();
            prop_assert_eq!(text.len(), 64);
            prop_assert_eq!(text.parse(), Ok(id));
            if text.contains(|character: char| character.is_ascii_lowercase()) {
                prop_assert!(text.to_uppercase().parse::<BlobId>().is_err());
            }
        }
    }
}
