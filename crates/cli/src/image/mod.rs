//! `belljar image`: images, and where they come from.

mod report;

use std::env;
use std::fs::File;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use anyhow::Context;
use belljar_image::{
    Credentials, Image, ImageError, ImageName, Images, ImportLimits, ImportOptions, PullOptions, RegistryError,
};
use belljar_sandbox::Launcher;
use report::Teller;

use crate::args::{ImageAction, ImportArgs, ImportOptionArgs, ListArgs, Place, PullArgs, RemoveArgs, ShowArgs};
use crate::config;
use crate::exit::ExitCode;
use crate::failure::{Failure, print, say};

/// Does what is asked about images.
///
/// # Errors
///
/// There is no such image, or it cannot be had.
pub(crate) fn manage(action: &ImageAction) -> Result<ExitCode, Failure> {
    match action {
        ImageAction::Import(args) => import(args),
        ImageAction::Pull(args) => pull(args),
        ImageAction::List(args) => list(args),
        ImageAction::Show(args) => show(args),
        ImageAction::Remove(args) => remove(args),
    }?;
    Ok(ExitCode::Success)
}

/// The images of a data directory; of the configured one, when none is named.
///
/// # Errors
///
/// The configuration cannot be read.
pub(crate) fn images_of(place: &Place) -> Result<Images, Failure> {
    let settings = config::load(&place.into(), env::vars_os())?.settings;
    Ok(Images::of(settings.data_dir))
}

fn import(args: &ImportArgs) -> Result<(), Failure> {
    let from_stdin = args.source.as_os_str() == "-";
    let source = if from_stdin { "standard input".to_owned() } else { args.source.display().to_string() };
    // Before there is any thread.
    let launcher = start_launcher()?;
    let images = images_of(&args.place)?;
    let options = options(&args.options, args.name.clone(), args.select.clone(), source);
    let teller = Teller::new(args.options.json);
    let watch = |event| teller.tell(&event);
    let image = block_on(async {
        if from_stdin {
            let input = rustix::stdio::stdin().try_clone_to_owned().context("cannot use standard input")?;
            images.import(&launcher, input, options, &watch).await.map_err(failure)
        } else if args.source.is_dir() {
            images.import_directory(&launcher, &args.source, options, &watch).await.map_err(failure)
        } else {
            images.import(&launcher, open(&args.source)?, options, &watch).await.map_err(failure)
        }
    })?;
    teller.done(&image)
}

fn pull(args: &PullArgs) -> Result<(), Failure> {
    // Before there is any thread.
    let launcher = start_launcher()?;
    let images = images_of(&args.place)?;
    let options = PullOptions {
        import: options(&args.options, args.name.clone(), None, args.reference.to_string()),
        credentials: Credentials::find(args.reference.registry(), |name| env::var_os(name)),
        plain_http: args.plain_http,
    };
    let teller = Teller::new(args.options.json);
    let watch = |event| teller.tell(&event);
    let image = block_on(async { images.pull(&launcher, &args.reference, options, &watch).await.map_err(failure) })?;
    teller.done(&image)
}

fn open(path: &Path) -> Result<OwnedFd, Failure> {
    let file = File::open(path).with_context(|| format!("cannot open {}", path.display()));
    file.map(OwnedFd::from).map_err(Failure::usage)
}

fn start_launcher() -> Result<Launcher, Failure> {
    let launcher = Launcher::start().context("cannot start the launcher");
    launcher.map_err(|error| Failure::new(ExitCode::SetupFailed, error))
}

fn options(args: &ImportOptionArgs, name: Option<ImageName>, select: Option<String>, source: String) -> ImportOptions {
    let default = ImportLimits::default();
    let limits = ImportLimits {
        max_bytes: args.max_size.unwrap_or(default.max_bytes),
        max_entries: args.max_files.unwrap_or(default.max_entries),
    };
    ImportOptions { name, select, source, limits }
}

/// Runs to the end, unless a signal comes: what is half done is taken away then.
fn block_on(work: impl Future<Output = Result<Image, Failure>>) -> Result<Image, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().context("cannot start threads")?;
    let result = runtime.block_on(async {
        let interrupt = tokio::signal::ctrl_c();
        tokio::select! {
            result = work => result,
            _ = interrupt => Err(Failure::new(ExitCode::Signal(2), anyhow::anyhow!("interrupted; nothing was changed"))),
        }
    });
    runtime.shutdown_background();
    result
}

fn list(args: &ListArgs) -> Result<(), Failure> {
    let images = images_of(&args.place)?.list().map_err(failure)?;
    print(if args.json { report::list_as_json(&images) } else { report::list_as_text(&images) })
}

fn show(args: &ShowArgs) -> Result<(), Failure> {
    let image = images_of(&args.place)?.get(&args.name).map_err(failure)?;
    print(if args.json { report::as_json(&image) } else { report::as_text(&image) })
}

fn remove(args: &RemoveArgs) -> Result<(), Failure> {
    let images = images_of(&args.place)?;
    for name in &args.names {
        let removed = images.remove(name).map_err(failure)?;
        if removed.in_use > 0 {
            say(format_args!(
                "{name}: {} of its layers are in use; they are removed when images are next changed",
                removed.in_use
            ));
        }
    }
    Ok(())
}

/// How errors of images end the program: a name that is not there is wrong usage, as everywhere.
pub(crate) fn failure(error: ImageError) -> Failure {
    match error {
        ImageError::Unknown { .. }
        | ImageError::Nameless
        | ImageError::Several { .. }
        | ImageError::Foreign { .. }
        | ImageError::Registry(RegistryError::NotLoopback(_)) => Failure::usage(error),
        ImageError::Sandbox(_) => {
            Failure::new(ExitCode::SetupFailed, error).hint("`belljar doctor` tells what is missing")
        }
        error => Failure::from(anyhow::Error::new(error)),
    }
}

/// The images for `belljar run`, which has no use for the rest of the configuration.
pub(crate) fn images_for_run(data_directory: Option<&PathBuf>) -> Result<Images, Failure> {
    match data_directory {
        Some(directory) => Ok(Images::of(directory)),
        None => images_of(&Place { data_dir: None, config: env::var_os("BELLJAR_CONFIG").map(PathBuf::from) }),
    }
}
