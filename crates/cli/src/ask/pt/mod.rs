//! `belljar pt`: a PT Sandbox, for who runs it.

mod text;

use std::io::Write as _;
use std::time::Duration;

use anyhow::{Context, anyhow};
use belljar_client::config::ConfigError;
use belljar_client::vendors::Pt;
use belljar_client::vendors::pt::words::Level;
use belljar_client::vendors::pt::{Scan, TaskQuery, UNFINISHED, patch};
use belljar_client::{Download, Hash};
use futures_util::{StreamExt as _, TryStreamExt as _};
use serde_json::{Value, json};

use super::{artifacts, block_on, load, plain};
use crate::args::{
    PtAction, PtArgs, PtDownloadArgs, PtLogsArgs, PtOutput, PtPlace, PtQueueArgs, PtRescanArgs, PtSetArgs,
    PtSettingsAction, PtSettingsArgs, PtStatusArgs, PtTasksArgs,
};
use crate::exit::ExitCode;
use crate::failure::{Failure, print};

/// Time for a question where nobody says how much.
const QUESTION: Duration = Duration::from_secs(60);
/// Time for files of any size where nobody says how much.
const TRANSFER: Duration = Duration::from_secs(3600);

/// Does what is asked of it.
///
/// # Errors
///
/// None is configured, it does not answer, or says no.
pub(crate) fn pt(args: &PtArgs) -> Result<ExitCode, Failure> {
    block_on(async {
        match &args.action {
            PtAction::Status(args) => within(&args.place, QUESTION, status(args)).await,
            PtAction::Version(args) => within(&args.place, QUESTION, version(&args.place)).await,
            PtAction::Settings(PtSettingsArgs { action: Some(PtSettingsAction::Set(args)), .. }) => {
                within(&args.place, QUESTION, set(args)).await
            }
            PtAction::Settings(args) => within(&args.place, QUESTION, settings(args)).await,
            PtAction::Logs(args) => within(&args.place, TRANSFER, logs(args)).await,
            PtAction::Tasks(args) => within(&args.place, QUESTION, tasks(args)).await,
            PtAction::Queue(args) => within(&args.place, QUESTION, queue(args)).await,
            PtAction::Images(args) => within(&args.place, QUESTION, images(&args.place)).await,
            PtAction::Rescan(args) => within(&args.place, TRANSFER, rescan(args)).await,
            PtAction::Download(args) => within(&args.place, TRANSFER, download(args)).await,
        }
    })
}

async fn within(
    place: &PtPlace,
    usual: Duration,
    work: impl Future<Output = Result<ExitCode, Failure>>,
) -> Result<ExitCode, Failure> {
    let time = place.timeout.unwrap_or(usual);
    tokio::time::timeout(time, work).await.unwrap_or_else(|_| {
        Err(Failure::from(anyhow!("not done after {} s", time.as_secs_f32())).hint("--timeout allows more"))
    })
}

async fn open(place: &PtPlace) -> Result<Pt, Failure> {
    let loaded = load(&place.sources)?;
    let entry = loaded.sandboxes.of_product(place.sandbox.as_deref(), "pt")?;
    let given = entry.given().await?;
    Ok(Pt::new(given.into()).map_err(ConfigError::from)?)
}

/// The commands that need a login say how to give one.
fn ui(pt: &Pt) -> Result<belljar_client::vendors::pt::Ui<'_>, Failure> {
    pt.ui().map_err(|error| Failure::from(error).hint("set `login` and `password` in the table of this sandbox"))
}

async fn status(args: &PtStatusArgs) -> Result<ExitCode, Failure> {
    let pt = open(&args.place).await?;
    let ui = ui(&pt)?;
    // One login for all three, and what is asked at once is answered at once.
    let (mut events, components, cluster) = tokio::try_join!(ui.status(), ui.components(), ui.cluster())?;
    events.sort_by_key(|event| std::cmp::Reverse((rank(&event.level), event.updated_ts)));
    let bad = events.iter().any(|event| rank(&event.level) >= rank(&Level::Error));
    print(match args.place.json {
        true => format!("{:#}\n", json!({"events": events, "components": components, "cluster": cluster})),
        false => text::status(&events, &components, &cluster),
    })?;
    Ok(if bad { ExitCode::Bad } else { ExitCode::Success })
}

/// The worse, the greater; a level that is not known may be anything, and counts as an error.
fn rank(level: &Level) -> u8 {
    match level {
        Level::Info => 0,
        Level::Warning => 1,
        Level::Error | Level::Unlisted(_) => 2,
    }
}

async fn version(place: &PtPlace) -> Result<ExitCode, Failure> {
    let pt = open(place).await?;
    let version = ui(&pt)?.version().await?;
    print(match place.json {
        true => format!("{:#}\n", json!(version)),
        false => text::version(&version),
    })?;
    Ok(ExitCode::Success)
}

async fn settings(args: &PtSettingsArgs) -> Result<ExitCode, Failure> {
    let pt = open(&args.place).await?;
    let settings = serde_json::to_value(ui(&pt)?.settings().await?).context("cannot print the settings")?;
    let wanted = match &args.path {
        None => &settings,
        Some(path) => at(&settings, path).ok_or_else(|| {
            let sections: Vec<&str> = settings.as_object().into_iter().flatten().map(|(name, _)| &**name).collect();
            Failure::usage(anyhow!("there is no setting {}", plain(path)))
                .hint(format!("there are: {}", plain(&sections.join(", "))))
        })?,
    };
    print(match args.place.json {
        true => format!("{wanted:#}\n"),
        false => text::settings(args.path.as_deref().unwrap_or_default(), wanted),
    })?;
    Ok(ExitCode::Success)
}

fn at<'a>(settings: &'a Value, path: &str) -> Option<&'a Value> {
    path.split('.').try_fold(settings, |place, name| place.get(name))
}

async fn set(args: &PtSetArgs) -> Result<ExitCode, Failure> {
    let value = |text: &str| serde_json::from_str(text).unwrap_or_else(|_| Value::from(text));
    let changes = patch(args.changes.iter().map(|(path, text)| (path.as_str(), value(text))))
        .map_err(|problem| Failure::usage(anyhow!("{problem}")))?;
    let pt = open(&args.place).await?;
    let ui = ui(&pt)?;
    let read = async || -> Result<Value, Failure> {
        Ok(serde_json::to_value(ui.settings().await?).context("cannot read the settings")?)
    };
    let before = read().await?;
    // A misspelt name would be stored nowhere, and nobody would be told.
    for (path, _) in &args.changes {
        if at(&before, path).is_none() {
            return Err(Failure::usage(anyhow!("there is no setting {}", plain(path)))
                .hint("`belljar pt settings` prints all of them"));
        }
    }
    let after = match args.dry_run {
        true => None,
        false => {
            ui.change_settings(&changes).await?;
            Some(read().await?)
        }
    };
    let mut changed = Vec::new();
    for (path, wanted) in &args.changes {
        let (was, wanted) = (at(&before, path).unwrap_or(&Value::Null), value(wanted));
        let now = after.as_ref().map_or(&wanted, |after| at(after, path).unwrap_or(&Value::Null));
        changed.push(json!({"path": path, "was": was, "is": now, "as_asked": *now == wanted}));
    }
    let all = changed.iter().all(|change| change["as_asked"] == true);
    print(match args.place.json {
        true => format!("{:#}\n", json!({"changed": !args.dry_run, "settings": changed})),
        false => text::changes(&changed, args.dry_run),
    })?;
    Ok(if all { ExitCode::Success } else { ExitCode::Failure })
}

async fn logs(args: &PtLogsArgs) -> Result<ExitCode, Failure> {
    let pt = open(&args.place).await?;
    let seconds = args.since.map(|since| since.as_secs().max(1));
    save(ui(&pt)?.logs(&args.parts, seconds).await?, &args.output, args.place.json).await
}

async fn tasks(args: &PtTasksArgs) -> Result<ExitCode, Failure> {
    let pt = open(&args.place).await?;
    let ui = ui(&pt)?;
    let query = TaskQuery { query: args.query.clone(), source: args.source.clone(), ..TaskQuery::default() };
    let tasks: Vec<_> = ui.tasks(&query).take(args.limit).try_collect().await?;
    print(match args.place.json {
        true => format!("{:#}\n", json!(tasks)),
        false => text::tasks(&tasks),
    })?;
    Ok(ExitCode::Success)
}

async fn queue(args: &PtQueueArgs) -> Result<ExitCode, Failure> {
    let pt = open(&args.place).await?;
    let queue = ui(&pt)?.queue(args.query.as_deref().unwrap_or(UNFINISHED), args.limit, 0).await?;
    print(match args.place.json {
        true => format!("{:#}\n", json!({"total": queue.total, "tasks": queue.tasks})),
        false => text::queue(&queue),
    })?;
    Ok(ExitCode::Success)
}

async fn images(place: &PtPlace) -> Result<ExitCode, Failure> {
    let images = open(place).await?.images().await?;
    print(match place.json {
        true => format!("{:#}\n", json!(images)),
        false => text::images(&images),
    })?;
    Ok(ExitCode::Success)
}

async fn rescan(args: &PtRescanArgs) -> Result<ExitCode, Failure> {
    // Of the address of a page the last part is the id.
    let id = args.scan.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
    if uuid::Uuid::parse_str(id).is_err() {
        return Err(Failure::usage(anyhow!("'{}' is neither the id of a scan nor its page", plain(&args.scan))));
    }
    let new = open(&args.place).await?.rescan_task(id, &Scan::default()).await?;
    print(match args.place.json {
        true => format!("{}\n", json!({"id": new})),
        false => format!("{}\n", plain(&new)),
    })?;
    Ok(ExitCode::Success)
}

async fn download(args: &PtDownloadArgs) -> Result<ExitCode, Failure> {
    let hash = Hash::parse(args.hash.rsplit(':').next().unwrap_or_default());
    let hash = hash.ok_or_else(|| Failure::usage(anyhow!("'{}' is no hash", plain(&args.hash))))?;
    let file_uri = format!("{}:{hash}", hash.kind().name());
    save(open(&args.place).await?.download(&file_uri).await?, &args.output, args.place.json).await
}

/// Writes what comes, as a whole or not at all; to standard output as it comes.
async fn save(mut download: Download, output: &PtOutput, as_json: bool) -> Result<ExitCode, Failure> {
    let file = &output.output;
    let to_stdout = file.as_os_str() == "-";
    let cannot = || format!("cannot write {}", file.display());
    let directory = file.parent().filter(|parent| !parent.as_os_str().is_empty());
    let mut temporary = match to_stdout {
        true => None,
        false => Some(tempfile::NamedTempFile::new_in(directory.unwrap_or(".".as_ref())).with_context(cannot)?),
    };
    if !to_stdout && !output.overwrite && file.symlink_metadata().is_ok() {
        return Err(artifacts::there(file));
    }
    let mut bytes: u64 = 0;
    while let Some(piece) = download.bytes.next().await {
        let piece = piece?;
        bytes += piece.len() as u64;
        if bytes > output.max_size {
            let error = anyhow!("it is larger than {} bytes", output.max_size);
            return Err(Failure::from(error).hint("--max-size allows more"));
        }
        match &mut temporary {
            Some(temporary) => temporary.write_all(&piece).with_context(cannot)?,
            None => print(&piece)?,
        }
    }
    let Some(mut temporary) = temporary else { return Ok(ExitCode::Success) };
    temporary.flush().and_then(|()| temporary.as_file().sync_all()).with_context(cannot)?;
    artifacts::keep(temporary, file, output.overwrite)?;
    print(match as_json {
        true => format!("{:#}\n", json!({"file": file.display().to_string(), "bytes": bytes})),
        false => format!("{} ({bytes} bytes)\n", file.display()),
    })?;
    Ok(ExitCode::Success)
}
