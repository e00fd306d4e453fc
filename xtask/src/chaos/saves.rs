//! Environments whose saving was acknowledged, which must be there for good.

use std::sync::{Mutex, PoisonError};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::random::Random;
use crate::bench::http::Client;

/// An environment and the text that is in its file `marker`.
#[derive(Debug, Clone)]
pub(super) struct Saved {
    pub(super) environment: String,
    marker: String,
}

/// All of them.
#[derive(Debug, Default)]
pub(super) struct Saves(Mutex<Vec<Saved>>);

impl Saves {
    /// Notes what an answer acknowledges.
    pub(super) fn acknowledged(&self, answer: &Value, marker: &str) {
        if let Some(environment) = answer.get("environment").and_then(Value::as_str) {
            self.lock().push(Saved { environment: environment.to_owned(), marker: marker.to_owned() });
        }
    }

    pub(super) fn choose(&self, random: &mut Random) -> Option<Saved> {
        random.choose(&self.lock()).cloned()
    }

    pub(super) fn count(&self) -> usize {
        self.lock().len()
    }

    /// Looks for so many of them, the newest first, through a server that is at rest.
    pub(super) fn verify(&self, client: &mut Client, most: usize) -> Result<()> {
        let newest: Vec<Saved> = self.lock().iter().rev().take(most).cloned().collect();
        for saved in newest {
            let answer = client.execute(&saved.request())?;
            saved.check(&answer)?;
        }
        Ok(())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Saved>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Saved {
    /// The configuration that shows it.
    pub(super) fn request(&self) -> Value {
        json!({"environment": self.environment, "commands": ["cat marker"]})
    }

    pub(super) fn check(&self, answer: &Value) -> Result<()> {
        let shown = answer.pointer("/execution/0/stdout").and_then(Value::as_str);
        let shown = shown.with_context(|| format!("environment {} does not answer: {answer}", self.environment))?;
        ensure!(shown.trim() == self.marker, "environment {} holds {shown:?}, not {:?}", self.environment, self.marker);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_acknowledged_has_to_be_shown() {
        let saves = Saves::default();
        saves.acknowledged(&json!({"status": 0}), "never");
        saves.acknowledged(&json!({"status": 0, "environment": "e"}), "m");
        assert_eq!(saves.count(), 1);
        let saved = saves.choose(&mut Random::branch(1, 1)).expect("there is one");
        assert_eq!(saved.request(), json!({"environment": "e", "commands": ["cat marker"]}));
        let shown = |text: &str| json!({"status": 0, "execution": [{"stdout": text}]});
        assert!(saved.check(&shown("m\n")).is_ok());
        assert!(saved.check(&shown("another")).is_err());
        assert!(saved.check(&json!({"status": -1})).is_err());
    }
}
