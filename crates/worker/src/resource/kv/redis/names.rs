//! The names of keys in Redis: those of vxsandbox, to the byte.

/// How keys begin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Names {
    prefix: String,
}

impl Names {
    pub(super) fn new(prefix: Option<&str>, separator: &str) -> Self {
        Self { prefix: prefix.map(|prefix| format!("{prefix}{separator}")).unwrap_or_default() }
    }

    /// The key of a tenant's key.
    pub(super) fn value(&self, sandbox_id: &str, key: &str) -> String {
        format!("{}sandboxes#{sandbox_id}#{key}", self.prefix)
    }

    /// The key of a tenant's count.
    pub(super) fn count(&self, sandbox_id: &str) -> String {
        format!("{}count#{sandbox_id}", self.prefix)
    }

    /// The pattern that all keys of a tenant match, and no others (but those of a tenant whose id goes on with `#`).
    pub(super) fn values(&self, sandbox_id: &str) -> String {
        format!("{}*", literal(&self.value(sandbox_id, "")))
    }

    /// The pattern that all keys of all tenants match.
    pub(super) fn all_values(&self) -> String {
        format!("{}sandboxes#*", literal(&self.prefix))
    }

    /// Whose key this is, if its id has no `#`.
    pub(super) fn owner<'a>(&self, name: &'a str) -> Option<&'a str> {
        Some(name.strip_prefix(&self.prefix)?.strip_prefix("sandboxes#")?.split_once('#')?.0)
    }

    /// The pattern that all counts match.
    pub(super) fn counts(&self) -> String {
        format!("{}*", literal(&self.count("")))
    }

    /// Whose count this is the key of.
    pub(super) fn tenant<'a>(&self, count: &'a str) -> Option<&'a str> {
        count.strip_prefix(&self.prefix)?.strip_prefix("count#")
    }
}

/// A pattern that matches this text only.
fn literal(text: &str) -> String {
    let mut pattern = String::with_capacity(text.len());
    for sign in text.chars() {
        if matches!(sign, '*' | '?' | '[' | ']' | '\\' | '^') {
            pattern.push('\\');
        }
        pattern.push(sign);
    }
    pattern
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_vxsandbox() {
        for (prefix, separator, value, count) in [
            (None, ":", "sandboxes#sandbox1#foo", "count#sandbox1"),
            (Some("vumi.jsbox.kv"), ":", "vumi.jsbox.kv:sandboxes#sandbox1#foo", "vumi.jsbox.kv:count#sandbox1"),
            (Some("a"), "::", "a::sandboxes#sandbox1#foo", "a::count#sandbox1"),
            (Some(""), ":", ":sandboxes#sandbox1#foo", ":count#sandbox1"),
        ] {
            let names = Names::new(prefix, separator);
            assert_eq!(names.value("sandbox1", "foo"), value);
            assert_eq!(names.count("sandbox1"), count);
            assert_eq!(names.tenant(count), Some("sandbox1"));
            assert_eq!(names.owner(&names.value("sandbox1", "a#b")), Some("sandbox1"));
        }
        let names = Names::new(Some("p*"), ":");
        assert_eq!(names.values(r"a[b]?\"), r"p\*:sandboxes#a\[b\]\?\\#*");
        assert_eq!(names.counts(), r"p\*:count#*");
        assert_eq!(names.all_values(), r"p\*:sandboxes#*");
        assert_eq!((names.tenant("count#a"), names.owner("sandboxes#a#b")), (None, None));
    }
}
