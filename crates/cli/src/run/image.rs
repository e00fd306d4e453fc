//! How an image wants to be run, as far as the caller has not said otherwise.

use std::ffi::OsString;
use std::path::PathBuf;

use belljar_image::{ImageConfig, ImageError};
use belljar_sandbox::{Policy, User};

use super::plan::PlanError;

/// The user: the caller's choice, the image's, an ordinary one.
pub(super) fn user(given: Option<User>, config: Option<&ImageConfig>) -> Result<Option<User>, ImageError> {
    match (given, config) {
        (Some(user), _) => Ok(Some(user)),
        (None, Some(config)) => config.user(),
        (None, None) => Ok(None),
    }
}

/// The image's variables over those that every sandbox has.
pub(super) fn environment(policy: &mut Policy, config: &ImageConfig) {
    policy.environment.extend(config.environment.clone());
}

/// The command line: what the image begins with, and what is given, or else what the image has in its place.
///
/// # Errors
///
/// There is no program at all.
pub(super) fn command(given: Vec<OsString>, config: Option<&ImageConfig>) -> Result<Vec<OsString>, PlanError> {
    let own = |words: &[String]| words.iter().map(OsString::from).collect::<Vec<_>>();
    let mut argv = config.map(|config| own(&config.entrypoint)).unwrap_or_default();
    match config {
        Some(config) if given.is_empty() => argv.extend(own(&config.command)),
        _ => argv.extend(given),
    }
    if argv.is_empty() { Err(PlanError::NoProgram) } else { Ok(argv) }
}

/// The directory that the image starts in.
pub(super) fn directory(config: Option<&ImageConfig>) -> Option<PathBuf> {
    config.and_then(|config| config.working_directory.as_ref()).map(PathBuf::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_line_is_made_of_both() {
        let config = |entrypoint: &[&str], command: &[&str]| {
            let mut config = ImageConfig::default();
            config.entrypoint = entrypoint.iter().map(|word| (*word).to_owned()).collect();
            config.command = command.iter().map(|word| (*word).to_owned()).collect();
            config
        };
        let cases: [[&[&str]; 4]; 5] = [
            [&[], &[], &["x"], &["x"]],
            [&[], &["sh", "-c"], &["x"], &["x"]],
            [&[], &["sh", "-c"], &[], &["sh", "-c"]],
            [&["tini", "--"], &["sh"], &[], &["tini", "--", "sh"]],
            [&["tini", "--"], &["sh"], &["x", "y"], &["tini", "--", "x", "y"]],
        ];
        for [entrypoint, default, given, expected] in cases {
            let given = given.iter().map(OsString::from).collect();
            let argv = command(given, Some(&config(entrypoint, default))).expect("a program");
            assert_eq!(argv, expected);
        }
        assert!(matches!(command(Vec::new(), Some(&config(&[], &[]))), Err(PlanError::NoProgram)));
        assert!(matches!(command(Vec::new(), None), Err(PlanError::NoProgram)));
    }
}
