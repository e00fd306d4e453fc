//! Who we are to a registry.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::io::Read;
use std::path::PathBuf;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde::Deserialize;

/// Bytes of Docker's file with its logins.
const MAX_FILE_BYTES: u64 = 1 << 20;

/// A name and a password, or a token in its place.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// The name.
    pub username: String,
    /// What only its owner knows.
    pub password: String,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("username", &self.username).finish_non_exhaustive()
    }
}

impl Credentials {
    /// Those of the process's environment (`BELLJAR_REGISTRY_USERNAME` and `BELLJAR_REGISTRY_PASSWORD`), else those that
    /// `docker login` has left for this registry in `config.json`, in `$DOCKER_CONFIG` or `~/.docker`. Programs that keep passwords
    /// (`credsStore`) are not called.
    #[must_use]
    pub fn find(registry: &str, variable: impl Fn(&str) -> Option<OsString>) -> Option<Self> {
        let text = |name| variable(name).and_then(|value| value.into_string().ok()).filter(|value| !value.is_empty());
        if let (Some(username), Some(password)) = (text("BELLJAR_REGISTRY_USERNAME"), text("BELLJAR_REGISTRY_PASSWORD"))
        {
            return Some(Self { username, password });
        }
        let directory = variable("DOCKER_CONFIG").map(PathBuf::from);
        let directory = directory.or_else(|| Some(PathBuf::from(variable("HOME")?).join(".docker")))?;
        let mut bytes = Vec::new();
        let file = std::fs::File::open(directory.join("config.json")).ok()?;
        file.take(MAX_FILE_BYTES).read_to_end(&mut bytes).ok()?;
        Self::of_docker(&bytes, registry)
    }

    fn of_docker(file: &[u8], registry: &str) -> Option<Self> {
        #[derive(Deserialize)]
        struct Logins {
            #[serde(default)]
            auths: BTreeMap<String, Login>,
        }
        #[derive(Deserialize)]
        struct Login {
            #[serde(default)]
            auth: String,
        }
        let logins: Logins = serde_json::from_slice(file).ok()?;
        // Written as a host, or in former times as a URL.
        let host = |key: &str| {
            let rest = key.split_once("://").map_or(key, |(_, rest)| rest);
            rest.split('/').next().is_some_and(|host| host == registry)
        };
        let login = logins.auths.iter().find(|(key, _)| host(key)).map(|(_, login)| login)?;
        let decoded = String::from_utf8(BASE64_STANDARD.decode(&login.auth).ok()?).ok()?;
        let (username, password) = decoded.split_once(':')?;
        let password = password.trim_end_matches('\0');
        Some(Self { username: username.to_owned(), password: password.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logins_are_found_by_registry_and_not_shown() {
        let auth = BASE64_STANDARD.encode("me:a:secret");
        let file = format!(
            r#"{{"auths": {{"https://old.example/v1/": {{"auth": "{auth}"}}, "r.example:5000": {{"auth": "{auth}"}}, "x": {{}}}}}}"#
        );
        for (registry, found) in
            [("r.example:5000", true), ("old.example", true), ("r.example", false), ("x", false), ("example", false)]
        {
            let credentials = Credentials::of_docker(file.as_bytes(), registry);
            assert_eq!(credentials.is_some(), found, "{registry}");
            if let Some(credentials) = credentials {
                assert_eq!((credentials.username.as_str(), credentials.password.as_str()), ("me", "a:secret"));
                assert!(!format!("{credentials:?}").contains("secret"));
            }
        }
        for broken in ["", "{}", "[]", r#"{"auths": {"x": {"auth": "%%"}}}"#, r#"{"auths": {"x": {"auth": "bWU="}}}"#] {
            assert_eq!(Credentials::of_docker(broken.as_bytes(), "x"), None, "{broken}");
        }
    }

    #[test]
    fn variables_come_first() {
        let both = |name: &str| match name {
            "BELLJAR_REGISTRY_USERNAME" => Some("me".into()),
            "BELLJAR_REGISTRY_PASSWORD" => Some("secret".into()),
            _ => None,
        };
        let found = Credentials::find("r.example", both);
        assert_eq!(found, Some(Credentials { username: "me".to_owned(), password: "secret".to_owned() }));
        assert_eq!(Credentials::find("r.example", |_| None), None);
    }
}
