//! What is wanted of an analysis, as the JSON that Cuckoo 3 takes.

use serde_json::{Map, Value, json};

use crate::sandbox::Options;

/// Settings whose values are texts, also where they look like numbers.
const TEXTS: [&str; 2] = ["browser", "password"];

/// The settings.
///
/// # Errors
/// Something is said twice, or makes no sense.
pub(super) fn of(options: &Options) -> Result<Value, String> {
    let mut settings = Map::new();
    for (name, value) in &options.vendor {
        // Numbers, lists and objects are written as JSON, and are nothing else.
        let json = serde_json::from_str(value).ok().filter(|_| !TEXTS.contains(&name.as_str()));
        settings.insert(name.clone(), json.unwrap_or_else(|| Value::String(value.clone())));
    }
    let mut set = |name: &str, value: Value| match settings.insert(name.to_owned(), value) {
        None => Ok(()),
        Some(_) => Err(format!("`{name}` is said twice")),
    };
    if let Some(time) = options.analysis_time {
        // Upwards: 0 would be the server's default.
        set("timeout", json!(time.as_secs() + u64::from(time.subsec_nanos() > 0)))?;
    }
    if let Some(password) = &options.archive_password {
        set("password", json!(password.reveal()))?;
    }
    if let Some(environment) = &options.environment {
        let platforms: Result<Vec<Value>, String> = environment.split(',').map(platform).collect();
        set("platforms", Value::Array(platforms?))?;
    }
    Ok(Value::Object(settings))
}

/// `windows 10` or `windows`.
fn platform(text: &str) -> Result<Value, String> {
    let mut words = text.split_whitespace();
    match (words.next(), words.next(), words.next()) {
        (Some(platform), None, None) => Ok(json!({ "platform": platform })),
        (Some(platform), Some(version), None) => Ok(json!({ "platform": platform, "os_version": version })),
        _ => Err(format!("`{text}` is no platform: `windows 10`, and several with commas between them")),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn settings_are_what_cuckoo_takes() {
        let mut options = Options {
            analysis_time: Some(Duration::from_millis(90_500)),
            archive_password: Some(crate::Secret::new("1234")),
            environment: Some("windows 10, linux".to_owned()),
            ..Options::default()
        };
        for (name, value) in [
            ("priority", "2"),
            ("command", r#"["rundll32.exe", "%PAYLOAD%"]"#),
            ("route", r#"{"type": "internet"}"#),
            ("browser", "7"),
            ("orig_filename", "true"),
        ] {
            options.vendor.insert(name.to_owned(), value.to_owned());
        }
        let expected = json!({
            "timeout": 91, "password": "1234", "priority": 2, "command": ["rundll32.exe", "%PAYLOAD%"],
            "platforms": [{"platform": "windows", "os_version": "10"}, {"platform": "linux"}],
            "route": {"type": "internet"}, "browser": "7", "orig_filename": true
        });
        assert_eq!(of(&options), Ok(expected));
        assert_eq!(of(&Options::default()), Ok(json!({})));
        options.vendor.insert("timeout".to_owned(), "5".to_owned());
        assert!(of(&options).is_err());
        for environment in ["", "windows 10 x", "a,,b"] {
            let options = Options { environment: Some(environment.to_owned()), ..Options::default() };
            assert!(of(&options).is_err(), "{environment}");
        }
    }
}
