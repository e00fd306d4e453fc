//! All of it again, as an ordinary user.

use std::os::unix::fs::PermissionsExt;
use std::process::Command as Process;

use crate::bench::Bench;

pub(crate) async fn everything_works_for_an_ordinary_user(bench: &Bench) {
    let directory = bench.temporary();
    // The target directory may be closed to others.
    let program = directory.path().join("sandbox-tests");
    std::fs::copy(std::env::current_exe().unwrap(), &program).unwrap();
    let scratch = directory.path().join("scratch");
    std::fs::create_dir(&scratch).unwrap();
    for (path, mode) in
        [(bench.scratch(), 0o755), (directory.path(), 0o755), (program.as_path(), 0o755), (scratch.as_path(), 0o1777)]
    {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    }
    let mut command = Process::new("setpriv");
    command
        .args(["--reuid", "1000", "--regid", "1000", "--clear-groups"])
        .arg(&program)
        .env_remove("BELLJAR_TEST_STRICT")
        .env("TMPDIR", &scratch)
        .env("HOME", &scratch)
        .current_dir(&scratch);
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "as user 1000:\n{said}\n{}", String::from_utf8_lossy(&output.stderr));
    let passed = said.lines().filter(|line| line.ends_with("... ok")).count();
    assert!(passed >= 30, "{said}");
    directory.close().unwrap();
}
