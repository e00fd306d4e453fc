//! From the name in a `require` to a file, as Node's CommonJS does it.

use std::path::{Component, Path, PathBuf};

use serde_json::{Map, Value};

use super::files::{Directories, Found};

/// Conditions of `exports` in a `package.json` that count, the first that is there before the others. (Node takes them in the
/// file's order; every package that was seen has this one.)
const CONDITIONS: [&str; 3] = ["node", "require", "default"];

/// How deep conditions may stand within each other: no package comes near.
const MAX_CONDITIONS: usize = 16;

/// How a file is to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    /// A CommonJS module.
    Script,
    /// JSON.
    Json,
}

/// Why there is no module.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum ResolveError {
    /// No file of that name.
    #[error("Cannot find module '{0}'")]
    Missing(String),
    /// There is one where nothing may be read.
    #[error("Cannot find module '{name}': {} is outside of the configured node_modules directories", path.display())]
    Outside {
        /// What was asked for.
        name: String,
        /// Where it is.
        path: PathBuf,
    },
    /// The package has a list of what may be required, and this is not on it.
    #[error("Package subpath '{subpath}' is not defined by \"exports\" in {}", package.display())]
    NotExported {
        /// What was asked for, from the package's root.
        subpath: String,
        /// Its `package.json`.
        package: PathBuf,
    },
    /// A module that QuickJS cannot run here.
    #[error("{} is {what}, which engine \"quickjs\" does not load; use engine = \"node\"", path.display())]
    Unsupported {
        /// The file.
        path: PathBuf,
        /// What it is.
        what: &'static str,
    },
    /// A `package.json` that cannot be read.
    #[error("{}: {reason}", path.display())]
    Package {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
}

impl ResolveError {
    /// What Node has in `error.code`.
    #[must_use]
    pub(super) const fn code(&self) -> &'static str {
        match self {
            Self::Missing(_) | Self::Outside { .. } => "MODULE_NOT_FOUND",
            Self::NotExported { .. } => "ERR_PACKAGE_PATH_NOT_EXPORTED",
            Self::Unsupported { .. } => "ERR_REQUIRE_ESM",
            Self::Package { .. } => "ERR_INVALID_PACKAGE_CONFIG",
        }
    }
}

/// Finds the file that `name` means in a module of the directory `from`.
///
/// # Errors
/// [`ResolveError`] says why there is none.
pub(super) fn resolve(files: &Directories, name: &str, from: &Path) -> Result<(PathBuf, Format), ResolveError> {
    let search = Search { files, name };
    let found = if name.starts_with('/') {
        search.file_or_directory(Path::new(name), name.ends_with('/'))?
    } else if matches!(name, "." | "..") || name.starts_with("./") || name.starts_with("../") {
        let directory = name.ends_with('/') || name.ends_with("/.") || name.ends_with("..") || name == ".";
        search.file_or_directory(&normal(&from.join(name)), directory)?
    } else {
        search.package(from)?
    };
    let path = found.ok_or_else(|| ResolveError::Missing(name.to_owned()))?;
    search.format(path)
}

/// The directories that Node would look into from a directory: `module.paths`.
#[must_use]
pub(super) fn lookup_paths(files: &Directories, from: &Path) -> Vec<PathBuf> {
    let mut paths = Vec::new();
    for directory in from.ancestors() {
        // Those above the configured directories are none of ours, but for a configured directory that is itself called so.
        if directory.file_name().is_some_and(|name| name == "node_modules") {
            paths.push(directory.to_owned());
        } else if files.roots().iter().any(|root| directory.starts_with(root)) {
            paths.push(directory.join("node_modules"));
        }
    }
    paths.retain(|path| files.roots().iter().any(|root| path.starts_with(root)));
    for root in files.roots() {
        if !paths.contains(root) {
            paths.push(root.clone());
        }
    }
    paths
}

/// Without `.` and `..`, by the letters alone.
fn normal(path: &Path) -> PathBuf {
    let mut result = PathBuf::new();
    for component in path.components() {
        match component {
            Component::ParentDir => {
                result.pop();
            }
            Component::CurDir => {}
            other => result.push(other),
        }
    }
    result
}

/// A `package.json`, and where it is.
type Package = (Map<String, Value>, PathBuf);

struct Search<'a> {
    files: &'a Directories,
    name: &'a str,
}

impl Search<'_> {
    fn file(&self, path: &Path) -> Result<Option<PathBuf>, ResolveError> {
        match self.files.look(path) {
            Found::File(real) => Ok(Some(real)),
            Found::Outside(path) => Err(ResolveError::Outside { name: self.name.to_owned(), path }),
            Found::Directory(_) | Found::Nothing => Ok(None),
        }
    }

    fn with_extensions(&self, path: &Path, extensions: &[&str]) -> Result<Option<PathBuf>, ResolveError> {
        for extension in extensions {
            let mut name = path.as_os_str().to_owned();
            name.push(extension);
            if let Some(found) = self.file(Path::new(&name))? {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    fn file_or_directory(&self, path: &Path, only_directory: bool) -> Result<Option<PathBuf>, ResolveError> {
        if !only_directory && let Some(found) = self.with_extensions(path, &["", ".js", ".json", ".node"])? {
            return Ok(Some(found));
        }
        match self.files.look(path) {
            Found::Directory(real) => self.directory(&real),
            Found::Outside(path) => Err(ResolveError::Outside { name: self.name.to_owned(), path }),
            Found::File(_) | Found::Nothing => Ok(None),
        }
    }

    fn directory(&self, directory: &Path) -> Result<Option<PathBuf>, ResolveError> {
        if let Some((package, _)) = self.read_package(directory)?
            && let Some(main) = package.get("main").and_then(Value::as_str).filter(|main| !main.is_empty())
        {
            let main = normal(&directory.join(main));
            if let Some(found) = self.with_extensions(&main, &["", ".js", ".json", ".node"])? {
                return Ok(Some(found));
            }
            if let Some(found) = self.index(&main)? {
                return Ok(Some(found));
            }
        }
        self.index(directory)
    }

    fn index(&self, directory: &Path) -> Result<Option<PathBuf>, ResolveError> {
        self.with_extensions(&directory.join("index"), &[".js", ".json", ".node"])
    }

    fn package(&self, from: &Path) -> Result<Option<PathBuf>, ResolveError> {
        let parts = if self.name.starts_with('@') { 2 } else { 1 };
        let end = self.name.match_indices('/').nth(parts - 1).map_or(self.name.len(), |(at, _)| at);
        let (package_name, subpath) = self.name.split_at(end);
        let mut outside = None;
        for root in lookup_paths(self.files, from) {
            let directory = normal(&root.join(package_name));
            if !directory.starts_with(&root) {
                return Ok(None);
            }
            let attempt = self.package_at(&root, &directory, subpath);
            match attempt {
                Ok(Some(found)) => return Ok(Some(found)),
                Ok(None) => {}
                // Another directory may have it; if none has, this says more than that nothing was found.
                Err(error @ ResolveError::Outside { .. }) => outside = Some(error),
                Err(error) => return Err(error),
            }
        }
        outside.map_or(Ok(None), Err)
    }

    fn package_at(&self, root: &Path, directory: &Path, subpath: &str) -> Result<Option<PathBuf>, ResolveError> {
        if let Found::Directory(real) = self.files.look(directory)
            && let Some((package, path)) = self.read_package(&real)?
            && let Some(exports) = package.get("exports").filter(|exports| !exports.is_null())
        {
            let subpath = format!(".{subpath}");
            let target = exported(exports, &subpath).ok_or(ResolveError::NotExported { subpath, package: path })?;
            return self.file(&normal(&real.join(target)));
        }
        let path = normal(&root.join(self.name));
        self.file_or_directory(&path, self.name.ends_with('/'))
    }

    fn read_package(&self, directory: &Path) -> Result<Option<Package>, ResolveError> {
        let Found::File(path) = self.files.look(&directory.join("package.json")) else { return Ok(None) };
        let broken = |reason: String| ResolveError::Package { path: path.clone(), reason };
        let bytes = self.files.read(&path).map_err(|error| broken(error.to_string()))?;
        let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes);
        match serde_json::from_slice(text).map_err(|error| broken(error.to_string()))? {
            Value::Object(package) => Ok(Some((package, path))),
            _ => Err(broken("not an object".to_owned())),
        }
    }

    fn format(&self, path: PathBuf) -> Result<(PathBuf, Format), ResolveError> {
        let unsupported = |path, what| Err(ResolveError::Unsupported { path, what });
        match path.extension().and_then(|extension| extension.to_str()) {
            Some("json") => Ok((path, Format::Json)),
            Some("node") => unsupported(path, "native code"),
            Some("mjs") => unsupported(path, "an ES module"),
            Some("js") => {
                for directory in path.ancestors().skip(1) {
                    if directory.file_name().is_some_and(|name| name == "node_modules") {
                        break;
                    }
                    if let Some((package, _)) = self.read_package(directory)? {
                        if package.get("type").and_then(Value::as_str) == Some("module") {
                            return unsupported(path, "an ES module");
                        }
                        break;
                    }
                }
                Ok((path, Format::Script))
            }
            _ => Ok((path, Format::Script)),
        }
    }
}

/// What `exports` has for a subpath (`.` or `./...`).
fn exported(exports: &Value, subpath: &str) -> Option<String> {
    let by_path = exports.as_object().filter(|map| map.keys().any(|key| key.starts_with('.')));
    let Some(by_path) = by_path else {
        return if subpath == "." { target(exports, "", 0) } else { None };
    };
    if let Some(value) = by_path.get(subpath).filter(|_| !subpath.contains('*')) {
        return target(value, "", 0);
    }
    // Of several patterns the one with the longest part before the star.
    by_path
        .iter()
        .filter_map(|(key, value)| {
            let (before, after) = key.split_once('*')?;
            let middle = subpath.strip_prefix(before)?.strip_suffix(after).filter(|middle| !middle.is_empty())?;
            Some((before.len(), target(value, middle, 0)))
        })
        .max_by_key(|(length, _)| *length)
        .and_then(|(_, target)| target)
}

fn target(value: &Value, star: &str, depth: usize) -> Option<String> {
    if depth > MAX_CONDITIONS {
        return None;
    }
    match value {
        Value::String(text) => {
            let path = text.strip_prefix("./")?.replace('*', star);
            let climbs = path.split('/').any(|part| matches!(part, ".." | "." | "node_modules"));
            (!climbs).then_some(path)
        }
        Value::Object(map) => CONDITIONS
            .iter()
            .filter_map(|condition| map.get(*condition))
            .find_map(|value| target(value, star, depth + 1)),
        Value::Array(items) => items.iter().find_map(|value| target(value, star, depth + 1)),
        _ => None,
    }
}
