//! `belljar exec-remote`: commands on somebody else's execution server.

mod download;
mod facts;
mod pack;
mod run;
mod server;

use belljar_client::execution::Presence;
use serde_json::json;

use crate::args::{CheckRemoteArgs, ExecRemoteAction};
use crate::ask::block_on;
use crate::exit::ExitCode;
use crate::failure::{Failure, print};

/// Does what is asked of the server.
///
/// # Errors
///
/// The arguments cannot be carried out, the server could not be asked, or it refused.
pub(crate) fn exec_remote(action: &ExecRemoteAction) -> Result<ExitCode, Failure> {
    match action {
        ExecRemoteAction::Run(args) => run::run(args),
        ExecRemoteAction::Check(args) => check(args),
        ExecRemoteAction::Download(args) => download::download(args),
        ExecRemoteAction::Specifications(args) => facts::specifications(args),
        ExecRemoteAction::Usage(args) => facts::usage(args),
        ExecRemoteAction::Libraries(args) => facts::libraries(args),
    }
}

fn check(args: &CheckRemoteArgs) -> Result<ExitCode, Failure> {
    let presence = block_on(async {
        let server = server::open(&args.server).await?;
        let asked = match &args.path {
            None => server.check_environment(&args.environment).await,
            Some(path) => server.check_file(&args.environment, path).await,
        };
        asked.map_err(server::failure)
    })?;
    let (code, length) = match presence {
        Presence::Absent => (ExitCode::Failure, None),
        Presence::Present { length } => (ExitCode::Success, length),
    };
    if args.json {
        print(format!("{}\n", json!({"present": presence.is_present(), "bytes": length})))?;
    } else {
        print(match (presence, length) {
            (Presence::Absent, _) => "not there\n".to_owned(),
            (_, Some(length)) => format!("{length}\n"),
            (_, None) => "there, of unknown length\n".to_owned(),
        })?;
    }
    Ok(code)
}
