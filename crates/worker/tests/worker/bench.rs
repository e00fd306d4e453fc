//! What the tests share.

use belljar_sandbox::{Command, Enforcement, Launcher, Layer, Policy, Sandbox};

/// What a test needs of the machine and the user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Needs {
    /// User namespaces, like every sandbox.
    Nothing,
    /// Control groups of our own for memory and processes.
    Groups,
}

/// What all tests stand on.
#[derive(Debug)]
pub(crate) struct Bench {
    pub(crate) launcher: Launcher,
    groups: Result<(), String>,
}

impl Bench {
    /// Makes a first sandbox, which tells what there is.
    pub(crate) async fn new(launcher: Launcher) -> Self {
        let mut sandbox = Sandbox::by(&launcher, &Policy::default()).await.unwrap();
        assert!(sandbox.run(Command::new(["true"])).await.unwrap().success());
        let mut groups = Ok(());
        for report in sandbox.layers() {
            if let Layer::MemoryLimit | Layer::ProcessLimit = report.layer
                && let Enforcement::Missing(reason) | Enforcement::Weakened(reason) = &report.enforcement
            {
                groups = Err(reason.clone());
            }
        }
        sandbox.end().await.unwrap();
        Self { launcher, groups }
    }

    /// Why a test cannot run here.
    pub(crate) fn lacks(&self, needs: Needs) -> Option<String> {
        match needs {
            Needs::Nothing => None,
            Needs::Groups => self.groups.clone().err(),
        }
    }
}
