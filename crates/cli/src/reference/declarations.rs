//! What the sources say about settings: documentation is not there at run time, so it is read where it is written.
//!
//! Understands the subset of Rust that settings are written in: a `pub` or `pub(crate)` struct or enum with one field or variant
//! per line.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// A field of a struct, or a variant of an enumeration by its name in TOML.
#[derive(Debug, Clone)]
pub(super) struct Field {
    pub(super) name: String,
    /// Empty for a variant.
    type_name: String,
    /// The crate that it is declared in.
    of_crate: String,
    pub(super) doc: String,
}

/// All types of some crates, by crate and name.
pub(super) struct Declarations(BTreeMap<(String, String), Vec<Field>>);

impl Declarations {
    /// Reads all sources in directories such as `execute/src`.
    pub(super) fn read(crates: &Path, directories: &[&str]) -> Self {
        let mut declarations = Self(BTreeMap::new());
        for directory in directories {
            let of_crate = directory.split('/').next().expect("a first part");
            declarations.read_directory(of_crate, &crates.join(directory));
        }
        declarations
    }

    fn read_directory(&mut self, of_crate: &str, directory: &Path) {
        let mut paths: Vec<_> =
            fs::read_dir(directory).expect("sources are there").map(|entry| entry.expect("an entry").path()).collect();
        paths.sort();
        for path in paths {
            if path.is_dir() {
                self.read_directory(of_crate, &path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                self.read_text(of_crate, &fs::read_to_string(&path).expect("sources are text"));
            }
        }
    }

    fn read_text(&mut self, of_crate: &str, text: &str) {
        let mut open: Option<(String, Vec<Field>)> = None;
        let mut doc: Vec<&str> = Vec::new();
        for line in text.lines() {
            let code = line.trim().trim_start_matches("pub(crate) ").trim_start_matches("pub ");
            if let Some(words) = code.strip_prefix("///") {
                doc.push(words.strip_prefix(' ').unwrap_or(words));
            } else if code.starts_with('#') {
                // An attribute stands between the documentation and what it is about.
            } else if let Some(name) = ["struct ", "enum "].iter().find_map(|word| code.strip_prefix(word))
                && let Some(name) = name.strip_suffix(" {")
            {
                open = Some((name.to_owned(), Vec::new()));
                doc.clear();
            } else if line == "}" {
                if let Some((name, fields)) = open.take() {
                    self.0.entry((of_crate.to_owned(), name)).or_insert(fields);
                }
            } else {
                if let Some((_, fields)) = &mut open
                    && let Some(code) = code.strip_suffix(',')
                {
                    let (name, type_name) = match code.split_once(": ") {
                        Some((name, type_name)) => (name.to_owned(), type_name.to_owned()),
                        None => (in_snake_case(code), String::new()),
                    };
                    fields.push(Field { name, type_name, of_crate: of_crate.to_owned(), doc: in_markdown(&doc) });
                }
                doc.clear();
            }
        }
    }

    /// The field at a path such as `["execute", "pool_size"]`, from a type on.
    pub(super) fn field(&self, of_crate: &str, type_name: &str, path: &[&str]) -> Option<Field> {
        let (first, rest) = path.split_first()?;
        let field = self.type_parts(of_crate, type_name)?.iter().find(|field| field.name == *first)?;
        match rest {
            [] => Some(field.clone()),
            rest => self.field(&field.of_crate, &field.type_name, rest),
        }
    }

    /// The variants or fields of a field's type, if it is an enumeration, or a list or set of something declared.
    pub(super) fn parts_of_type(&self, field: &Field) -> Vec<Field> {
        self.type_parts(&field.of_crate, &field.type_name).cloned().unwrap_or_default()
    }

    fn type_parts(&self, of_crate: &str, type_name: &str) -> Option<&Vec<Field>> {
        let element = ["Option<", "Vec<", "BTreeSet<"]
            .iter()
            .find_map(|outer| type_name.strip_prefix(outer)?.strip_suffix('>'))
            .unwrap_or(type_name);
        let (of_crate, name) = match element.rsplit_once("::") {
            Some((path, name)) => (path.trim_start_matches("belljar_").split("::").next().unwrap_or(of_crate), name),
            None => (of_crate, element),
        };
        let own = self.0.get(&(of_crate.to_owned(), name.to_owned()));
        own.or_else(|| self.0.iter().find(|((_, other), _)| other == name).map(|(_, fields)| fields))
    }
}

/// Documentation as it is, but for links to other items, which lead nowhere on a page.
fn in_markdown(lines: &[&str]) -> String {
    lines.join("\n").replace("[`", "`").replace("`]", "`").trim().to_owned()
}

/// `AfterReset` as serde writes it: `after_reset`.
fn in_snake_case(name: &str) -> String {
    let mut snake = String::new();
    for (place, letter) in name.char_indices() {
        if letter.is_uppercase() && place > 0 {
            snake.push('_');
        }
        snake.extend(letter.to_lowercase());
    }
    snake
}
