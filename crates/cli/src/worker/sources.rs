//! What the command line and the environment say about a worker.

use std::env;

use anyhow::Context;
use belljar_worker::config::Sources;
use tempfile::TempDir;

use crate::args::WorkerArgs;
use crate::config::Settings;
use crate::failure::Failure;

/// The sources, and the directory in which the example app keeps its data for as long as this is kept.
///
/// # Errors
///
/// There is no room for that directory.
pub(super) fn of(args: &WorkerArgs) -> Result<(Sources, Option<TempDir>), Failure> {
    let environment: Vec<_> = env::vars_os().collect();
    let place = if args.console && args.config.is_none() {
        Some(tempfile::tempdir().context("cannot make a directory for the example's data")?)
    } else {
        None
    };
    let vumi = &args.vumi;
    let flags = [
        ("--engine", "worker.defaults.engine", args.engine.clone()),
        ("--operations", "worker.operations", args.operations.clone()),
        ("--data-dir", "worker.data_dir", args.data_dir.as_ref().map(|path| path.to_string_lossy().into_owned())),
        ("--log-format", "log.format", args.log_format.clone()),
        ("--hostname", "worker.broker.host", vumi.hostname.clone()),
        ("--port", "worker.broker.port", vumi.port.clone()),
        ("--username", "worker.broker.username", vumi.username.clone()),
        ("--vhost", "worker.broker.vhost", vumi.vhost.clone()),
        ("--system-id", "worker.system_id", vumi.system_id.clone()),
    ];
    let unused = [
        ("--specfile", vumi.specfile.is_some()),
        ("--sentry", vumi.sentry.is_some()),
        ("--maxthreads", vumi.maxthreads.is_some()),
    ];
    let sources = Sources {
        config: args.config.clone(),
        vumi_config: vumi.vumi_config.clone(),
        worker_class: vumi.worker_class.clone(),
        options: vumi.options.clone(),
        settings: args.settings.clone(),
        flags: flags.into_iter().filter_map(|(flag, key, value)| Some((flag, key, value?))).collect(),
        password: vumi.password.clone(),
        unused: unused.into_iter().filter(|(_, given)| *given).map(|(flag, _)| flag).collect(),
        example: place.as_ref().map(|place| place.path().to_owned()),
        directory: env::current_dir().context("cannot tell the working directory")?,
        data_dir: Settings::for_caller(&environment).data_dir.join("worker"),
        environment,
    };
    Ok((sources, place))
}
