//! `belljar sandboxes add`: another table at the end of the configuration file.

use std::env;
use std::fs;
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};
use belljar_client::config::{Kind, Sandboxes, product};
use toml::{Table, Value};

use crate::args::{AddSandboxArgs, SecretPlace};
use crate::config::file_of_user;
use crate::failure::{Failure, print, say};

/// Bytes of a secret on standard input, at most.
const MAX_SECRET: u64 = 64 << 10;

/// Writes the table, if the file that results is understood.
///
/// # Errors
///
/// It would not be understood, has such a sandbox already, or cannot be written.
pub(super) fn add(args: &AddSandboxArgs) -> Result<(), Failure> {
    let file = match &args.config {
        Some(file) => file.clone(),
        None => file_of_user(|name| env::var_os(name)).ok_or_else(|| {
            Failure::usage(anyhow!("there is no HOME to have a file in")).hint("name one with --config")
        })?,
    };
    let before = match fs::read_to_string(&file) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
        Err(error) => return Err(anyhow::Error::new(error).context(format!("cannot read {}", file.display())).into()),
    };
    let old: Table = before.parse().map_err(|error: toml::de::Error| {
        Failure::usage(anyhow!("{} is not TOML: {}", file.display(), error.message()))
    })?;
    let name = &args.name;
    if old.get("sandbox").and_then(|sandboxes| sandboxes.get(name)).is_some() {
        return Err(Failure::usage(anyhow!("{} has a sandbox '{name}' already", file.display())));
    }
    let (settings, to_store) = settings(args, &file)?;
    let mut table = format!("[sandbox.{name}]\n");
    for (key, value) in &settings {
        table.push_str(&format!("{key} = {value}\n"));
    }
    // The new table is understood by itself, and the file is one with it.
    Sandboxes::from_toml(&table)?.entry(name)?;
    let gap = if before.is_empty() {
        ""
    } else if before.ends_with('\n') {
        "\n"
    } else {
        "\n\n"
    };
    let after = format!("{before}{gap}{table}");
    Sandboxes::from_toml(&after)?;
    if let Some((path, secret)) = to_store {
        write(&path, secret.as_bytes(), Some(0o600))?;
        say(format_args!("the secret is in {}", path.display()));
    }
    let mode = fs::metadata(&file).ok().map(|metadata| metadata.permissions().mode() & 0o777);
    write(&file, after.as_bytes(), mode.or(Some(0o600)))?;
    print(format!("{name} is in {}; belljar sandboxes test {name} asks whether it answers\n", file.display()))
}

/// A file to write a secret into, and the secret.
type ToStore = Option<(PathBuf, String)>;

/// The settings in TOML, in the order in which they are written.
fn settings(args: &AddSandboxArgs, file: &Path) -> Result<(Vec<(String, Value)>, ToStore), Failure> {
    let mut settings = vec![("vendor".to_owned(), Value::from(args.vendor.as_str()))];
    settings.extend(args.address.as_ref().map(|address| ("address".to_owned(), Value::from(address.as_str()))));
    let mut to_store = None;
    let key = args.key.iter().map(|place| ("key", place));
    for (key, place) in key.chain(args.secrets.iter().map(|(key, place)| (key.as_str(), place))) {
        let one = |name: &str, value: &str| Value::Table(Table::from_iter([(name.to_owned(), Value::from(value))]));
        let value = match place {
            SecretPlace::Variable(variable) => one("env", variable),
            SecretPlace::File(path) => one("file", path),
            SecretPlace::Stdin if to_store.is_some() => {
                return Err(Failure::usage(anyhow!("standard input can be read for one secret only")));
            }
            SecretPlace::Stdin => {
                let path = beside(file, &format!("{}.{key}", args.name))?;
                let value = one("file", &path.display().to_string());
                to_store = Some((path, from_stdin()?));
                value
            }
        };
        settings.push((key.to_owned(), value));
    }
    let is_secret = |key: &str| {
        let own = product(&args.vendor)
            .is_some_and(|product| product.keys.iter().any(|known| known.name == key && known.kind == Kind::Secret));
        own || key == "proxy"
    };
    for (key, text) in &args.options {
        if is_secret(key) && !text.trim_start().starts_with('{') {
            let error = anyhow!("{key} is a secret, which is not for the command line");
            return Err(Failure::usage(error).hint(format!("--secret {key}=env:VARIABLE, --secret {key}=file:PATH")));
        }
        let value = text.trim().parse::<Value>().unwrap_or_else(|_| Value::from(text.as_str()));
        settings.push((key.clone(), value));
    }
    if args.public {
        settings.push(("public".to_owned(), Value::from(true)));
    }
    Ok((settings, to_store))
}

/// A file beside the configuration, by its whole path: the configuration may be read from anywhere.
fn beside(file: &Path, name: &str) -> Result<PathBuf, Failure> {
    let whole = std::path::absolute(file).context("there is no current directory")?;
    Ok(whole.with_file_name(name))
}

fn from_stdin() -> Result<String, Failure> {
    let mut text = String::new();
    io::stdin().take(MAX_SECRET).read_to_string(&mut text).context("cannot read the secret from standard input")?;
    let secret = text.trim_end_matches(['\n', '\r']);
    if secret.is_empty() {
        return Err(Failure::usage(anyhow!("there is no secret on standard input")));
    }
    Ok(secret.to_owned())
}

/// Writes a file as a whole or not at all.
fn write(path: &Path, bytes: &[u8], mode: Option<u32>) -> Result<(), Failure> {
    // What a link points to is exchanged, and not the link.
    let path = &fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let cannot = || format!("cannot write {}", path.display());
    fs::DirBuilder::new().recursive(true).mode(0o700).create(directory).with_context(cannot)?;
    // Made for its owner alone.
    let mut temporary = tempfile::NamedTempFile::new_in(directory).with_context(cannot)?;
    temporary.write_all(bytes).with_context(cannot)?;
    if let Some(mode) = mode {
        temporary.as_file().set_permissions(fs::Permissions::from_mode(mode)).with_context(cannot)?;
    }
    temporary.as_file().sync_all().with_context(cannot)?;
    temporary.persist(path).map_err(|error| error.error).with_context(cannot)?;
    Ok(())
}
