//! Addresses as people write them.

use crate::http::Settings;

/// Completes an address that is only a host, or a host and a port: `http` and this port are what these products have when nobody changes it.
pub(super) fn complete(mut http: Settings, port: u16) -> Settings {
    if !http.address.contains("://") {
        let (authority, path) = http.address.split_at(http.address.find('/').unwrap_or(http.address.len()));
        let host_ends = authority.rfind(']').unwrap_or(0).max(authority.rfind('@').unwrap_or(0));
        let port = if authority[host_ends..].contains(':') { String::new() } else { format!(":{port}") };
        http.address = format!("http://{authority}{port}{path}");
    }
    http
}

/// Completes an address that is only a host: `https`, and whatever port that has, is what these products have.
pub(super) fn secure(mut http: Settings) -> Settings {
    if !http.address.contains("://") {
        http.address.insert_str(0, "https://");
    }
    http
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 12, 13, 63, 64: hosts, ports and paths in all the forms that InQuest's clients take.
    #[test]
    fn a_host_is_enough() {
        for (written, meant) in [
            ("cuckoo", "http://cuckoo:8090"),
            ("localhost", "http://localhost:8090"),
            ("cuckoo:80", "http://cuckoo:80"),
            ("cuckoo/test/", "http://cuckoo:8090/test/"),
            ("10.0.0.1:8888/a:b", "http://10.0.0.1:8888/a:b"),
            ("[::1]", "http://[::1]:8090"),
            ("[::1]:1/x", "http://[::1]:1/x"),
            ("me:pw@cuckoo", "http://me:pw@cuckoo:8090"),
            ("https://cuckoo/", "https://cuckoo/"),
            ("http://cuckoo", "http://cuckoo"),
        ] {
            assert_eq!(complete(Settings::new("lab", written), 8090).address, meant);
        }
    }

    /// 87, 109: hosts, with a scheme and without. One that is written is kept, where InQuest's clients drop it.
    #[test]
    fn a_host_is_enough_and_secure() {
        for (written, meant) in [
            ("www.hybrid-analysis.com", "https://www.hybrid-analysis.com"),
            ("fireeye:8443", "https://fireeye:8443"),
            ("https://falcon", "https://falcon"),
            ("http://falcon", "http://falcon"),
        ] {
            assert_eq!(secure(Settings::new("lab", written)).address, meant);
        }
    }
}
