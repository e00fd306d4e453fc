//! What the tests need besides a Rust toolchain, and how to get it on Debian.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::process::Command;

use anyhow::{Result, ensure};

use crate::cargo::perform;
use crate::python;

/// Where sandboxed programs are looked up: what is elsewhere on the host, they do not see.
const PATH: [&str; 6] = ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"];

/// A program, the Debian package that has it, and what it is for.
const NEEDS: [(&str, &str, &str); 12] = [
    ("gcc", "gcc", "compiles programs inside sandboxes"),
    ("ld", "binutils", "links them"),
    ("python3", "python3", "runs inside sandboxes, and is compared with our reading of JSON"),
    ("git", "git", "external libraries are repositories"),
    ("tar", "tar", "makes archives that ours are compared with"),
    ("gzip", "gzip", "compresses them"),
    ("openssl", "openssl", "makes certificates and speaks TLS"),
    ("ip", "iproute2", "makes networks that tests reach instead of the real one"),
    ("rabbitmq-server", "rabbitmq-server", "a message broker for the worker, started by tests"),
    ("redis-server", "redis-server", "keys and values for the worker, started by tests"),
    ("node", "nodejs", "runs JavaScript of the worker's apps"),
    ("npm", "npm", "fetches apps and their toolkit"),
];

/// Headers that a compiler alone does not have.
const HEADERS: (&str, &str) = ("/usr/include/stdio.h", "libc6-dev");

/// Whether this process is root's.
pub(crate) fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Packages whose programs are not there, each with the reason.
fn missing() -> Vec<(&'static str, String)> {
    let is_there = |program: &str| PATH.iter().any(|directory| Path::new(directory).join(program).exists());
    let programs = NEEDS.iter().filter(|(program, ..)| !is_there(program));
    let mut missing: Vec<_> = programs.map(|(program, package, why)| (*package, format!("{program}: {why}"))).collect();
    if python::interpreter().is_none() {
        missing
            .push(("python3-venv", "python3 -m venv: makes environments for tests of the Python package".to_owned()));
    }
    if !Path::new(HEADERS.0).exists() {
        missing.push((HEADERS.1, format!("{}: for programs that are compiled", HEADERS.0)));
    }
    missing
}

/// What Debian's packages ask whether a service may be started.
const POLICY: &str = "/usr/sbin/policy-rc.d";

/// While it lives, packages that are installed start no service: tests start their own, and nobody asked for others. A policy that
/// is there already is the owner's and stays.
struct NoServices;

impl NoServices {
    fn begin() -> Option<Self> {
        let mut policy = OpenOptions::new().write(true).create_new(true).mode(0o755).open(POLICY).ok()?;
        let begun = Self;
        policy
            .write_all(b"#!/bin/sh\n# Made by belljar's xtask for one installation, and removed after it.\nexit 101\n")
            .ok()?;
        Some(begun)
    }
}

impl Drop for NoServices {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_file(POLICY) {
            println!("warning: cannot remove {POLICY}, which keeps services from being started: {error}");
        }
    }
}

/// Installs what is missing. Without root, or apt, it only says what to install.
///
/// # Errors
///
/// The packages cannot be installed.
pub(crate) fn install() -> Result<()> {
    let missing = missing();
    if missing.is_empty() {
        return Ok(());
    }
    for (package, why) in &missing {
        println!("missing: {package} ({why})");
    }
    let packages: Vec<&str> = missing.iter().map(|(package, _)| *package).collect();
    if !is_root() || !Path::new("/usr/bin/apt-get").exists() {
        println!("Some tests will be skipped or fail. To install: apt-get install {}", packages.join(" "));
        return Ok(());
    }
    let apt = |arguments: &[&str]| {
        let mut command = Command::new("apt-get");
        command.args(arguments).env("DEBIAN_FRONTEND", "noninteractive");
        perform(&mut command)
    };
    // An update that fails for one of several sources may still have brought what is needed.
    apt(&["update", "--quiet"])?;
    let _no_services = NoServices::begin();
    let install = [&["install", "--yes", "--quiet", "--no-install-recommends"], packages.as_slice()].concat();
    ensure!(apt(&install)?, "cannot install {}", packages.join(" "));
    Ok(())
}
