//! Addresses may hold a user and a password, which are secrets.

use crate::secret::Secret;

/// An address without the user and password in it, for people.
pub(crate) fn without_password(address: &str) -> String {
    match reqwest::Url::parse(address) {
        Ok(mut url) if !url.username().is_empty() || url.password().is_some() => {
            // Both fail only for addresses that cannot have any.
            let _ = url.set_username("");
            let _ = url.set_password(None);
            url.to_string()
        }
        Ok(url) if url.has_host() => address.to_owned(),
        // With something before an `@` that nobody can tell from a password.
        _ => match address.rsplit_once('@') {
            Some((_, host)) => format!("…@{host}"),
            None => address.to_owned(),
        },
    }
}

/// The password in an address, to be hidden: as it is written there, and as it is meant.
pub(crate) fn passwords_in(address: &str) -> Vec<Secret> {
    let whole = if address.contains("://") { address.to_owned() } else { format!("http://{address}") };
    let url = reqwest::Url::parse(&whole).ok();
    let Some(written) = url.as_ref().and_then(reqwest::Url::password) else { return Vec::new() };
    let meant = percent_encoding::percent_decode_str(written).decode_utf8_lossy();
    vec![Secret::new(written), Secret::new(&meant)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_not_shown() {
        for (address, shown, passwords) in [
            ("http://x/a/", "http://x/a/", &[][..]),
            ("https://u:p%20w@x:1/a", "https://x:1/a", &["p%20w", "p w"]),
            ("https://token@x/", "https://x/", &[]),
            ("u:pw@x y", "…@x y", &[]),
            ("u:pw@x", "…@x", &["pw", "pw"]),
        ] {
            assert_eq!(without_password(address), shown);
            let found = passwords_in(address);
            assert_eq!(found.iter().map(Secret::reveal).collect::<Vec<_>>(), passwords, "{address}");
        }
    }
}
