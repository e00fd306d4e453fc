//! What root's server does before it is nobody.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};
use belljar_execute::{Preparation, Service, Settings, StartError};
use belljar_sandbox::Launcher;
use belljar_sandbox::privileges::{self, Restriction, Standing};
use belljar_store::{DataDirectory, StoreError};
use rustix::process::geteuid;
use tracing::info;

use super::account::Account;
use super::no_sandboxes;
use crate::failure::Failure;

/// What programs of the host need that a server executes, and connections that it makes: programs, libraries, names, certificates.
const PROGRAMS: [&str; 8] = ["/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/etc"];
/// Where such programs put what they do not keep.
const TEMPORARY: [&str; 2] = ["/tmp", "/var/tmp"];

/// All that a service begins with.
#[derive(Debug)]
pub(super) struct Ready {
    pub(super) launcher: Launcher,
    pub(super) data: DataDirectory,
    pub(super) preparation: Preparation,
}

/// Makes ready without becoming anybody else.
pub(super) fn keep(directory: &Path, settings: Settings) -> Result<Ready, Failure> {
    let launcher = Launcher::start().context("cannot start the launcher").map_err(no_sandboxes)?;
    refuse_of_others(directory)?;
    let data = open(directory)?;
    let preparation = prepare(&data, settings)?;
    let standing = Standing::of_self().context("cannot tell what this process may do")?;
    info!(both = standing.to_string(), "The server and its launcher are one user.");
    Ok(Ready { launcher, data, preparation })
}

/// Makes ready and becomes a user without rights. What takes root is done by then: the listening socket, keys and certificates are
/// there, the data directory has been handed over and the launcher knows all that it may ever be asked.
pub(super) fn give_up(account: &Account, directory: &Path, settings: Settings) -> Result<Ready, Failure> {
    let (user, group) = (account.user, account.group);
    belljar_store::hand_over(directory, user, group).context("cannot use the data directory")?;
    // What is in there is that user's, who may have been taken over once: root does not walk there.
    let as_user = privileges::with_files_as(user, group, || {
        let data = open(directory).map_err(|failure| {
            failure.hint(format!("it has to be within reach of user {account}, who the server becomes (--user)"))
        })?;
        let preparation = prepare(&data, settings)?;
        Ok::<_, Failure>((data, preparation))
    });
    let (data, preparation) = as_user.context("cannot act for another user")??;
    let sealed = Launcher::start_sealed(&preparation.charter());
    let (launcher, kept) = sealed.context("cannot start the launcher").map_err(no_sandboxes)?;

    let programs = preparation.executes_programs();
    let mut restriction = Restriction {
        user,
        group,
        write: vec![data.path().to_owned()],
        read: vec![preparation.libraries().to_owned()],
        programs,
        connections: programs || preparation.makes_connections(),
    };
    if preparation.makes_connections() {
        restriction.read.extend(resolver());
    }
    if programs {
        let home = account.home.clone().unwrap_or_else(|| data.path().to_owned());
        privileges::set_home(&home).context("cannot become another user")?;
        restriction.read.extend(PROGRAMS.iter().map(PathBuf::from));
        restriction.read.push(home);
        restriction.write.extend(TEMPORARY.iter().map(PathBuf::from));
        restriction.write.push(preparation.libraries().to_owned());
    }
    let ours = privileges::restrict_self(&restriction);
    let ours = ours.with_context(|| format!("cannot become user {account}")).map_err(|error| {
        Failure::from(error).hint("`--user root` does without, at the risk that SECURITY.md tells of")
    })?;
    let (launchers, keeper) = (kept.launcher.to_string(), kept.keeper.to_string());
    info!(server = ours.to_string(), launcher = launchers, keeper, "Privileges are separated.");
    Ok(Ready { launcher, data, preparation })
}

/// Where it says how names are resolved: `/etc`, and where its files lead to. Directories, because such a file is replaced by another.
fn resolver() -> Vec<PathBuf> {
    let leads_to = |name: &str| Path::new("/etc").join(name).canonicalize().ok()?.parent().map(Path::to_owned);
    let files = ["resolv.conf", "hosts", "nsswitch.conf", "host.conf", "gai.conf"];
    let mut directories: Vec<_> = files.into_iter().filter_map(leads_to).collect();
    directories.push(PathBuf::from("/etc"));
    directories.sort();
    directories.dedup();
    directories
}

/// Opens the data directory, as a user who may.
fn open(directory: &Path) -> Result<DataDirectory, Failure> {
    Ok(DataDirectory::open(directory).context("cannot use the data directory")?)
}

/// Root does not walk where others may have laid anything.
fn refuse_of_others(directory: &Path) -> Result<(), Failure> {
    match directory.metadata() {
        Ok(found) if geteuid().is_root() && found.uid() != 0 => {
            let user = found.uid();
            let why = format!("belongs to user {user}: become that user (--user), or give it back to root (chown -R)");
            let error = StoreError::Owner { path: directory.to_owned(), why };
            Err(anyhow::Error::new(error).context("cannot use the data directory").into())
        }
        _ => Ok(()),
    }
}

fn prepare(data: &DataDirectory, settings: Settings) -> Result<Preparation, Failure> {
    // Of this thread alone, and gone afterwards: no thread may be there when the launcher is forked and privileges are given up.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("cannot start")?;
    let prepared = runtime.block_on(Service::prepare(data, settings));
    prepared.map_err(|error: StartError| no_sandboxes(anyhow!(error).context("cannot start")))
}
