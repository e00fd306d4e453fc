//! Names of archive members: bytes, never text, never trusted.

use super::{Problem, Refusal};

/// Longest path in bytes of a member or a packed file, from the work directory: what the kernel accepts in one call
/// (`PATH_MAX` of `limits.h`) without the terminating zero. It also bounds the depth of a tree, to 2,048 levels.
pub const MAX_PATH_BYTES: usize = 4095;

/// Longest name of one file in bytes (`NAME_MAX` of `limits.h`).
const MAX_COMPONENT_BYTES: usize = 255;

/// Longest name in a message, in bytes.
const MAX_SHOWN_BYTES: usize = 256;

/// The canonical form of a member's name or a hard link's target: components joined by single slashes, without `.`.
/// Empty for the root itself (`/`, `./`, `.` or nothing).
///
/// # Errors
///
/// [`Refusal::PathOutside`] when it is absolute or holds `..`, [`Refusal::PathTooLong`] above the bounds of a path.
pub(super) fn normalize(name: &[u8]) -> Result<Vec<u8>, Problem> {
    let mut normal = Vec::with_capacity(name.len());
    for component in components(name) {
        if component == b".." {
            return Err(Refusal::PathOutside(shown(name)).into());
        }
        if !normal.is_empty() {
            normal.push(b'/');
        }
        normal.extend_from_slice(component);
        if component.len() > MAX_COMPONENT_BYTES || normal.len() > MAX_PATH_BYTES {
            return Err(Refusal::PathTooLong(shown(name)).into());
        }
    }
    if name.first() == Some(&b'/') && !normal.is_empty() {
        return Err(Refusal::PathOutside(shown(name)).into());
    }
    Ok(normal)
}

/// The member that a symbolic link points to, by names alone: `target` seen from the directory of `link`.
/// Nothing when it is absolute or climbs out of the archive.
pub(super) fn resolve(link: &[u8], target: &[u8]) -> Option<Vec<u8>> {
    if target.first() == Some(&b'/') {
        return None;
    }
    let mut path: Vec<&[u8]> = components(split(link).0).collect();
    for component in components(target) {
        if component == b".." {
            path.pop()?;
        } else {
            path.push(component);
        }
    }
    Some(path.join(&b'/'))
}

/// Directory and last component of a normalized name; the directory is empty at the top.
pub(super) fn split(name: &[u8]) -> (&[u8], &[u8]) {
    match name.iter().rposition(|&byte| byte == b'/') {
        Some(slash) => (&name[..slash], &name[slash + 1..]),
        None => (&[], name),
    }
}

/// A name for messages: text, on one line, of bounded length.
pub(super) fn shown(name: &[u8]) -> String {
    let cut = name.len().min(MAX_SHOWN_BYTES);
    let mut text = String::with_capacity(cut + 3);
    for character in String::from_utf8_lossy(&name[..cut]).chars() {
        if character.is_control() {
            text.extend(character.escape_default());
        } else {
            text.push(character);
        }
    }
    if cut < name.len() {
        text.push_str("...");
    }
    text
}

fn components(name: &[u8]) -> impl Iterator<Item = &[u8]> {
    name.split(|&byte| byte == b'/').filter(|component| !component.is_empty() && *component != b".")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_one_form() {
        for (name, normal) in [
            ("", ""),
            ("/", ""),
            ("//", ""),
            (".", ""),
            ("./", ""),
            ("/.", ""),
            ("a", "a"),
            ("./a", "a"),
            ("a/", "a"),
            ("a//b/./c/", "a/b/c"),
            ("...", "..."),
            ("a/..b", "a/..b"),
            (" a", " a"),
        ] {
            assert_eq!(normalize(name.as_bytes()), Ok(normal.into()), "{name:?}");
        }
    }

    #[test]
    fn names_that_leave_are_refused() {
        for name in ["/a", "//a", "/./a", "..", "../a", "a/..", "a/../b", "./..", "/.."] {
            assert_eq!(normalize(name.as_bytes()), Err(Refusal::PathOutside(name.into()).into()), "{name:?}");
        }
    }

    #[test]
    fn long_names_are_refused() {
        let component = "c".repeat(255);
        assert!(normalize(component.as_bytes()).is_ok());
        assert!(normalize(format!("{component}c").as_bytes()).is_err());
        let longest = format!("{}d", "a/".repeat(2047));
        assert_eq!(longest.len(), MAX_PATH_BYTES);
        assert!(normalize(longest.as_bytes()).is_ok());
        let Err(Problem::Refused(Refusal::PathTooLong(name))) = normalize(format!("{longest}d").as_bytes()) else {
            panic!("one byte more is too long");
        };
        assert!(name.len() < 300);
    }

    #[test]
    fn links_resolve_by_names() {
        for (link, target, member) in [
            ("l", "a", Some("a")),
            ("d/l", "a", Some("d/a")),
            ("d/l", "../a", Some("a")),
            ("d/l", "./e/../a", Some("d/a")),
            ("d/l", "..", Some("")),
            ("l", "../a", None),
            ("l", "/a", None),
        ] {
            let member = member.map(|member| member.as_bytes().to_vec());
            assert_eq!(resolve(link.as_bytes(), target.as_bytes()), member, "{link} -> {target}");
        }
    }

    #[test]
    fn shown_names_are_one_short_line_of_text() {
        assert_eq!(shown(b"a'\"b"), "a'\"b");
        assert_eq!(shown(b"a\nb\x1b[0m"), "a\\nb\\u{1b}[0m");
        assert_eq!(shown(b"a\xffb"), "a\u{fffd}b");
        assert_eq!(shown(&[b'x'; 1000]).len(), MAX_SHOWN_BYTES + 3);
    }
}
