//! Cookies within one chain of redirects: some services set one and want to see it at the next URL.
//!
//! A cookie goes back to the very host that set it and to no other, whatever domain it names; so no list of public suffixes is needed.

use http::HeaderValue;
use http::header::{HeaderMap, SET_COOKIE};
use url::Url;

/// Cookies of one chain, at most.
const MOST_COOKIES: usize = 50;
/// Bytes of one cookie, at most, as browsers have it.
const MOST_COOKIE_BYTES: usize = 4096;

/// The cookies of one chain.
#[derive(Debug, Default)]
pub(super) struct Jar(Vec<Cookie>);

#[derive(Debug)]
struct Cookie {
    name: String,
    value: String,
    host: String,
    path: String,
    secure: bool,
}

impl Jar {
    /// Takes what an answer from this URL sets. Names that were there are replaced, and removed by `Max-Age=0`.
    pub(super) fn take(&mut self, url: &Url, headers: &HeaderMap) {
        for header in headers.get_all(SET_COOKIE) {
            let Some((cookie, is_kept)) = header.to_str().ok().and_then(|text| read(url, text)) else { continue };
            self.0.retain(|old| (&old.name, &old.host, &old.path) != (&cookie.name, &cookie.host, &cookie.path));
            if is_kept && self.0.len() < MOST_COOKIES {
                self.0.push(cookie);
            }
        }
    }

    /// The header for a request to this URL.
    pub(super) fn header(&self, url: &Url) -> Option<HeaderValue> {
        let fitting = self.0.iter().filter(|cookie| cookie.fits(url));
        let text = fitting.map(|cookie| format!("{}={}", cookie.name, cookie.value)).collect::<Vec<_>>().join("; ");
        if text.is_empty() { None } else { HeaderValue::from_str(&text).ok() }
    }
}

impl Cookie {
    fn fits(&self, url: &Url) -> bool {
        let below = url.path().strip_prefix(&self.path);
        let in_path = below.is_some_and(|rest| rest.is_empty() || rest.starts_with('/') || self.path.ends_with('/'));
        url.host_str() == Some(&self.host) && in_path && (!self.secure || url.scheme() == "https")
    }
}

/// The cookie of one `Set-Cookie`, and whether it is kept.
fn read(url: &Url, text: &str) -> Option<(Cookie, bool)> {
    if text.len() > MOST_COOKIE_BYTES {
        return None;
    }
    let mut parts = text.split(';');
    let (name, value) = parts.next()?.split_once('=')?;
    let directory = url.path().rsplit_once('/').map_or("/", |(directory, _)| directory);
    let mut cookie = Cookie {
        name: name.trim().to_owned(),
        value: value.trim().to_owned(),
        host: url.host_str()?.to_owned(),
        path: if directory.is_empty() { "/".to_owned() } else { directory.to_owned() },
        secure: false,
    };
    let mut is_kept = !cookie.name.is_empty();
    for attribute in parts {
        let (name, value) = attribute.split_once('=').unwrap_or((attribute, ""));
        match name.trim().to_ascii_lowercase().as_str() {
            "path" if value.trim().starts_with('/') => value.trim().clone_into(&mut cookie.path),
            "secure" => cookie.secure = true,
            "max-age" => is_kept &= value.trim().parse::<i64>().is_ok_and(|seconds| seconds > 0),
            _ => {}
        }
    }
    Some((cookie, is_kept))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cookie_goes_back_to_where_it_came_from() {
        let url = |text: &str| Url::parse(text).unwrap();
        for (from, set, to, sent) in [
            ("http://a/x/y", "k=v", "http://a/x/z", Some("k=v")),
            ("http://a/x/y", "k=v", "http://a/", None),
            ("http://a/x/y", "k=v", "http://a/xx", None),
            ("http://a/x/y", "k=v; Path=/", "http://a/", Some("k=v")),
            ("http://a/", "k=v; HttpOnly; SameSite=Lax", "http://a:81/b", Some("k=v")),
            ("http://a/", "k=v", "http://b/", None),
            ("http://a.example/", "k=v; Domain=example", "http://b.example/", None),
            ("https://a/", "k=v; secure", "http://a/", None),
            ("https://a/", "k=v; secure", "https://a/", Some("k=v")),
            ("http://a/", "k=v; Max-Age=0", "http://a/", None),
            ("http://a/", "k=a=b", "http://a/", Some("k=a=b")),
            ("http://a/", "=v", "http://a/", None),
            ("http://a/", "novalue", "http://a/", None),
        ] {
            let mut jar = Jar::default();
            let headers = HeaderMap::from_iter([(SET_COOKIE, HeaderValue::from_static(set))]);
            jar.take(&url(from), &headers);
            assert_eq!(jar.header(&url(to)).as_ref().map(|header| header.to_str().unwrap()), sent, "{from} {set} {to}");
        }
    }

    #[test]
    fn the_last_one_of_a_name_counts_and_there_are_not_too_many() {
        let mut jar = Jar::default();
        let here = Url::parse("http://a/").unwrap();
        for number in 0..2 * MOST_COOKIES {
            for name in ["same".to_owned(), format!("k{number}")] {
                let value = HeaderValue::try_from(format!("{name}={number}")).unwrap();
                jar.take(&here, &HeaderMap::from_iter([(SET_COOKIE, value)]));
            }
        }
        assert_eq!(jar.0.len(), MOST_COOKIES);
        assert!(jar.header(&here).unwrap().to_str().unwrap().contains("k0=0; k1=1;"));
        let gone = HeaderMap::from_iter([(SET_COOKIE, HeaderValue::from_static("k0=; Max-Age=-1"))]);
        jar.take(&here, &gone);
        assert!(!jar.header(&here).unwrap().to_str().unwrap().contains("k0="));
    }
}
