//! The layers of the configuration, one over the other. The only module that knows figment.

use std::ffi::OsString;
use std::fmt;
use std::marker::PhantomData;
use std::path::{Path, PathBuf};

use belljar_sandbox::spelling::nearest;
use figment::error::{Actual, Error, Kind};
use figment::value::{Dict, Map, Value};
use figment::{Figment, Metadata, Profile, Provider};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::error::{ConfigError, Suggestion};
use super::keys::keys_of;
use super::locate::{line_of, line_of_key};

/// What the names of our environment variables begin with.
const PREFIX: &str = "BELLJAR_";

/// A shorter name for a variable that is set often.
const ALIASES: [(&str, &str); 1] = [("BELLJAR_LOG", "log.filter")];

/// Variables of ours that set nothing here: the name of the file, logins at registries, what is for tests and between our own
/// processes, and the settings of `belljar worker`.
const NO_SETTINGS: [&str; 5] =
    ["BELLJAR_CONFIG", "BELLJAR_REGISTRY_", "BELLJAR_TEST_", "BELLJAR_INTERNAL_", "BELLJAR_WORKER_"];

/// Tables whose keys are names that users choose. What they hold is checked by who reads them.
const OPEN_TABLES: [&str; 1] = ["sandbox"];

/// What Kubernetes and Docker put into the environment of everything next to a service called `belljar`.
const OF_ORCHESTRATORS: [&str; 3] = ["BELLJAR_SERVICE_", "BELLJAR_PORT", "BELLJAR_ENV_"];

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(crate) enum Origin {
    /// Nobody set it.
    Default,
    /// The configuration file.
    File { path: PathBuf, line: Option<usize> },
    /// An environment variable.
    Environment { variable: String },
    /// A flag on the command line.
    Flag { flag: String },
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File { path, line: Some(line) } => write!(f, "{}:{line}", path.display()),
            Self::File { path, line: None } => write!(f, "{}", path.display()),
            Self::Environment { variable } => write!(f, "environment variable {variable}"),
            Self::Flag { flag } => write!(f, "flag {flag}"),
        }
    }
}

/// Values of a `T` from several origins; what is added later wins.
#[derive(Debug)]
pub(crate) struct Layers<T> {
    figment: Figment,
    /// Figment's metadata of each layer is a number: its place here.
    origins: Vec<Origin>,
    /// Text of the file, to find lines in.
    file: String,
    /// All keys that there are, such as `server.listen`.
    keys: Vec<String>,
    whole: PhantomData<fn() -> T>,
}

impl<T: Serialize + DeserializeOwned> Layers<T> {
    /// Layers that hold only defaults.
    ///
    /// # Errors
    ///
    /// The defaults cannot be represented: a mistake of ours.
    pub(crate) fn new(defaults: &T) -> Result<Self, ConfigError> {
        let value = Value::serialize(defaults).map_err(|error| ConfigError::Defaults(error.to_string()))?;
        let dict = value.into_dict().ok_or_else(|| ConfigError::Defaults("they are no table".to_owned()))?;
        let mut layers = Self {
            figment: Figment::new(),
            origins: Vec::new(),
            file: String::new(),
            keys: keys_of::<T>(),
            whole: PhantomData,
        };
        layers.add(Origin::Default, dict);
        Ok(layers)
    }

    /// Adds a TOML file.
    ///
    /// # Errors
    ///
    /// It is not TOML.
    pub(crate) fn add_file(&mut self, path: &Path, text: String) -> Result<(), ConfigError> {
        let syntax = |message: String, line| ConfigError::Syntax { path: path.to_owned(), line, message };
        let table: toml::Table = toml::from_str(&text).map_err(|error| {
            let line = error.span().map_or(1, |span| line_of(&text, span.start));
            syntax(error.message().to_owned(), line)
        })?;
        let dict = Value::serialize(&table)
            .ok()
            .and_then(Value::into_dict)
            .ok_or_else(|| syntax("a value of a kind that no setting has".to_owned(), 1))?;
        self.file = text;
        self.add(Origin::File { path: path.to_owned(), line: None }, dict);
        Ok(())
    }

    /// Adds the variables that begin with `BELLJAR_`: `BELLJAR_SERVER_LISTEN` sets `server.listen`.
    ///
    /// # Errors
    ///
    /// A variable that belongs to no setting, or is not text.
    pub(crate) fn add_environment(&mut self, variables: &[(OsString, OsString)]) -> Result<(), ConfigError> {
        let known: Vec<(String, String)> = self.keys.iter().map(|key| (variable_of(key), key.clone())).collect();
        let secrets = self.variables_of_secrets();
        for (name, value) in variables {
            let Some(name) = name.to_str().filter(|name| name.starts_with(PREFIX)) else {
                continue;
            };
            let alias = ALIASES.iter().find(|(alias, _)| *alias == name).map(|(_, key)| *key);
            let key =
                alias.or_else(|| known.iter().find(|(variable, _)| variable == name).map(|(_, key)| key.as_str()));
            let named = if key.is_none() { self.named_key(name) } else { None };
            let Some(key) = key.or(named.as_deref()) else {
                if secrets.iter().any(|secret| secret == name) {
                    continue;
                }
                if NO_SETTINGS.iter().chain(&OF_ORCHESTRATORS).any(|prefix| name.starts_with(prefix)) {
                    continue;
                }
                let suggestion = nearest(name, known.iter().map(|(variable, _)| variable.as_str())).map(str::to_owned);
                return Err(ConfigError::UnknownVariable { variable: name.to_owned(), suggestion });
            };
            let Some(value) = value.to_str() else {
                return Err(ConfigError::VariableNotUtf8 { variable: name.to_owned() });
            };
            self.add_text(key, value, Origin::Environment { variable: name.to_owned() })?;
        }
        Ok(())
    }

    /// Variables that values of an open table name, as `key = { env = "BELLJAR_LAB_KEY" }` does: they set nothing themselves.
    fn variables_of_secrets(&self) -> Vec<String> {
        let tables = OPEN_TABLES.iter().filter_map(|table| self.figment.find_value(table).ok()?.into_dict());
        let named = tables.flat_map(Dict::into_values).filter_map(Value::into_dict);
        let values = named.flat_map(Dict::into_values).filter_map(Value::into_dict);
        values.filter_map(|mut value| value.remove("env")?.into_string()).collect()
    }

    /// The key in an open table that a variable sets: `sandbox.lab.key` for `BELLJAR_SANDBOX_LAB_KEY`, if there is a `lab`.
    fn named_key(&self, variable: &str) -> Option<String> {
        let table = OPEN_TABLES.into_iter().find(|table| variable.starts_with(&variable_of(table)))?;
        let names = self.figment.find_value(table).ok()?.into_dict()?.into_keys();
        let parents = names.map(|name| format!("{table}.{name}"));
        let of_parent = parents.filter_map(|parent| {
            let key = variable.strip_prefix(&variable_of(&parent))?.strip_prefix('_')?.to_lowercase();
            (!key.is_empty()).then_some((parent, key))
        });
        // Of `a` and `a_b` the longer one is meant.
        of_parent.max_by_key(|(parent, _)| parent.len()).map(|(parent, key)| format!("{parent}.{key}"))
    }

    /// Adds one value.
    ///
    /// # Errors
    ///
    /// It cannot be represented.
    pub(crate) fn add_value(&mut self, key: &str, value: &impl Serialize, origin: Origin) -> Result<(), ConfigError> {
        match Value::serialize(value) {
            Ok(value) => {
                self.add(origin, nested(key, value));
                Ok(())
            }
            Err(error) => Err(ConfigError::Value { origin, key: key.to_owned(), problem: error.to_string() }),
        }
    }

    /// Adds one value from text without a type: read as TOML where that fits the setting, else as it is, so that neither
    /// `8` nor `localhost` needs quotes.
    ///
    /// # Errors
    ///
    /// It cannot be represented. Whether it fits is found by [`Layers::extract`].
    pub(crate) fn add_text(&mut self, key: &str, text: &str, origin: Origin) -> Result<(), ConfigError> {
        let as_text = Value::from(text);
        if OPEN_TABLES.iter().any(|table| key.strip_prefix(table).is_some_and(|rest| rest.starts_with('.'))) {
            // No type says here what fits, and a key that looks like a number is none.
            let read =
                if text.trim_start().starts_with(['{', '[']) { text.trim().parse::<toml::Value>().ok() } else { None };
            let value = read.and_then(|value| Value::serialize(value).ok()).unwrap_or(as_text);
            return self.add_value(key, &value, origin);
        }
        let read = text.trim().parse::<toml::Value>().ok().and_then(|value| Value::serialize(value).ok());
        let fits = |value: &Value| {
            let trial = Layer { place: 0, dict: nested(key, value.clone()) };
            self.figment.clone().merge(trial).extract::<T>().is_ok()
        };
        let value = match read {
            Some(read) if fits(&read) || !fits(&as_text) => read,
            _ => as_text,
        };
        self.add_value(key, &value, origin)
    }

    /// The whole, with every value checked for its type.
    ///
    /// # Errors
    ///
    /// The first key that there is not, or value that does not fit.
    pub(crate) fn extract(&self) -> Result<T, ConfigError> {
        self.figment.extract().map_err(|error| self.explain(&error))
    }

    /// All keys, in the order of their declaration.
    pub(crate) fn keys(&self) -> &[String] {
        &self.keys
    }

    /// Where the value of a key came from.
    pub(crate) fn origin(&self, key: &str) -> Origin {
        self.origin_of(self.figment.find_metadata(key), key.split('.'))
    }

    /// Where the value of a key came from, or of what is around it when it is not there itself: first of all in the file.
    pub(crate) fn origin_or_around(&self, key: &str) -> Origin {
        let mut key = key;
        if self.figment.find_value(key).is_err() {
            let in_file = self.origins.iter().find_map(|origin| match origin {
                Origin::File { path, .. } => Some((path.clone(), line_of_key(&self.file, key.split('.'))?)),
                _ => None,
            });
            if let Some((path, line)) = in_file {
                return Origin::File { path, line: Some(line) };
            }
        }
        loop {
            match (self.origin(key), key.rsplit_once('.')) {
                (Origin::Default, Some((around, _))) => key = around,
                (origin, _) => return origin,
            }
        }
    }

    /// An error about a value that has the right type and still makes no sense.
    pub(crate) fn invalid(&self, key: &str, problem: String) -> ConfigError {
        ConfigError::Value { origin: self.origin(key), key: key.to_owned(), problem }
    }

    fn add(&mut self, origin: Origin, dict: Dict) {
        let layer = Layer { place: self.origins.len(), dict };
        self.origins.push(origin);
        self.figment = std::mem::take(&mut self.figment).merge(layer);
    }

    fn origin_of<'a>(&self, metadata: Option<&Metadata>, path: impl IntoIterator<Item = &'a str>) -> Origin {
        let place = metadata.and_then(|metadata| metadata.name.parse::<usize>().ok());
        match place.and_then(|place| self.origins.get(place)) {
            Some(Origin::File { path: file, .. }) => {
                Origin::File { path: file.clone(), line: line_of_key(&self.file, path) }
            }
            Some(origin) => origin.clone(),
            None => Origin::Default,
        }
    }

    fn explain(&self, error: &Error) -> ConfigError {
        let key = error.path.join(".");
        let origin = self.origin_of(error.metadata.as_ref(), error.path.iter().map(String::as_str));
        match &error.kind {
            Kind::UnknownField(_, siblings) => {
                let suggestion = self.suggest(&error.path, siblings);
                ConfigError::UnknownKey { origin, key, suggestion }
            }
            kind => ConfigError::Value { origin, key, problem: problem(kind) },
        }
    }

    /// A sibling with nearly the same name, the same name in another table, or all siblings.
    fn suggest(&self, path: &[String], siblings: &[&str]) -> Suggestion {
        let (name, parents) = match path.split_last() {
            Some((name, parents)) => (name.as_str(), parents),
            None => ("", path),
        };
        let whole = |sibling: &str| {
            let parts: Vec<&str> = parents.iter().map(String::as_str).chain([sibling]).collect();
            parts.join(".")
        };
        if let Some(sibling) = nearest(name, siblings.iter().copied()) {
            return Suggestion::Key(whole(sibling));
        }
        let last_part = |key: &&String| key.rsplit('.').next() == Some(name);
        match self.keys.iter().find(last_part) {
            Some(key) => Suggestion::Key(key.clone()),
            None => Suggestion::OneOf(siblings.iter().map(|sibling| whole(sibling)).collect()),
        }
    }
}

/// The name of the environment variable that sets a key.
pub(crate) fn variable_of(key: &str) -> String {
    format!("{PREFIX}{}", key.replace(['.', '-'], "_").to_uppercase())
}

/// One layer as figment takes it.
struct Layer {
    place: usize,
    dict: Dict,
}

impl Provider for Layer {
    fn metadata(&self) -> Metadata {
        Metadata::named(self.place.to_string())
    }

    fn data(&self) -> Result<Map<Profile, Dict>, Error> {
        Ok(Profile::Default.collect(self.dict.clone()))
    }
}

/// `server.listen` and a value as a table in a table.
fn nested(key: &str, value: Value) -> Dict {
    match key.split_once('.') {
        Some((table, rest)) => Dict::from([(table.to_owned(), Value::from(nested(rest, value)))]),
        None => Dict::from([(key.to_owned(), value)]),
    }
}

/// What was found and what would be right.
fn problem(kind: &Kind) -> String {
    match kind {
        Kind::Message(message) => message.clone(),
        Kind::InvalidType(found, expected) | Kind::InvalidValue(found, expected) => {
            format!("found {}, expected {}", describe(found), in_words(expected))
        }
        Kind::InvalidLength(found, expected) => {
            format!("found {found} values, expected {}", in_words(expected))
        }
        Kind::UnknownVariant(found, expected) => {
            let choices: Vec<String> = expected.iter().map(|choice| format!("\"{choice}\"")).collect();
            let near = nearest(found, expected.iter().copied());
            let question = near.map(|near| format!("; did you mean \"{near}\"?")).unwrap_or_default();
            format!("found \"{found}\", expected one of {}{question}", choices.join(", "))
        }
        Kind::MissingField(name) => format!("'{name}' is missing"),
        other => other.to_string(),
    }
}

fn describe(found: &Actual) -> String {
    match found {
        Actual::Bool(value) => format!("the truth value {value}"),
        Actual::Unsigned(value) => format!("the number {value}"),
        Actual::Signed(value) => format!("the number {value}"),
        Actual::Float(value) => format!("the number {value}"),
        Actual::Str(value) => format!("the text \"{}\"", value.escape_debug()),
        Actual::Seq => "a list".to_owned(),
        Actual::Map => "a table".to_owned(),
        Actual::Unit | Actual::Option => "nothing".to_owned(),
        other => other.to_string(),
    }
}

/// What serde says of a type of Rust's, for people who write TOML.
fn in_words(expected: &str) -> String {
    let whole = |from: &str, to: &str| format!("a whole number from {from} to {to}");
    match expected {
        "u8" => whole("0", "255"),
        "u16" => whole("0", "65535"),
        "u32" => whole("0", "4294967295"),
        "u64" | "usize" | "u128" => "a whole number, 0 or above".to_owned(),
        "i8" | "i16" | "i32" | "i64" | "isize" => "a whole number".to_owned(),
        "f32" | "f64" => "a number".to_owned(),
        "a boolean" => "true or false".to_owned(),
        "a string" | "path string" | "a character" => "text in quotes".to_owned(),
        "a sequence" => "a list".to_owned(),
        "a map" => "a table".to_owned(),
        other if other.starts_with("struct ") => "a table".to_owned(),
        other => other.to_owned(),
    }
}
