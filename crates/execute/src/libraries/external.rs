//! The repositories at `/utils/libs`: cloned when missing, else brought to the newest commit of their branch.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use super::git::{Git, GitError, option};
use crate::settings::{ExternalLibrary, LibrarySettings};

/// Where clones grow before they get their name; no alias begins with a dot.
const UNFINISHED: &str = ".clone-";

/// What became of one external library at its last update.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LibraryUpdate {
    /// The name of its directory at `/utils/libs`.
    pub alias: String,
    /// Where it comes from, without passwords.
    pub url: String,
    /// When the update ended.
    pub at: Timestamp,
    /// The commit that is there now, or why there is no newer one; what was there before stays.
    pub result: Result<String, String>,
}

/// Updates every library of the settings, one after the other, and says in the log how it went.
pub(crate) async fn update_all(directory: &Path, settings: &LibrarySettings) -> Vec<LibraryUpdate> {
    remove_unfinished(directory);
    let mut updates = Vec::with_capacity(settings.external.len());
    for library in &settings.external {
        let (alias, url) = (library.alias.as_str().to_owned(), library.url.to_string());
        let result = update(directory, settings, library).await;
        match &result {
            Ok(revision) => tracing::info!(alias, url, revision, "external library is up to date"),
            Err(error) => {
                tracing::warn!(alias, url, error = chain(error), "external library could not be updated");
            }
        }
        let result = result.map_err(|error| chain(&error));
        updates.push(LibraryUpdate { alias, url, at: Timestamp::now(), result });
    }
    updates
}

/// Updates one library and returns its commit.
async fn update(directory: &Path, settings: &LibrarySettings, library: &ExternalLibrary) -> Result<String, GitError> {
    let git = Git { url: &library.url, protocols: &settings.protocols, limit: settings.git_timeout };
    let place = directory.join(library.alias.as_str());
    let failed = |step| move |source| GitError::File { step, source };
    match occupant(&place).map_err(failed("look at the library's directory"))? {
        Occupant::Repository => fetch(&git, &place, library).await?,
        Occupant::Nothing => clone(&git, directory, &place, library).await?,
        Occupant::Other => return Err(GitError::NotARepository),
    }
    let repository = option("--git-dir=", &place.join(".git"));
    let revision = git.run("rev-parse", [repository, "rev-parse".into(), "--verify".into(), "HEAD".into()]).await?;
    Ok(revision.trim().to_owned())
}

/// A clone gets its name when it is complete, so that no program sees half of one and a kill leaves nothing to repair.
async fn clone(git: &Git<'_>, directory: &Path, place: &Path, library: &ExternalLibrary) -> Result<(), GitError> {
    let failed = |step| move |source| GitError::File { step, source };
    let unfinished = tempfile::Builder::new()
        .prefix(UNFINISHED)
        .tempdir_in(directory)
        .map_err(failed("make a directory in the libraries' directory"))?;
    let tree = unfinished.path().join(library.alias.as_str());
    let mut arguments: Vec<_> =
        ["clone", "--quiet", "--no-local", "--no-tags", "--single-branch", "--template="].map(Into::into).into();
    if let Some(branch) = &library.branch {
        arguments.push(option("--branch=", Path::new(branch)));
    }
    arguments.extend(["--".into(), library.url.as_str().into(), tree.clone().into()]);
    git.run("clone", arguments).await?;
    fs::rename(&tree, place).map_err(failed("give the clone its name"))
}

/// Not a merge: a branch that was rewritten, or a file that somebody changed here, must not stop updates for ever.
async fn fetch(git: &Git<'_>, place: &Path, library: &ExternalLibrary) -> Result<(), GitError> {
    // Named, not found: in a directory whose `.git` is broken git would look further up, and reset what it finds there.
    let repository = option("--git-dir=", &place.join(".git"));
    let tree = option("--work-tree=", place);
    let head = library.branch.as_ref().map_or_else(|| "HEAD".to_owned(), |branch| format!("refs/heads/{branch}"));
    let fetch = ["fetch", "--quiet", "--no-tags", "--no-recurse-submodules", "--", library.url.as_str(), &head];
    git.run("fetch", [&repository, &tree].into_iter().cloned().chain(fetch.map(Into::into))).await?;
    let reset = ["reset", "--quiet", "--hard", "FETCH_HEAD"];
    git.run("reset", [repository, tree].into_iter().chain(reset.map(Into::into))).await.map(drop)
}

/// What is at a library's place.
enum Occupant {
    /// Nothing, or an empty directory.
    Nothing,
    Repository,
    Other,
}

fn occupant(place: &Path) -> io::Result<Occupant> {
    let kind = match fs::symlink_metadata(place) {
        Ok(metadata) => metadata.file_type(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Occupant::Nothing),
        Err(error) => return Err(error),
    };
    if !kind.is_dir() {
        return Ok(Occupant::Other);
    }
    let is_repository = fs::symlink_metadata(place.join(".git")).is_ok_and(|git| git.is_dir());
    if is_repository {
        Ok(Occupant::Repository)
    } else if fs::read_dir(place)?.next().is_none() {
        Ok(Occupant::Nothing)
    } else {
        Ok(Occupant::Other)
    }
}

/// Removes clones that a kill left unfinished.
fn remove_unfinished(directory: &Path) {
    let left: Vec<PathBuf> = match fs::read_dir(directory) {
        Ok(entries) => entries
            .flatten()
            .filter(|entry| entry.file_name().to_string_lossy().starts_with(UNFINISHED))
            .map(|entry| entry.path())
            .collect(),
        Err(_) => Vec::new(), // Whoever needs the directory next says what is wrong with it.
    };
    for path in left {
        if let Err(error) = fs::remove_dir_all(&path) {
            tracing::warn!(path = %path.display(), %error, "an unfinished clone could not be removed");
        }
    }
}

/// An error with its causes, in one line.
fn chain(error: &GitError) -> String {
    match std::error::Error::source(error) {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;
    use std::time::Duration;

    use tempfile::TempDir;

    use super::*;
    use crate::settings::Protocol;

    /// A repository, and an empty directory for libraries.
    struct Setup {
        root: TempDir,
        settings: LibrarySettings,
    }

    impl Setup {
        fn new() -> Self {
            let setup = Self { root: tempfile::tempdir().unwrap(), settings: LibrarySettings::default() };
            fs::create_dir(setup.remote()).unwrap();
            fs::create_dir(setup.libraries()).unwrap();
            setup.git(&["init", "--quiet", "--initial-branch=trunk"]);
            setup
        }

        fn remote(&self) -> PathBuf {
            self.root.path().join("remote")
        }

        fn libraries(&self) -> PathBuf {
            self.root.path().join("libraries")
        }

        fn git(&self, arguments: &[&str]) {
            let output = Command::new("git")
                .args(["-c", "user.name=T", "-c", "user.email=t@example.org"])
                .args(arguments)
                .current_dir(self.remote())
                .env("GIT_CONFIG_GLOBAL", "/dev/null")
                .env_remove("GIT_DIR")
                .output()
                .unwrap();
            assert!(output.status.success(), "{output:?}");
        }

        fn commit(&self, text: &str) {
            fs::write(self.remote().join("module.py"), text).unwrap();
            self.git(&["add", "."]);
            self.git(&["commit", "--quiet", "--message", "Change"]);
        }

        fn library(&self, alias: &str) -> ExternalLibrary {
            let url = format!("file://{}", self.remote().display()).parse().unwrap();
            ExternalLibrary { url, alias: alias.parse().unwrap(), branch: None }
        }

        async fn update(&self, library: &ExternalLibrary) -> Result<String, String> {
            let mut settings = self.settings.clone();
            settings.external = vec![library.clone()];
            let mut updates = update_all(&self.libraries(), &settings).await;
            assert_eq!(updates.len(), 1);
            assert_eq!(updates[0].alias, library.alias.as_str());
            updates.remove(0).result
        }

        fn module(&self, alias: &str) -> String {
            fs::read_to_string(self.libraries().join(alias).join("module.py")).unwrap()
        }

        fn entries(&self) -> Vec<String> {
            let entries = fs::read_dir(self.libraries()).unwrap();
            let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
            names.sort();
            names
        }
    }

    #[tokio::test]
    async fn a_missing_library_is_cloned_and_a_present_one_follows_its_remote() {
        let setup = Setup::new();
        setup.commit("one");
        let library = setup.library("pl");
        let first = setup.update(&library).await.unwrap();
        assert_eq!(first.len(), 40);
        assert_eq!((setup.module("pl").as_str(), setup.entries()), ("one", vec!["pl".to_owned()]));
        assert!(setup.libraries().join("pl/.git").is_dir());

        assert_eq!(setup.update(&library).await.unwrap(), first);
        setup.commit("two");
        let second = setup.update(&library).await.unwrap();
        assert_ne!(first, second);
        assert_eq!(setup.module("pl"), "two");

        // Neither a rewritten branch nor a local change stops it.
        setup.git(&["reset", "--quiet", "--hard", &first]);
        setup.commit("three");
        fs::write(setup.libraries().join("pl/module.py"), "changed here").unwrap();
        setup.update(&library).await.unwrap();
        assert_eq!(setup.module("pl"), "three");
    }

    #[tokio::test]
    async fn the_branch_is_the_remote_s_own_unless_one_is_named() {
        let setup = Setup::new();
        setup.commit("trunk");
        setup.git(&["checkout", "--quiet", "-b", "other"]);
        setup.commit("other");
        setup.git(&["checkout", "--quiet", "trunk"]);
        let named = ExternalLibrary { branch: Some("other".to_owned()), ..setup.library("named") };
        for library in [setup.library("own"), named] {
            // Cloned, then fetched.
            for _ in 0..2 {
                setup.update(&library).await.unwrap();
                let expected = if library.branch.is_some() { "other" } else { "trunk" };
                assert_eq!(setup.module(library.alias.as_str()), expected);
            }
        }
        let missing = ExternalLibrary { branch: Some("none".to_owned()), ..setup.library("missing") };
        assert!(setup.update(&missing).await.is_err());
        assert_eq!(setup.entries(), ["named", "own"]);
    }

    #[tokio::test]
    async fn files_can_be_read_by_everybody() {
        use std::os::unix::fs::PermissionsExt;
        let setup = Setup::new();
        setup.commit("one");
        setup.update(&setup.library("pl")).await.unwrap();
        for (path, mode) in [("pl", 0o755), ("pl/module.py", 0o644)] {
            let found = fs::metadata(setup.libraries().join(path)).unwrap().permissions().mode();
            assert_eq!(found & 0o777, mode, "{path}");
        }
    }

    #[tokio::test]
    async fn what_is_not_ours_is_left_alone() {
        let setup = Setup::new();
        setup.commit("one");
        fs::create_dir(setup.libraries().join("full")).unwrap();
        fs::write(setup.libraries().join("full/notes"), "mine").unwrap();
        fs::create_dir(setup.libraries().join("empty")).unwrap();
        std::os::unix::fs::symlink(setup.remote(), setup.libraries().join("link")).unwrap();
        for alias in ["full", "link"] {
            let problem = setup.update(&setup.library(alias)).await.unwrap_err();
            assert!(problem.contains("holds no git repository"), "{problem}");
        }
        assert_eq!(fs::read_to_string(setup.libraries().join("full/notes")).unwrap(), "mine");
        setup.update(&setup.library("empty")).await.unwrap();
        assert_eq!(setup.module("empty"), "one");
    }

    #[tokio::test]
    async fn a_broken_library_does_not_touch_a_repository_above_it() {
        let mut setup = Setup::new();
        setup.commit("one");
        // The libraries' directory inside of a work tree, with a library whose `.git` is empty.
        let above = setup.remote().join("data");
        fs::create_dir_all(above.join("pl/.git")).unwrap();
        fs::write(setup.remote().join("module.py"), "not committed").unwrap();
        setup.settings.external = vec![setup.library("pl")];
        let updates = update_all(&above, &setup.settings).await;
        assert!(updates[0].result.is_err());
        assert_eq!(fs::read_to_string(setup.remote().join("module.py")).unwrap(), "not committed");
    }

    #[tokio::test]
    async fn failures_are_told_without_passwords_and_leave_nothing() {
        let mut setup = Setup::new();
        fs::create_dir(setup.libraries().join(".clone-killed")).unwrap();
        let nowhere = ExternalLibrary { url: "file:///nowhere/at/all".parse().unwrap(), ..setup.library("pl") };
        let problem = setup.update(&nowhere).await.unwrap_err();
        assert!(problem.contains("git clone failed"), "{problem}");
        assert_eq!(setup.entries(), Vec::<String>::new());

        // Refused by git itself, before the network is used.
        setup.settings.protocols = [Protocol::File].into();
        let secret = ExternalLibrary { url: "https://u:secret@localhost:1/x".parse().unwrap(), ..setup.library("pl") };
        let problem = setup.update(&secret).await.unwrap_err();
        assert!(problem.contains("not allowed") && !problem.contains("secret"), "{problem}");
    }

    #[tokio::test]
    async fn git_is_ended_when_it_takes_too_long() {
        let mut setup = Setup::new();
        // Serving waits for ever.
        let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
        setup.settings.git_timeout = Duration::from_millis(200);
        let url = format!("git://127.0.0.1:{}/x", listener.local_addr().unwrap().port());
        let library = ExternalLibrary { url: url.parse().unwrap(), ..setup.library("pl") };
        let problem = setup.update(&library).await.unwrap_err();
        assert_eq!(problem, "git clone took longer than 200ms");
        assert_eq!(setup.entries(), Vec::<String>::new());
        setup.settings.git_timeout = Duration::from_secs(60);
        setup.commit("one");
        setup.update(&setup.library("pl")).await.unwrap();
    }
}
