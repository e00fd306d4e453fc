//! Values of arguments: from text on the command line to something with a type.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;
use std::time::Duration;

use belljar_client::ArtifactKind;
use belljar_image::{InvalidRootfs, RootfsChoice};
use belljar_sandbox::units::{self, ByteSize, UnitError};
use belljar_sandbox::{Access, Layer, Preset, Strictness, User};
use clap::ValueEnum;
use clap::builder::{OsStringValueParser, TypedValueParser};

/// Why an argument cannot be understood. clap puts the option's name and the text before it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ValueError {
    #[error("the path is empty")]
    EmptyPath,
    #[error("the access after the last colon is ro, cow or rw, not '{0}'")]
    UnknownAccess(String),
    #[error("the name of the variable is empty")]
    EmptyName,
    #[error("a null byte cannot be part of it")]
    NullByte,
    #[error("expected 'root', UID or UID:GID, with numbers from 0 to 65535")]
    UnknownUser,
    #[error("expected LAYER=required, LAYER=best-effort or LAYER=off")]
    NoLayerChoice,
    #[error("there is no layer '{0}'; 'belljar doctor --json' lists them")]
    UnknownLayer(String),
    #[error("expected KEY=VALUE, such as execute.pool_size=8")]
    NoSetting,
    #[error(transparent)]
    Units(#[from] UnitError),
    #[error(transparent)]
    Rootfs(#[from] InvalidRootfs),
    #[error(
        "expected env:VARIABLE, file:PATH or stdin; the secret itself is not for the command line, which others see"
    )]
    NoSecretPlace,
    #[error("expected pdf, html, xml, json, pcap, dropped, screenshots, memory, sample, all or other")]
    UnknownArtifact,
    #[error("a limit of nothing lets nothing run")]
    Zero,
}

/// A directory or file of the caller's to show inside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Directory {
    /// As typed, without the access.
    pub(crate) path: PathBuf,
    /// What the command may do with it.
    pub(crate) access: Access,
}

/// `PATH[:ro|:cow|:rw]`. A path that holds a colon itself is written with its access.
fn parse_directory(text: &OsStr) -> Result<Directory, ValueError> {
    let bytes = text.as_bytes();
    let (path, access) = match bytes.iter().rposition(|byte| *byte == b':') {
        None => (bytes, Access::ReadOnly),
        Some(colon) => {
            let access = match &bytes[colon + 1..] {
                b"ro" => Access::ReadOnly,
                b"cow" => Access::CopyOnWrite,
                b"rw" => Access::ReadWrite,
                other => {
                    return Err(ValueError::UnknownAccess(String::from_utf8_lossy(other).into_owned()));
                }
            };
            (&bytes[..colon], access)
        }
    };
    if path.is_empty() {
        return Err(ValueError::EmptyPath);
    }
    no_null(path)?;
    Ok(Directory { path: PathBuf::from(OsStr::from_bytes(path)), access })
}

/// An environment variable for the command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Variable {
    /// `NAME=VALUE`.
    Set(OsString, OsString),
    /// `NAME`: as the caller has it; not at all when the caller has none.
    Copied(OsString),
}

/// `NAME=VALUE` or `NAME`.
fn parse_variable(text: &OsStr) -> Result<Variable, ValueError> {
    let bytes = text.as_bytes();
    no_null(bytes)?;
    let owned = |bytes: &[u8]| OsString::from_vec(bytes.to_vec());
    let (name, value) = match bytes.iter().position(|byte| *byte == b'=') {
        Some(equals) => (&bytes[..equals], Some(&bytes[equals + 1..])),
        None => (bytes, None),
    };
    match (name, value) {
        ([], _) => Err(ValueError::EmptyName),
        (name, Some(value)) => Ok(Variable::Set(owned(name), owned(value))),
        (name, None) => Ok(Variable::Copied(owned(name))),
    }
}

/// Where standard input is read from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum InputSource {
    /// The caller's standard input, passed as it is.
    Caller,
    /// A file of the caller's.
    File(PathBuf),
}

/// `FILE` or `-`.
fn parse_input(text: &OsStr) -> Result<InputSource, ValueError> {
    match text.as_bytes() {
        b"" => Err(ValueError::EmptyPath),
        b"-" => Ok(InputSource::Caller),
        path => no_null(path).map(|()| InputSource::File(text.into())),
    }
}

/// `host`, `dir:PATH` or `image:NAME`.
fn parse_rootfs(text: &OsStr) -> Result<RootfsChoice, ValueError> {
    Ok(RootfsChoice::parse(text)?)
}

/// `root`, `UID` or `UID:GID`; the group is the user's number when absent.
pub(crate) fn parse_user(text: &str) -> Result<User, ValueError> {
    // A sandbox has 65536 users of its own.
    let number = |text: &str| text.parse::<u16>().map(u32::from).map_err(|_| ValueError::UnknownUser);
    match text.split_once(':') {
        _ if text == "root" => Ok(User { uid: 0, gid: 0 }),
        Some((uid, gid)) => Ok(User { uid: number(uid)?, gid: number(gid)? }),
        None => number(text).map(|uid| User { uid, gid: uid }),
    }
}

/// `LAYER=required|best-effort|off`.
pub(crate) fn parse_layer(text: &str) -> Result<(Layer, Strictness), ValueError> {
    let (name, strictness) = text.split_once('=').ok_or(ValueError::NoLayerChoice)?;
    let strictness = match strictness {
        "required" => Strictness::Required,
        "best-effort" => Strictness::BestEffort,
        "off" => Strictness::Off,
        _ => return Err(ValueError::NoLayerChoice),
    };
    let layer = Layer::ALL.into_iter().find(|layer| layer.name() == name);
    Ok((layer.ok_or_else(|| ValueError::UnknownLayer(name.to_owned()))?, strictness))
}

/// `KEY=VALUE`.
pub(crate) fn parse_setting(text: &str) -> Result<(String, String), ValueError> {
    match text.split_once('=') {
        Some((key, value)) if !key.trim().is_empty() => Ok((key.trim().to_owned(), value.to_owned())),
        _ => Err(ValueError::NoSetting),
    }
}

/// Where a secret is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum SecretPlace {
    /// In an environment variable.
    Variable(String),
    /// In a file.
    File(String),
    /// On standard input, to be read once.
    Stdin,
}

/// `env:VARIABLE`, `file:PATH` or `stdin`.
pub(crate) fn parse_secret_place(text: &str) -> Result<SecretPlace, ValueError> {
    match text.split_once(':') {
        Some(("env", name)) if !name.is_empty() => Ok(SecretPlace::Variable(name.to_owned())),
        Some(("file", path)) if !path.is_empty() => Ok(SecretPlace::File(path.to_owned())),
        None if text == "stdin" => Ok(SecretPlace::Stdin),
        _ => Err(ValueError::NoSecretPlace),
    }
}

/// `NAME=PLACE`.
pub(crate) fn parse_named_secret(text: &str) -> Result<(String, SecretPlace), ValueError> {
    let (name, place) = text.split_once('=').filter(|(name, _)| !name.is_empty()).ok_or(ValueError::NoSecretPlace)?;
    Ok((name.to_owned(), parse_secret_place(place)?))
}

/// A kind of artifact, by its name.
pub(crate) fn parse_artifact(text: &str) -> Result<ArtifactKind, ValueError> {
    ArtifactKind::ALL.into_iter().find(|kind| kind.to_string() == text).ok_or(ValueError::UnknownArtifact)
}

/// A size above zero, such as `64M`.
pub(crate) fn parse_size(text: &str) -> Result<u64, ValueError> {
    parse_size_or_zero(text).and_then(|bytes| if bytes == 0 { Err(ValueError::Zero) } else { Ok(bytes) })
}

/// A size, where none at all makes sense too.
pub(crate) fn parse_size_or_zero(text: &str) -> Result<u64, ValueError> {
    Ok(text.parse::<ByteSize>()?.bytes())
}

/// A time above zero, such as `500ms`.
pub(crate) fn parse_duration(text: &str) -> Result<Duration, ValueError> {
    match units::parse_duration(text)? {
        Duration::ZERO => Err(ValueError::Zero),
        time => Ok(time),
    }
}

/// clap's parser of [`Directory`].
pub(crate) fn directory() -> impl TypedValueParser<Value = Directory> {
    OsStringValueParser::new().try_map(|text| parse_directory(&text))
}

/// clap's parser of [`Variable`].
pub(crate) fn variable() -> impl TypedValueParser<Value = Variable> {
    OsStringValueParser::new().try_map(|text| parse_variable(&text))
}

/// clap's parser of [`InputSource`].
pub(crate) fn input() -> impl TypedValueParser<Value = InputSource> {
    OsStringValueParser::new().try_map(|text| parse_input(&text))
}

/// clap's parser of [`RootfsChoice`].
pub(crate) fn rootfs() -> impl TypedValueParser<Value = RootfsChoice> {
    OsStringValueParser::new().try_map(|text| parse_rootfs(&text))
}

fn no_null(bytes: &[u8]) -> Result<(), ValueError> {
    if bytes.contains(&0) { Err(ValueError::NullByte) } else { Ok(()) }
}

/// What of the network is reachable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum NetworkChoice {
    /// Nothing but a loopback of its own
    None,
    /// What --allow names
    Allow,
    /// Everything that the host reaches
    Host,
}

/// The starting point of the policy.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum PresetChoice {
    /// Every layer is required
    Strict,
    /// What only some machines have is best effort
    #[default]
    Standard,
}

impl From<PresetChoice> for Preset {
    fn from(choice: PresetChoice) -> Self {
        match choice {
            PresetChoice::Strict => Self::Strict,
            PresetChoice::Standard => Self::Standard,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directories() {
        let shown = |path: &str, access| Ok(Directory { path: path.into(), access });
        let cases = [
            (".", shown(".", Access::ReadOnly)),
            ("/data", shown("/data", Access::ReadOnly)),
            ("/data:ro", shown("/data", Access::ReadOnly)),
            (".:cow", shown(".", Access::CopyOnWrite)),
            ("a b:rw", shown("a b", Access::ReadWrite)),
            ("a:b:ro", shown("a:b", Access::ReadOnly)),
            ("a:b", Err(ValueError::UnknownAccess("b".into()))),
            ("a:", Err(ValueError::UnknownAccess(String::new()))),
            ("a:RW", Err(ValueError::UnknownAccess("RW".into()))),
            ("", Err(ValueError::EmptyPath)),
            (":rw", Err(ValueError::EmptyPath)),
            ("a\0b", Err(ValueError::NullByte)),
        ];
        for (text, expected) in cases {
            assert_eq!(parse_directory(OsStr::new(text)), expected, "{text:?}");
        }
        let unprintable = parse_directory(OsStr::from_bytes(b"/\xff:rw")).expect("any bytes make a path");
        assert_eq!(unprintable.path.as_os_str().as_bytes(), b"/\xff");
    }

    #[test]
    fn variables() {
        let set = |name: &str, value: &str| Ok(Variable::Set(name.into(), value.into()));
        let cases = [
            ("A=1", set("A", "1")),
            ("A=", set("A", "")),
            ("A=b=c", set("A", "b=c")),
            ("A", Ok(Variable::Copied("A".into()))),
            ("", Err(ValueError::EmptyName)),
            ("=x", Err(ValueError::EmptyName)),
            ("A=\0", Err(ValueError::NullByte)),
        ];
        for (text, expected) in cases {
            assert_eq!(parse_variable(OsStr::new(text)), expected, "{text:?}");
        }
    }

    #[test]
    fn users() {
        let user = |uid, gid| Ok(User { uid, gid });
        let cases = [
            ("root", user(0, 0)),
            ("0", user(0, 0)),
            ("1000", user(1000, 1000)),
            ("1000:100", user(1000, 100)),
            ("65535", user(65_535, 65_535)),
            ("65536", Err(ValueError::UnknownUser)),
            ("4294967295", Err(ValueError::UnknownUser)),
            ("-1", Err(ValueError::UnknownUser)),
            ("1:", Err(ValueError::UnknownUser)),
            (":1", Err(ValueError::UnknownUser)),
            ("1:2:3", Err(ValueError::UnknownUser)),
            ("student", Err(ValueError::UnknownUser)),
            ("", Err(ValueError::UnknownUser)),
        ];
        for (text, expected) in cases {
            assert_eq!(parse_user(text), expected, "{text:?}");
        }
    }

    #[test]
    fn layers() {
        assert_eq!(parse_layer("seccomp=off"), Ok((Layer::Seccomp, Strictness::Off)));
        assert_eq!(parse_layer("landlock=best-effort"), Ok((Layer::Landlock, Strictness::BestEffort)));
        assert_eq!(parse_layer("io_limit=required"), Ok((Layer::IoLimit, Strictness::Required)));
        assert_eq!(parse_layer("walls=off"), Err(ValueError::UnknownLayer("walls".to_owned())));
        for text in ["seccomp", "seccomp=", "seccomp=no", "=", ""] {
            assert_eq!(parse_layer(text), Err(ValueError::NoLayerChoice), "{text:?}");
        }
    }

    #[test]
    fn secrets_have_places() {
        use SecretPlace::{File, Stdin, Variable};
        for (text, place) in [
            ("env:KEY", Some(Variable("KEY".to_owned()))),
            ("file:~/a:b", Some(File("~/a:b".to_owned()))),
            ("stdin", Some(Stdin)),
            ("env:", None),
            ("hunter2", None),
            ("", None),
        ] {
            assert_eq!(parse_secret_place(text).ok(), place, "{text:?}");
        }
        assert_eq!(parse_named_secret("password=stdin").ok(), Some(("password".to_owned(), Stdin)));
        assert!(parse_named_secret("=stdin").is_err() && parse_named_secret("stdin").is_err());
    }

    #[test]
    fn root_filesystems_and_input() {
        assert_eq!(parse_rootfs(OsStr::new("host")), Ok(RootfsChoice::Host));
        assert_eq!(parse_rootfs(OsStr::new("dir:/srv/root")), Ok(RootfsChoice::Directory("/srv/root".into())));
        assert_eq!(parse_rootfs(OsStr::new("/srv/root")), Err(ValueError::Rootfs(InvalidRootfs::Unknown)));
        assert_eq!(parse_input(OsStr::new("-")), Ok(InputSource::Caller));
        assert_eq!(parse_input(OsStr::new("./-")), Ok(InputSource::File("./-".into())));
        assert_eq!(parse_input(OsStr::new("")), Err(ValueError::EmptyPath));
    }

    #[test]
    fn sizes_and_times_have_units_and_are_above_zero() {
        let size = |text| parse_size(text).ok();
        assert_eq!(size("256M"), Some(256 << 20));
        assert_eq!(size("2G"), Some(2 << 30));
        assert_eq!(size("1"), Some(1));
        assert_eq!(parse_size("0"), Err(ValueError::Zero));
        assert_eq!(parse_size_or_zero("0"), Ok(0));
        let time = |text| parse_duration(text).ok();
        assert_eq!(time("1s"), Some(Duration::from_secs(1)));
        assert_eq!(time("500ms"), Some(Duration::from_millis(500)));
        assert_eq!(parse_duration("0s"), Err(ValueError::Zero));
        for wrong in ["", "-1", "1x", "M", "1 2", "99999999999999999999G"] {
            assert!(parse_size(wrong).is_err(), "{wrong:?}");
            assert!(parse_duration(wrong).is_err(), "{wrong:?}");
        }
    }
}
