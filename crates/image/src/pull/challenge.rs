//! What a registry asks for when it does not know us (RFC 9110, 11.6.1; the distribution project's token authentication).

/// How a registry wants to be asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Challenge {
    /// By name and password, with each request.
    Basic,
    /// By a token that somebody else gives away.
    Bearer {
        /// The address of who does.
        realm: String,
        /// What to ask it for.
        service: Option<String>,
        /// What for, when the registry says so.
        scope: Option<String>,
    },
}

impl Challenge {
    /// Reads a header's value. Nothing when it asks for something that we cannot do.
    #[must_use]
    pub fn parse(header: &str) -> Option<Self> {
        let (scheme, rest) = header.trim().split_once(' ').unwrap_or((header.trim(), ""));
        if scheme.eq_ignore_ascii_case("basic") {
            return Some(Self::Basic);
        }
        if !scheme.eq_ignore_ascii_case("bearer") {
            return None;
        }
        let (mut realm, mut service, mut scope) = (None, None, None);
        for (key, value) in Parameters(rest) {
            let place = match key.to_ascii_lowercase().as_str() {
                "realm" => &mut realm,
                "service" => &mut service,
                "scope" => &mut scope,
                _ => continue,
            };
            *place = place.take().or(Some(value));
        }
        Some(Self::Bearer { realm: realm?, service, scope })
    }
}

/// `key=value` and `key="value"`, separated by commas. Ends at what is not well-formed.
struct Parameters<'a>(&'a str);

impl Iterator for Parameters<'_> {
    type Item = (String, String);

    fn next(&mut self) -> Option<(String, String)> {
        let (key, rest) = self.0.trim_start_matches([' ', '\t', ',']).split_once('=')?;
        let (key, rest) = (key.trim().to_owned(), rest.trim_start());
        let Some(quoted) = rest.strip_prefix('"') else {
            let end = rest.find(',').unwrap_or(rest.len());
            self.0 = &rest[end..];
            return Some((key, rest[..end].trim().to_owned()));
        };
        let mut value = String::new();
        let mut characters = quoted.char_indices();
        while let Some((at, character)) = characters.next() {
            match character {
                '"' => {
                    self.0 = &quoted[at + 1..];
                    return Some((key, value));
                }
                '\\' => value.push(characters.next()?.1),
                other => value.push(other),
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn challenges_are_understood() {
        let bearer = |realm: &str, service: Option<&str>, scope: Option<&str>| {
            Some(Challenge::Bearer {
                realm: realm.to_owned(),
                service: service.map(str::to_owned),
                scope: scope.map(str::to_owned),
            })
        };
        for (header, challenge) in [
            ("Basic realm=\"x\"", Some(Challenge::Basic)),
            ("basic", Some(Challenge::Basic)),
            (
                r#"Bearer realm="https://a.example/token",service="r.example",scope="repository:a/b:pull,push""#,
                bearer("https://a.example/token", Some("r.example"), Some("repository:a/b:pull,push")),
            ),
            (r#"bearer  REALM = "x" , service=y"#, bearer("x", Some("y"), None)),
            (r#"Bearer realm="a\"b",realm="second""#, bearer("a\"b", None, None)),
            (r#"Bearer service="x""#, None),
            (r#"Bearer realm="never ends"#, None),
            ("Bearer", None),
            ("Negotiate", None),
            ("", None),
        ] {
            assert_eq!(Challenge::parse(header), challenge, "{header:?}");
        }
    }
}
