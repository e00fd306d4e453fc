//! What is said about images.

use std::fmt::Write as _;
use std::io::{self, IsTerminal, Write as _};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use belljar_image::{Event, Image};
use comfy_table::Table;
use comfy_table::presets::NOTHING;
use serde_json::{Value, json};

use crate::failure::{Failure, print};

/// Digits of a digest that tell images apart on one machine.
const SHORT: usize = 12;
/// How often progress is drawn.
const INTERVAL: Duration = Duration::from_millis(100);

/// Tells how far an import is, on a terminal, and what came of it.
#[derive(Debug)]
pub(super) struct Teller {
    json: bool,
    terminal: bool,
    drawn: Mutex<Option<Instant>>,
}

impl Teller {
    pub(super) fn new(json: bool) -> Self {
        Self { json, terminal: io::stderr().is_terminal(), drawn: Mutex::default() }
    }

    /// Draws one line over the one before. What becomes of it is no reason to fail.
    pub(super) fn tell(&self, event: &Event) {
        if !self.terminal {
            return;
        }
        let fetching = matches!(event, Event::Fetching { bytes, total, .. } if bytes < total);
        if let Ok(mut drawn) = self.drawn.lock() {
            if fetching && drawn.is_some_and(|at| at.elapsed() < INTERVAL) {
                return;
            }
            *drawn = Some(Instant::now());
        }
        let line = match event {
            Event::Archive => "unpacking the archive".to_owned(),
            Event::Fetching { number, of, bytes, total } => {
                format!("layer {number} of {of}: {} of {}", size(*bytes), size(*total))
            }
            Event::Unpacking { number, of } => format!("layer {number} of {of}: unpacking"),
            Event::Known { number, of } => format!("layer {number} of {of}: there already"),
        };
        // Back to the start of the line, and what was there cleared (ECMA-48, EL).
        let _ = write!(io::stderr().lock(), "\r\u{1b}[K{line}");
    }

    /// Prints the image that there is now.
    pub(super) fn done(&self, image: &Image) -> Result<(), Failure> {
        if self.terminal {
            let _ = write!(io::stderr().lock(), "\r\u{1b}[K");
        }
        if self.json {
            return print(as_json(image));
        }
        let layers = image.layers.len();
        let plural = if layers == 1 { "" } else { "s" };
        print(format!("{}: {layers} layer{plural}, {} files, {}\n", image.name, image.entries, size(image.bytes)))
    }
}

/// A size as people say it: one digit behind the point at most.
fn size(bytes: u64) -> String {
    #[expect(clippy::cast_precision_loss, reason = "for people")]
    let of = |unit: u64| bytes as f64 / unit as f64;
    match bytes {
        0..1024 => format!("{bytes} B"),
        1024..1_048_576 => format!("{:.1} KiB", of(1 << 10)),
        1_048_576..1_073_741_824 => format!("{:.1} MiB", of(1 << 20)),
        _ => format!("{:.1} GiB", of(1 << 30)),
    }
}

pub(super) fn list_as_text(images: &[Image]) -> String {
    if images.is_empty() {
        return "There are no images yet: see belljar image import --help.\n".to_owned();
    }
    let mut table = Table::new();
    table.load_style(NOTHING);
    table.set_header(["NAME", "ID", "LAYERS", "FILES", "SIZE", "IMPORTED"]);
    for image in images {
        table.add_row([
            image.name.to_string(),
            image.id.hex()[..SHORT].to_owned(),
            image.layers.len().to_string(),
            image.entries.to_string(),
            size(image.bytes),
            image.imported.clone(),
        ]);
    }
    format!("{}\n", table.trim_fmt())
}

pub(super) fn list_as_json(images: &[Image]) -> String {
    format!("{:#}\n", Value::from_iter(images.iter().map(value)))
}

pub(super) fn as_json(image: &Image) -> String {
    format!("{:#}\n", value(image))
}

fn value(image: &Image) -> Value {
    let config = &image.config;
    json!({
        "name": image.name,
        "id": image.id,
        "layers": image.layers,
        "files": image.entries,
        "bytes": image.bytes,
        "imported": image.imported,
        "source": image.source,
        "config": {
            "environment": config.environment,
            "entrypoint": config.entrypoint,
            "command": config.command,
            "working_directory": config.working_directory,
            "user": config.user,
        },
    })
}

pub(super) fn as_text(image: &Image) -> String {
    let config = &image.config;
    let mut text = String::new();
    let mut line = |name: &str, value: &str| {
        // Words of an image's own must not steer the terminal that they are shown on.
        let value: String = value.chars().flat_map(plain).collect();
        // Writing to memory does not fail.
        let _ = writeln!(text, "{name:<18} {value}");
    };
    line("name", image.name.as_str());
    line("id", &image.id.to_string());
    line("files", &image.entries.to_string());
    line("size", &format!("{} ({} bytes)", size(image.bytes), image.bytes));
    line("imported", &image.imported);
    line("from", &image.source);
    for layer in &image.layers {
        line("layer", &layer.to_string());
    }
    let words = |words: &[String]| Value::from(words).to_string();
    if !config.entrypoint.is_empty() {
        line("entry point", &words(&config.entrypoint));
    }
    if !config.command.is_empty() {
        line("command", &words(&config.command));
    }
    if let Some(directory) = &config.working_directory {
        line("working directory", directory);
    }
    if let Some(user) = &config.user {
        line("user", user);
    }
    for (name, value) in &config.environment {
        line("variable", &format!("{name}={value}"));
    }
    text
}

/// A character as it is, or in words when a terminal would take it for an order.
fn plain(character: char) -> impl Iterator<Item = char> {
    let escaped = character.is_control().then(|| character.escape_default());
    let as_it_is = escaped.is_none().then_some(character);
    escaped.into_iter().flatten().chain(as_it_is)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_for_people() {
        for (bytes, text) in
            [(0, "0 B"), (1023, "1023 B"), (1536, "1.5 KiB"), (300 << 20, "300.0 MiB"), (5 << 30, "5.0 GiB")]
        {
            assert_eq!(size(bytes), text);
        }
    }

    #[test]
    fn an_image_does_not_steer_the_terminal() {
        assert_eq!("a\u{1b}[2J\n".chars().flat_map(plain).collect::<String>(), "a\\u{1b}[2J\\n");
    }
}
