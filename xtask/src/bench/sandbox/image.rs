//! From an image that is there to a program that has run in it.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use super::super::report::{Row, Target};
use super::super::sampling::{Case, in_turns};
use super::super::server::{Server, room};
use super::cases::{Workload, process, request, words};
use super::{Results, Scale};

const NAME: &str = "bench";

/// Measures sandboxes from an image, through the server and cold.
///
/// # Errors
///
/// Something does not work.
pub(super) fn measure(binary: &Path, scale: Scale, results: &mut Results) -> Result<()> {
    let room = room("belljar-bench-")?;
    let (data, archive) = (room.path().join("data"), room.path().join("root.tar"));
    pack_root(&archive)?;
    let data_of = data.to_str().context("the directory's name is not UTF-8")?;
    let import =
        Command::new(binary).args(["image", "import"]).arg(&archive).args([NAME, "--data-dir", data_of]).output();
    let import = import.context("cannot start belljar")?;
    ensure!(import.status.success(), "belljar image import: {}", String::from_utf8_lossy(&import.stderr).trim());

    let rootfs = format!("image:{NAME}");
    let with_image = Server::start_in(binary, &data, &[&format!("execute.sandbox.rootfs={rootfs}")]);
    let without = Server::start(binary, &[])?;
    let run = ["run", "--data-dir", data_of, "--rootfs", rootfs.as_str(), "--"];
    let mut cases = vec![
        Case::new("POST", || request(&without, Workload::Shell)),
        Case::new("cold", || Ok(process(words(binary, &["run", "--"]), Workload::True))),
        Case::new("cold, image", || Ok(process(words(binary, &run), Workload::True))),
    ];
    if let Ok(server) = &with_image {
        cases.push(Case::new("POST, image", move || request(server, Workload::Shell)));
    }
    let samples = in_turns(&cases, scale.rounds, scale.runs)?;
    let [post, cold, cold_image, through_pool @ ..] = samples.as_slice() else { bail!("a case was lost") };
    let row = |what| Row::new("image", what, "ms").floor(post.p50() * 1e3);
    let through_pool = row("POST [\"true\"] in sandboxes of an image, p50")
        .measured(through_pool.first().map(|samples| samples.p50() * 1e3));
    let note = match &with_image {
        Ok(_) => "floor: in sandboxes of the host's root".to_owned(),
        Err(error) => error.to_string().lines().next().unwrap_or_default().to_owned(),
    };
    results.report.add(through_pool.note(note));
    let note = format!(
        "floor: a POST, through a warm sandbox; ours has everything made for it. The same without an image: {:.2} ms",
        cold.p50() * 1e3
    );
    let fresh = row("from an image to the end of /bin/true, new sandbox, p50").ours(cold_image.p50() * 1e3);
    results.report.add(fresh.target(Some(Target::AboveFloor(2.0))).note(note));
    Ok(())
}

/// Writes a tar of a root directory with a shell, `true`, and the libraries that they need, all the host's.
fn pack_root(to: &Path) -> Result<()> {
    let mut files = BTreeSet::from(["bin/true".to_owned(), "bin/bash".to_owned()]);
    let listed = Command::new("ldd").args(["/bin/true", "/bin/bash"]).output().context("cannot start ldd")?;
    for word in String::from_utf8_lossy(&listed.stdout).split_whitespace() {
        // `libc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x...)`, and the loader by its path alone; `/bin/true:` is a heading.
        files.extend(word.strip_prefix('/').filter(|path| path.contains("lib")).map(str::to_owned));
    }
    let mut tar = Command::new("tar");
    tar.args(["--create", "--dereference", "--directory=/", "--file"]).arg(to).args(files);
    ensure!(tar.status().context("cannot start tar")?.success(), "tar failed");
    Ok(())
}
