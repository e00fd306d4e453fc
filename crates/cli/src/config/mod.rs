//! The configuration: one TOML file, over it the environment, over it the command line; each value knows where it came from.
//!
//! Two levels: [`Layers`] holds what was written where, [`Loaded`] what it means. Only [`layers`] knows the library behind it.

mod error;
mod keys;
mod layers;
mod locate;
mod settings;
mod show;

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use belljar_client::config::{ConfigError as SandboxError, Entry, Problem, Sandboxes};
pub(crate) use error::ConfigError;
#[cfg(test)]
pub(crate) use keys::keys_of;
use layers::Layers;
pub(crate) use layers::Origin;
#[cfg(test)]
pub(crate) use layers::variable_of;
pub(crate) use settings::{LogFormat, LogSettings, Settings};
#[cfg(test)]
pub(crate) use show::in_toml;
pub(crate) use show::{as_json, as_text};

use crate::args::Sources;

/// The effective configuration.
#[derive(Debug)]
pub(crate) struct Loaded {
    /// The settings.
    pub(crate) settings: Settings,
    /// The sandboxes of others.
    pub(crate) sandboxes: Sandboxes,
    layers: Layers<Settings>,
}

/// Reads all sources: the file, the process's environment as `environment`, the flags.
///
/// # Errors
///
/// A source cannot be read, has an unknown key or a value that does not fit.
pub(crate) fn load(
    sources: &Sources,
    environment: impl IntoIterator<Item = (OsString, OsString)>,
) -> Result<Loaded, ConfigError> {
    let environment: Vec<_> = environment.into_iter().collect();
    let mut layers = Layers::new(&Settings::for_caller(&environment))?;
    if let Some(path) = &sources.config {
        add_file(&mut layers, path)?;
    }
    layers.add_environment(&environment)?;
    add_flags(&mut layers, sources)?;
    finish(layers)
}

/// The file that is read where none is named and sandboxes of others are asked: `belljar/belljar.toml` in the user's directory for
/// configuration (XDG Base Directory Specification, which has relative paths ignored), whether it is there or not.
pub(crate) fn file_of_user(variable: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    let absolute = |name| variable(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let directory = absolute("XDG_CONFIG_HOME").or_else(|| absolute("HOME").map(|home| home.join(".config")))?;
    Some(directory.join("belljar/belljar.toml"))
}

/// Reads a file alone, as `belljar config check` does.
///
/// # Errors
///
/// As [`load`].
pub(crate) fn load_file(path: &Path) -> Result<Loaded, ConfigError> {
    let mut layers = Layers::new(&Settings::default())?;
    add_file(&mut layers, path)?;
    finish(layers)
}

fn finish(layers: Layers<Settings>) -> Result<Loaded, ConfigError> {
    let settings: Settings = layers.extract()?;
    settings.validate().map_err(|(key, problem)| layers.invalid(&key, problem))?;
    let sandboxes = Sandboxes::read(settings.sandbox.clone()).map_err(|error| match error {
        SandboxError::Problems(problems) => {
            let place = |problem: Problem| (layers.origin_or_around(&problem.key), problem);
            ConfigError::Sandboxes(problems.into_iter().map(place).collect())
        }
        other => layers.invalid("sandbox", other.to_string()),
    })?;
    Ok(Loaded { settings, sandboxes, layers })
}

impl Loaded {
    /// Where the value of a key came from.
    pub(crate) fn origin(&self, key: &str) -> Origin {
        self.layers.origin_or_around(key)
    }

    /// What is questionable about the sandboxes, with its places: secrets in the file, servers that nobody checks.
    pub(crate) fn warnings(&self) -> Vec<(Origin, Problem)> {
        let warnings = self.sandboxes.entries().flat_map(Entry::warnings);
        let with_place = warnings.map(|warning| (self.origin(&warning.key), warning));
        // A secret in a variable of the environment is where it should be.
        with_place.filter(|(origin, _)| !matches!(origin, Origin::Environment { .. })).collect()
    }
}

fn add_file(layers: &mut Layers<Settings>, path: &Path) -> Result<(), ConfigError> {
    let bytes = fs::read(path).map_err(|source| ConfigError::Read { path: path.to_owned(), source })?;
    let text = String::from_utf8(bytes).map_err(|_| ConfigError::NotUtf8 { path: path.to_owned() })?;
    layers.add_file(path, text)
}

fn add_flags(layers: &mut Layers<Settings>, sources: &Sources) -> Result<(), ConfigError> {
    let flag = |name: &str| Origin::Flag { flag: name.to_owned() };
    if let Some(listen) = &sources.listen {
        layers.add_value("server.listen", listen, flag("--listen"))?;
    }
    if let Some(directory) = &sources.data_dir {
        layers.add_value("data_dir", directory, flag("--data-dir"))?;
    }
    if let Some(user) = &sources.user {
        layers.add_value("server.user", user, flag("--user"))?;
    }
    if sources.allow_unauthenticated {
        layers.add_value("server.allow_unauthenticated", &true, flag("--allow-unauthenticated"))?;
    }
    if let Some(format) = &sources.log_format {
        layers.add_value("log.format", format, flag("--log-format"))?;
    }
    for (key, value) in &sources.settings {
        layers.add_text(key, value, flag(&format!("--set {key}")))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use belljar_sandbox::units::ByteSize;

    use super::*;

    /// A file, an environment and flags, in one place each.
    #[derive(Default)]
    struct Written<'a> {
        file: &'a str,
        environment: &'a [(&'a str, &'a str)],
        data_dir: Option<&'a str>,
        settings: &'a [(&'a str, &'a str)],
    }

    /// Loads, with the file under a name that does not change.
    fn load_written(written: &Written<'_>) -> Result<Loaded, ConfigError> {
        let environment = written.environment.iter().map(|(name, value)| (name.into(), value.into()));
        let environment: Vec<(OsString, OsString)> = environment.collect();
        let mut layers = Layers::new(&Settings::default())?;
        layers.add_file(Path::new("belljar.toml"), written.file.to_owned())?;
        layers.add_environment(&environment)?;
        let sources = Sources {
            data_dir: written.data_dir.map(Into::into),
            settings: written.settings.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect(),
            ..Sources::default()
        };
        add_flags(&mut layers, &sources)?;
        finish(layers)
    }

    #[test]
    fn later_layers_win_and_are_named() {
        const FILE: &str = "data_dir = '/file'\n[log]\nfilter = 'warn'\n";
        let environment = [("BELLJAR_DATA_DIR", "/environment")];
        let file = |line| Origin::File { path: "belljar.toml".into(), line: Some(line) };
        let cases = [
            (Written::default(), "/var/lib/belljar", Origin::Default, "info", Origin::Default),
            (Written { file: FILE, ..Written::default() }, "/file", file(1), "warn", file(3)),
            (
                Written { file: FILE, environment: &environment, ..Written::default() },
                "/environment",
                Origin::Environment { variable: "BELLJAR_DATA_DIR".to_owned() },
                "warn",
                file(3),
            ),
            (
                Written { file: FILE, environment: &environment, data_dir: Some("/flag"), ..Written::default() },
                "/flag",
                Origin::Flag { flag: "--data-dir".to_owned() },
                "warn",
                file(3),
            ),
        ];
        for (written, data_dir, data_origin, filter, filter_origin) in cases {
            let loaded = load_written(&written).expect("valid");
            assert_eq!(loaded.settings.data_dir, Path::new(data_dir));
            assert_eq!(loaded.layers.origin("data_dir"), data_origin);
            assert_eq!(loaded.settings.log.filter, filter);
            assert_eq!(loaded.layers.origin("log.filter"), filter_origin);
        }
    }

    #[test]
    fn text_from_environment_and_flags_takes_the_type_of_its_setting() {
        let written = Written {
            environment: &[
                ("BELLJAR_EXECUTE_POOL_SIZE", "3"),
                ("BELLJAR_EXECUTE_MAX_RESULT", "2M"),
                ("BELLJAR_DATA_DIR", "42"),
                ("BELLJAR_LOG", "debug"),
                ("BELLJAR_EXECUTE_LIBRARIES_DIRECTORY", "/libs"),
            ],
            settings: &[
                ("execute.libraries.external", "[{ url = 'https://example.org/pl.git', alias = 'pl' }]"),
                ("execute.timeout", "1.5"),
            ],
            ..Written::default()
        };
        let settings = load_written(&written).expect("valid").settings;
        assert_eq!(settings.execute.pool_size, 3);
        assert_eq!(settings.execute.max_result, ByteSize::from_mib(2));
        assert_eq!(settings.data_dir, Path::new("42"), "a path, although it looks like a number");
        assert_eq!(settings.log.filter, "debug");
        assert_eq!(settings.execute.libraries.directory.as_deref(), Some(Path::new("/libs")));
        assert_eq!(settings.execute.libraries.external.len(), 1);
        assert_eq!(settings.execute.timeout.as_millis(), 1500);
    }

    #[test]
    fn variables_of_others_are_left_alone() {
        let written = Written {
            environment: &[
                ("PATH", "/bin"),
                ("BELLJAR", "x"),
                ("BELLJAR_CONFIG", "x"),
                ("BELLJAR_TEST_STRICT", "1"),
                ("BELLJAR_PORT_7000_TCP", "tcp://10.0.0.1:7000"),
                ("BELLJAR_SERVICE_HOST", "10.0.0.1"),
            ],
            ..Written::default()
        };
        assert_eq!(load_written(&written).expect("valid").settings, Settings::default());
    }

    #[test]
    fn mistakes_are_told_with_their_place_and_a_way_out() {
        let file = |file| Written { file, ..Written::default() };
        let variables = |environment| Written { environment, ..Written::default() };
        let flags = |settings| Written { settings, ..Written::default() };
        let cases: [(Written<'_>, &str, Option<&str>); 17] = [
            (file("data_dir = \n"), "belljar.toml:1: string values must be quoted, expected literal string", None),
            (
                file("\ndata_dri = '/x'"),
                "belljar.toml:2: there is no setting 'data_dri'",
                Some("did you mean 'data_dir'?"),
            ),
            (
                file("[execute]\npool_sizes = 3"),
                "belljar.toml:2: there is no setting 'execute.pool_sizes'",
                Some("did you mean 'execute.pool_size'?"),
            ),
            (
                file("pool_size = 3"),
                "belljar.toml:1: there is no setting 'pool_size'",
                Some("did you mean 'execute.pool_size'?"),
            ),
            (
                file("[log]\ncolour = 3"),
                "belljar.toml:2: there is no setting 'log.colour'",
                Some("the settings there are: log.format, log.filter"),
            ),
            (
                file("[execute]\npool_size = 'many'"),
                "belljar.toml:2: execute.pool_size: found the text \"many\", expected a whole number, 0 or above",
                None,
            ),
            (
                file("[execute]\npool_size = -1"),
                "belljar.toml:2: execute.pool_size: found the number -1, expected a whole number, 0 or above",
                None,
            ),
            (
                file("execute.timeout = true"),
                "belljar.toml:1: execute.timeout: found the truth value true, expected a time such as \"10s\", or a number of \
                 seconds",
                None,
            ),
            (
                file("execute.max_upload = '1 apple'"),
                "belljar.toml:1: execute.max_upload: 'apple' is not a unit of size; known are B, K, M, G, T (and KiB to TiB), \
                 powers of 1024",
                None,
            ),
            (file("log = 3"), "belljar.toml:1: log: found the number 3, expected a table", None),
            (file("data_dir = ['a']"), "belljar.toml:1: data_dir: found a list, expected text in quotes", None),
            (
                file("log.format = 'jsno'"),
                "belljar.toml:1: log.format: found \"jsno\", expected one of \"text\", \"json\"; did you mean \"json\"?",
                None,
            ),
            (file("execute.pool_size = 0"), "belljar.toml:1: execute.pool_size: must be from 1 to 1024", None),
            (
                variables(&[("BELLJAR_EXECUTE_POOLSIZE", "3")]),
                "environment variable BELLJAR_EXECUTE_POOLSIZE: there is no such setting",
                Some("did you mean BELLJAR_EXECUTE_POOL_SIZE?"),
            ),
            (
                variables(&[("BELLJAR_EXECUTE_POOL_SIZE", "many")]),
                "environment variable BELLJAR_EXECUTE_POOL_SIZE: execute.pool_size: found the text \"many\", expected a whole \
                 number, 0 or above",
                None,
            ),
            (
                flags(&[("execute.pool_sise", "3")]),
                "flag --set execute.pool_sise: there is no setting 'execute.pool_sise'",
                Some("did you mean 'execute.pool_size'?"),
            ),
            (
                file("[[execute.libraries.external]]\nurl = 'https://example.org/a'\nalias = '..'"),
                "belljar.toml:3: execute.libraries.external.0.alias: '..' is no alias: use 1 to 64 letters, digits, '_', '-' and \
                 '.', beginning with a letter, digit or '_'",
                None,
            ),
        ];
        for (written, message, hint) in cases {
            let error = load_written(&written).expect_err("a mistake");
            assert_eq!(error.to_string(), message);
            assert_eq!(error.hint().as_deref(), hint, "{message}");
        }
    }

    #[test]
    fn files_that_cannot_be_read_are_named() {
        let error = load_file(Path::new("/no/such/file.toml")).expect_err("not there");
        assert_eq!(error.to_string(), "cannot read the configuration file /no/such/file.toml");
        let place = tempfile::tempdir().expect("a directory");
        let file = place.path().join("x.toml");
        fs::write(&file, b"\xff").expect("written");
        assert!(matches!(load_file(&file), Err(ConfigError::NotUtf8 { .. })));
        fs::write(&file, "log.filter = 'warn'").expect("written");
        assert_eq!(load_file(&file).expect("valid").settings.log.filter, "warn");
    }

    #[test]
    fn the_example_is_understood_with_and_without_what_it_comments_out() {
        let path = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../packaging/belljar.toml"));
        assert_eq!(load_file(path).expect("valid").settings.execute, Settings::default().execute);
        let text = fs::read_to_string(path).expect("it is there");
        // Settings that are commented out, as against words.
        let is_setting =
            |line: &str| line.starts_with('[') || line.split_once(" = ").is_some_and(|(key, _)| !key.contains(' '));
        let uncommented = |line: &str| match line.strip_prefix("# ") {
            Some(rest) if is_setting(rest) => rest.to_owned(),
            _ => line.to_owned(),
        };
        let whole: Vec<String> = text.lines().map(uncommented).collect();
        let whole = whole.join("\n");
        let settings = load_written(&Written { file: &whole, ..Written::default() }).expect("valid").settings;
        assert!(settings.server.tls.is_some() && settings.server.api_keys_file.is_some());
        assert_eq!(settings.execute.libraries.external.len(), 1);
    }

    #[test]
    fn what_is_shown() {
        let written = Written {
            file: "[log]\nfilter = 'warn'\n",
            environment: &[("BELLJAR_EXECUTE_POOL_SIZE", "3")],
            data_dir: Some("/flag"),
            settings: &[],
        };
        let loaded = load_written(&written).expect("valid");
        insta::assert_snapshot!(as_text(&loaded));
        let json = as_json(&loaded);
        assert_eq!(json["execute.pool_size"]["value"], 3);
        assert_eq!(json["execute.pool_size"]["origin"]["variable"], "BELLJAR_EXECUTE_POOL_SIZE");
        assert_eq!(json["log.filter"]["origin"]["line"], 2);
        assert_eq!(json["execute.sandbox.cpu_time"]["value"], serde_json::Value::Null);
        let read_back: toml::Table = as_text(&loaded).parse().expect("what is shown is a configuration file");
        assert_eq!(read_back["execute"]["pool_size"].as_integer(), Some(3));
    }

    const SANDBOXES: &str = "\
        [sandbox.lab]\nvendor = 'cuckoo'\naddress = 'http://u:hunter2@cuckoo.example.org'\nkey = 'hunter2'\nper_minute = 4\n\
        [sandbox.lab-b]\nvendor = 'cuckoo'\naddress = 'http://127.0.0.1'\nkey = { env = 'X' }\n";

    #[test]
    fn sandboxes_of_others_have_layers_too_and_keep_their_secrets() {
        let written = Written {
            file: SANDBOXES,
            environment: &[
                ("BELLJAR_SANDBOX_LAB_TRIES", "2"),
                ("BELLJAR_SANDBOX_LAB_B_KEY", "0123"),
                ("BELLJAR_SANDBOX_LAB_VERIFY", "false"),
            ],
            settings: &[("sandbox.lab.key", "{ file = '/hunter3' }"), ("sandbox.lab-b.per_minute", "7")],
            ..Written::default()
        };
        let loaded = load_written(&written).expect("valid");
        let json = as_json(&loaded);
        let of = |key: &str| (json[key]["value"].to_string(), json[key]["origin"]["kind"].clone());
        let kinds = |kind: &str| serde_json::Value::from(kind);
        assert_eq!(of("sandbox.lab.tries"), ("\"2\"".to_owned(), kinds("environment")));
        assert_eq!(of("sandbox.lab-b.key"), ("\"[hidden]\"".to_owned(), kinds("environment")));
        assert_eq!(of("sandbox.lab.key"), ("{\"file\":\"/hunter3\"}".to_owned(), kinds("flag")));
        assert_eq!(of("sandbox.lab.address"), ("\"http://cuckoo.example.org/\"".to_owned(), kinds("file")));
        assert_eq!(json["sandbox.lab.per_minute"]["origin"]["line"], 5);
        let warned: Vec<String> = loaded.warnings().into_iter().map(|(_, problem)| problem.key).collect();
        assert_eq!(warned, ["sandbox.lab.address"], "secrets in variables are where they should be");

        let loaded = load_written(&Written { file: SANDBOXES, ..Written::default() }).expect("valid");
        let shown = format!("{} {:#} {:?}", as_text(&loaded), as_json(&loaded), loaded.sandboxes);
        assert!(shown.contains("sandbox.lab.key = \"[hidden]\"") && !shown.contains("hunter"), "{shown}");
    }

    #[test]
    fn all_that_is_wrong_with_sandboxes_is_told_with_its_places() {
        let file = "[sandbox.lab]\nvendor = 'cuckoo'\nadress = 'x'\n\n[sandbox.b]\nvendor = 'cukoo'";
        let environment = [("BELLJAR_SANDBOX_LAB_TRIES", "many")];
        let error =
            load_written(&Written { file, environment: &environment, ..Written::default() }).expect_err("wrong");
        let text = error.to_string();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 4, "{text}");
        for (line, start) in [
            (0, "belljar.toml:6: sandbox.b.vendor: there is no vendor \"cukoo\""),
            (1, "belljar.toml:1: sandbox.lab.address: it is missing"),
            (2, "environment variable BELLJAR_SANDBOX_LAB_TRIES: sandbox.lab.tries: found the text \"many\""),
            (3, "belljar.toml:3: sandbox.lab.adress: there is no such setting (did you mean 'address'?)"),
        ] {
            assert!(lines[line].starts_with(start), "{line}: {text}");
        }
        let file = SANDBOXES.replace("'X'", "'BELLJAR_LAB_TOKEN'");
        let named = [("BELLJAR_LAB_TOKEN", "x")];
        assert!(load_written(&Written { file: &file, environment: &named, ..Written::default() }).is_ok());
        assert!(load_written(&Written { file: SANDBOXES, environment: &named, ..Written::default() }).is_err());
        let unknown = [("BELLJAR_SANDBOX_OTHER_KEY", "x")];
        let error = load_written(&Written { file: SANDBOXES, environment: &unknown, ..Written::default() });
        assert!(matches!(error, Err(ConfigError::UnknownVariable { .. })));
    }

    #[test]
    fn the_file_of_a_user_is_where_such_files_are() {
        for (variables, expected) in [
            (&[("HOME", "/home/a")][..], Some("/home/a/.config/belljar/belljar.toml")),
            (&[("HOME", "/home/a"), ("XDG_CONFIG_HOME", "/etc/a")], Some("/etc/a/belljar/belljar.toml")),
            (&[("XDG_CONFIG_HOME", "relative")], None),
        ] {
            let variable =
                |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| value.into());
            assert_eq!(file_of_user(variable), expected.map(PathBuf::from), "{variables:?}");
        }
    }

    #[test]
    fn every_setting_has_a_variable_of_its_own() {
        let mut variables: Vec<String> =
            keys::keys_of::<Settings>().iter().map(|key| layers::variable_of(key)).collect();
        let count = variables.len();
        variables.sort();
        variables.dedup();
        assert_eq!(variables.len(), count);
    }
}
