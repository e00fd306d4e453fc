//! Cookies of a session (RFC 6265), of the sandbox's own hosts alone. Ports do not matter to cookies.

use std::collections::BTreeMap;

use http::{HeaderMap, header};

/// Cookies of a host, at most.
const MAX_COOKIES: usize = 32;
/// Bytes of a cookie, at most.
const MAX_BYTES: usize = 4096;

/// What hosts have asked to be told again.
#[derive(Default)]
pub(super) struct Jar(BTreeMap<String, Vec<Cookie>>);

struct Cookie {
    name: String,
    value: String,
    path: String,
    secure: bool,
}

/// Values are as good as passwords.
impl std::fmt::Debug for Jar {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Jar({} hosts)", self.0.len())
    }
}

impl Jar {
    /// Keeps what an answer asks for. One that has expired, or would be too much, is not kept.
    pub(super) fn keep(&mut self, host: &str, path: &str, headers: &HeaderMap) {
        for line in headers.get_all(header::SET_COOKIE) {
            let Ok(line) = line.to_str() else { continue };
            let Some((cookie, expired)) = read(line, path) else { continue };
            let cookies = self.0.entry(host.to_owned()).or_default();
            cookies.retain(|held| (held.name.as_str(), held.path.as_str()) != (&cookie.name, &cookie.path));
            if !expired && cookies.len() < MAX_COOKIES && line.len() <= MAX_BYTES {
                cookies.push(cookie);
            }
        }
    }

    /// What a host is told again, as a header.
    pub(super) fn header(&self, host: &str, path: &str, secure: bool) -> Option<String> {
        let fits = |cookie: &&Cookie| (secure || !cookie.secure) && is_below(path, &cookie.path);
        let cookies = self.0.get(host)?.iter().filter(fits);
        let all: Vec<String> = cookies.map(|cookie| format!("{}={}", cookie.name, cookie.value)).collect();
        (!all.is_empty()).then(|| all.join("; "))
    }

    /// All values, to be kept out of what is said.
    pub(super) fn values(&self) -> impl Iterator<Item = &str> {
        self.0.values().flatten().map(|cookie| cookie.value.as_str())
    }
}

/// A cookie, and whether it is over already.
fn read(line: &str, path: &str) -> Option<(Cookie, bool)> {
    let mut parts = line.split(';');
    let (name, value) = parts.next()?.split_once('=')?;
    let (name, value) = (name.trim(), value.trim());
    if name.is_empty() {
        return None;
    }
    let default = path.rsplit_once('/').map_or("/", |(before, _)| if before.is_empty() { "/" } else { before });
    let mut cookie = Cookie { name: name.to_owned(), value: value.to_owned(), path: default.to_owned(), secure: false };
    let mut expired = value.is_empty();
    for part in parts {
        let (name, value) = part.split_once('=').unwrap_or((part, ""));
        match name.trim().to_ascii_lowercase().as_str() {
            "secure" => cookie.secure = true,
            "path" if value.trim().starts_with('/') => value.trim().clone_into(&mut cookie.path),
            // Dates are not read: clocks differ. Those who take a cookie back say it in seconds too, or send it empty.
            "max-age" => expired |= value.trim().parse().is_ok_and(|seconds: i64| seconds <= 0),
            _ => {}
        }
    }
    Some((cookie, expired))
}

/// RFC 6265, 5.1.4.
fn is_below(path: &str, of: &str) -> bool {
    path.strip_prefix(of).is_some_and(|rest| rest.is_empty() || of.ends_with('/') || rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cookie_goes_where_it_came_from() {
        let mut jar = Jar::default();
        for line in ["idp=1; Path=/; HttpOnly", "deep=2", "safe=3; Path=/; Secure", "old=4; Path=/", "none"] {
            jar.keep("h", "/ui/login", &HeaderMap::from_iter([(header::SET_COOKIE, line.parse().expect("a header"))]));
        }
        let gone = "old=; Path=/; Max-Age=0".parse().expect("a header");
        jar.keep("h", "/ui/login", &HeaderMap::from_iter([(header::SET_COOKIE, gone)]));
        for (host, path, secure, told) in [
            ("h", "/api", false, Some("idp=1")),
            ("h", "/api", true, Some("idp=1; safe=3")),
            ("h", "/ui/x", false, Some("idp=1; deep=2")),
            ("h", "/uix", false, Some("idp=1")),
            ("other", "/", true, None),
        ] {
            assert_eq!(jar.header(host, path, secure).as_deref(), told, "{host} {path}");
        }
        assert_eq!(format!("{jar:?}"), "Jar(1 hosts)");
    }
}
