//! What a submission is made of.

use serde_json::{Map, Value, json};

use crate::http::{Body, Part};
use crate::sample::Sample;
use crate::sandbox::Options;

/// Members whose value is JSON; those of other names are text.
const STRUCTURED: [&str; 4] = ["interactive", "profiles", "user_tags", "defaults"];

/// What is sent, or why it cannot be.
pub(super) fn body(sample: &Sample, options: &Options) -> Result<Body, String> {
    let mut members = Map::new();
    members.insert("interactive".to_owned(), false.into());
    match sample {
        Sample::Url(address) => {
            members.insert("kind".to_owned(), "url".into());
            members.insert("url".to_owned(), address.as_str().into());
        }
        Sample::File { .. } => {
            members.insert("kind".to_owned(), "file".into());
        }
    }
    let file = matches!(sample, Sample::File { .. });
    for (name, value) in &options.vendor {
        let value = match name.as_str() {
            "kind" if file || !matches!(value.as_str(), "url" | "fetch") => {
                return Err("`kind` may be `fetch` for an address: the file there is analysed".to_owned());
            }
            "url" => return Err("what is submitted is no option".to_owned()),
            name if STRUCTURED.contains(&name) => {
                serde_json::from_str(value).map_err(|error| format!("the option `{name}` is no JSON: {error}"))?
            }
            _ => Value::from(value.as_str()),
        };
        members.insert(name.clone(), value);
    }
    if let Some(password) = &options.archive_password {
        members.insert("password".to_owned(), password.reveal().into());
    }
    if let Some(profile) = &options.environment {
        let profiles = json!([{ "profile": profile }]);
        if members.insert("profiles".to_owned(), profiles).is_some() {
            return Err("an environment and the option `profiles` exclude each other".to_owned());
        }
    }
    if let Some(time) = options.analysis_time {
        let defaults = members.entry("defaults").or_insert_with(|| json!({}));
        let defaults = defaults.as_object_mut().ok_or("the option `defaults` is no object")?;
        defaults.insert("timeout".to_owned(), time.as_secs().into());
    }
    let members = Value::Object(members);
    Ok(match sample {
        Sample::Url(_) => Body::Json(members),
        Sample::File { name, origin } => {
            Body::Multipart(vec![Part::field("_json", members.to_string()), Part::file("file", name, origin)])
        }
    })
}
