//! API keys.

use std::fmt;
use std::fs;
use std::hint::black_box;
use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use http::HeaderMap;
use http::header::AUTHORIZATION;
use sha2::{Digest, Sha256};
use tracing::warn;

/// Shortest API key, in bytes: shorter ones can be guessed.
const MIN_KEY_BYTES: usize = 16;

/// The keys that open the API, as SHA-256 digests: who reads the configuration or the memory of the server does not have them.
///
/// A plain digest does for keys, unlike for passwords, as nobody thinks them up: use 128 random bits or more.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct ApiKeys {
    digests: Vec<[u8; 32]>,
}

/// Why API keys cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// The file cannot be read.
    #[error("cannot read the API keys in `{}`", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A digest is not one.
    #[error("`api_keys` holds something else than `sha256:` and 64 hexadecimal digits")]
    NotADigest,
    /// A line of the file is neither a digest nor a usable key.
    #[error("line {line} of `{}` is not an API key: {problem}", path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// The file holds no key, which would open the API to everybody.
    #[error("there is no API key in `{}`", path.display())]
    Empty {
        /// The file.
        path: PathBuf,
    },
}

impl ApiKeys {
    /// Keys by their digests: `sha256:` and 64 hexadecimal digits.
    ///
    /// # Errors
    ///
    /// When a text is something else.
    pub fn from_digests(digests: &[impl AsRef<str>]) -> Result<Self, KeyError> {
        let digests = digests.iter().map(|text| {
            let digits = text.as_ref().strip_prefix("sha256:").ok_or(KeyError::NotADigest)?;
            parse_digest(digits).ok_or(KeyError::NotADigest)
        });
        Ok(Self { digests: digests.collect::<Result<_, _>>()? })
    }

    /// Adds the keys in a file, one per line, as digests or as they are.
    ///
    /// # Errors
    ///
    /// When the file cannot be read, holds no key, or something else.
    pub fn add_file(&mut self, path: &Path) -> Result<(), KeyError> {
        let text = fs::read_to_string(path).map_err(|source| KeyError::Read { path: path.to_owned(), source })?;
        let before = self.digests.len();
        for (index, line) in text.lines().enumerate() {
            let problem = |problem| KeyError::Line { path: path.to_owned(), line: index + 1, problem };
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            self.digests.push(match line.strip_prefix("sha256:") {
                Some(digits) => parse_digest(digits).ok_or_else(|| problem("a digest has 64 hexadecimal digits"))?,
                None if line.len() < MIN_KEY_BYTES => return Err(problem("it has less than 16 characters")),
                None => digest(line.as_bytes()),
            });
        }
        if self.digests.len() == before {
            return Err(KeyError::Empty { path: path.to_owned() });
        }
        Ok(())
    }

    /// Whether there are none, so that everybody is served.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.digests.is_empty()
    }

    /// Whether the headers of a request carry one of the keys, or none is needed.
    pub(crate) fn admit(&self, headers: &HeaderMap) -> bool {
        if self.is_empty() {
            return true;
        }
        let bearer = headers.get(AUTHORIZATION).and_then(|value| {
            let (scheme, key) = value.as_bytes().split_at_checked(7)?;
            scheme.eq_ignore_ascii_case(b"bearer ").then_some(key.trim_ascii())
        });
        let own = headers.get("x-api-key").map(|value| value.as_bytes());
        // Evaluated both, always.
        self.holds(bearer) | self.holds(own)
    }

    /// Whether this is one of the keys. Takes as long whichever it is and wherever it differs.
    fn holds(&self, key: Option<&[u8]>) -> bool {
        let presented = digest(key.unwrap_or_default());
        let found = self.digests.iter().fold(false, |found, known| {
            let difference = known.iter().zip(&presented).fold(0, |sum, (one, other)| sum | (one ^ other));
            found | (black_box(difference) == 0)
        });
        found & key.is_some()
    }
}

impl fmt::Debug for ApiKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ApiKeys({})", self.digests.len())
    }
}

fn digest(key: &[u8]) -> [u8; 32] {
    Sha256::digest(key).into()
}

fn parse_digest(digits: &str) -> Option<[u8; 32]> {
    let mut digest = [0; 32];
    if digits.len() != 64 || !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return None;
    }
    for (byte, pair) in digest.iter_mut().zip(digits.as_bytes().chunks_exact(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(digest)
}

/// Tells the log of requests with a wrong key or none, without letting them fill it.
#[derive(Debug, Default)]
pub(crate) struct Refusals {
    state: Mutex<RefusalState>,
}

#[derive(Debug, Default)]
struct RefusalState {
    told: Option<Instant>,
    untold: u64,
}

impl Refusals {
    /// At most one line in this time.
    const INTERVAL: Duration = Duration::from_secs(1);

    /// Counts one, and tells the log of it and of those that it was not told of.
    pub(crate) fn note(&self, peer: IpAddr) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.untold += 1;
        let now = Instant::now();
        if state.told.is_none_or(|told| now.duration_since(told) >= Self::INTERVAL) {
            warn!(%peer, requests = state.untold, "Requests without a valid API key were refused; the address is that of the last.");
            *state = RefusalState { told: Some(now), untold: 0 };
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    const KEY: &str = "correct-horse-battery";
    /// `printf %s correct-horse-battery | sha256sum`
    const DIGEST: &str = "sha256:62249369389075490555a758353aec61500c6218fa597252d52dc4bd0148f12d";

    fn keys(file: &str) -> Result<ApiKeys, KeyError> {
        let mut temporary = tempfile::NamedTempFile::new().unwrap();
        temporary.write_all(file.as_bytes()).unwrap();
        let mut keys = ApiKeys::default();
        keys.add_file(temporary.path()).map(|()| keys)
    }

    fn headers(headers: &[(&'static str, &str)]) -> HeaderMap {
        headers.iter().map(|(name, value)| (http::HeaderName::from_static(name), value.parse().unwrap())).collect()
    }

    #[test]
    fn keys_open() {
        let both = [keys(&format!("# of the web server\n\n {KEY} \n")), ApiKeys::from_digests(&[DIGEST])];
        for keys in both.map(Result::unwrap) {
            for (sent, admitted) in [
                (vec![], false),
                (vec![("x-api-key", KEY)], true),
                (vec![("authorization", "Bearer correct-horse-battery")], true),
                (vec![("authorization", "bearer  correct-horse-battery")], true),
                (vec![("authorization", "Bearer x"), ("x-api-key", KEY)], true),
                (vec![("authorization", "Basic correct-horse-battery")], false),
                (vec![("authorization", "Bearer")], false),
                (vec![("authorization", "Bearer ")], false),
                (vec![("x-api-key", "")], false),
                (vec![("x-api-key", "correct-horse-batterx")], false),
                (vec![("x-api-key", DIGEST)], false),
            ] {
                assert_eq!(keys.admit(&headers(&sent)), admitted, "{sent:?}");
            }
        }
        assert!(ApiKeys::default().admit(&HeaderMap::new()));
    }

    #[test]
    fn unusable_keys_are_refused() {
        assert!(matches!(keys("short\n"), Err(KeyError::Line { line: 1, .. })));
        assert!(matches!(keys("# nothing\n"), Err(KeyError::Empty { .. })));
        assert!(matches!(keys("sha256:12\n"), Err(KeyError::Line { .. })));
        assert!(matches!(ApiKeys::from_digests(&[KEY]), Err(KeyError::NotADigest)));
        assert!(matches!(ApiKeys::default().add_file(Path::new("/nonexistent")), Err(KeyError::Read { .. })));
    }

    #[test]
    fn keys_are_not_printed() {
        let printed = format!("{:?}", keys(KEY).unwrap());
        assert_eq!(printed, "ApiKeys(1)");
    }
}
