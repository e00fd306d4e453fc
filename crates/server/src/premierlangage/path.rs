//! Paths of the protocol.

use belljar_store::EnvironmentId;

/// What a path names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Route {
    Execute,
    Environment(EnvironmentId),
    File { environment: EnvironmentId, path: String },
    Specifications,
    Usages,
    Libraries,
}

impl Route {
    /// What the path of a URL names, decoded, with or without the slash at its end, behind any number of leading ones.
    ///
    /// The other server knows only the form with the slash and never redirects; nor do we, as a redirect turns a client's
    /// POST into a GET.
    pub(crate) fn of(path: &str) -> Option<Self> {
        let path = decode(path);
        let path = path.trim_start_matches('/');
        let path = path.strip_suffix('/').unwrap_or(path);
        let (first, rest) = path.split_once('/').map_or((path, None), |(first, rest)| (first, Some(rest)));
        match (first, rest) {
            ("execute", None) => Some(Self::Execute),
            ("specifications", None) => Some(Self::Specifications),
            ("usages", None) => Some(Self::Usages),
            ("libraries", None) => Some(Self::Libraries),
            ("environments", Some(id)) => id.parse().ok().map(Self::Environment),
            ("files", Some(rest)) => {
                let (id, path) = rest.split_once('/')?;
                let usable = !path.trim_end_matches('/').is_empty() && !path.contains('\n');
                let environment = id.parse().ok().filter(|_| usable)?;
                Some(Self::File { environment, path: path.to_owned() })
            }
            _ => None,
        }
    }

    /// The value of the header `Allow`.
    pub(super) const fn allow(&self) -> &'static str {
        match self {
            Self::Execute => "POST, OPTIONS",
            _ => "GET, HEAD, OPTIONS",
        }
    }

    /// The name of the route in metrics.
    pub(crate) const fn name(&self) -> &'static str {
        match self {
            Self::Execute => "execute",
            Self::Environment(_) => "environments",
            Self::File { .. } => "files",
            Self::Specifications => "specifications",
            Self::Usages => "usages",
            Self::Libraries => "libraries",
        }
    }
}

/// Decodes a path as UTF-8. A byte that is not stays encoded.
fn decode(path: &str) -> String {
    let bytes: Vec<u8> = percent_encoding::percent_decode_str(path).collect();
    let mut decoded = String::new();
    for chunk in bytes.utf8_chunks() {
        decoded.push_str(chunk.valid());
        for byte in chunk.invalid() {
            decoded.push_str(&format!("%{byte:02X}"));
        }
    }
    decoded
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const UUID: &str = "39a843f6-0f46-4f90-b2af-b7724106f954";

    #[test]
    fn paths_name_routes() {
        let environment: EnvironmentId = UUID.parse().unwrap();
        let file = |path: &str| Some(Route::File { environment, path: path.to_owned() });
        for (path, expected) in [
            ("/execute/", Some(Route::Execute)),
            ("/execute", Some(Route::Execute)),
            ("///execute/", Some(Route::Execute)),
            ("/execute//", None),
            ("/Execute/", None),
            ("/execute/x/", None),
            ("/usages/", Some(Route::Usages)),
            ("/usage/", None),
            ("/specifications/", Some(Route::Specifications)),
            ("/libraries", Some(Route::Libraries)),
            ("/", None),
            ("", None),
            ("*", None),
            ("/environments/", None),
            ("/environments/undefined/", None),
            ("/environments/ID/", Some(Route::Environment(environment))),
            ("//environments/ID", Some(Route::Environment(environment))),
            ("/environments/ID//", None),
            ("/environments/39A843F6-0F46-4F90-B2AF-B7724106F954/", None),
            ("/environments/39a843f60f464f90b2afb7724106f954/", None),
            ("/environments/ID/../ID/", None),
            ("/files/ID/", None),
            ("/files/ID", None),
            ("/files/ID//", None),
            ("/files/unknown/a/", None),
            ("/files/ID/a.txt/", file("a.txt")),
            ("/files/ID/a.txt", file("a.txt")),
            ("/files/ID/a.txt//", file("a.txt/")),
            ("/files/ID/dir/a b.txt/", file("dir/a b.txt")),
            ("/files/ID/a%20b%C3%A9%2Fc/", file("a bé/c")),
            ("/files/ID/%FF%/", file("%FF%")),
            ("/files/ID/../x/", file("../x")),
            ("/files/ID//a.txt/", file("/a.txt")),
            ("/files/ID/a%0Ab/", None),
        ] {
            assert_eq!(Route::of(&path.replace("ID", UUID)), expected, "{path}");
        }
    }

    proptest! {
        #[test]
        fn any_path_is_read_without_panic(path in "(/|files|environments|39a843f6-0f46-4f90-b2af-b7724106f954|%[0-9A-F]{0,2}|\\PC){0,8}") {
            let _ = Route::of(&path);
        }
    }
}
