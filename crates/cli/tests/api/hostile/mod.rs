//! Bad input, and the weaknesses of the server that ours stands in for: each must get its documented answer, and leave nothing.

mod archives;
mod commands;
mod connections;
mod requests;
mod results;
mod weaknesses;

use std::collections::BTreeSet;
use std::path::PathBuf;

use serde_json::json;

use crate::server::{Server, control_groups, own, wait_for};

/// A server of few sandboxes, and what it held before the test.
struct Watched {
    server: Server,
    stored: BTreeSet<PathBuf>,
    processes: usize,
    groups: usize,
    descriptors: usize,
}

impl Watched {
    /// Starts a server with two sandboxes and these settings.
    fn start(settings: &[&str]) -> Option<Self> {
        let mut all = vec!["execute.pool_size=2", "execute.wait_for_sandbox=30s"];
        all.extend(settings);
        let server = own(&all)?;
        // What is opened or started once: threads, the connection of the database.
        for _ in 0..3 {
            server.save(&crate::archive::files(&[("a", "a")]));
        }
        server.wait_until_idle();
        Some(Self {
            stored: server.stored(),
            processes: server.processes().len(),
            groups: server.launcher().map_or(0, |launcher| control_groups(launcher).len()),
            descriptors: server.descriptors(),
            server,
        })
    }

    /// Checks that everything is as it was, and that the next request is served.
    #[track_caller]
    fn is_unharmed(&self, after: &str) {
        let server = &self.server;
        let answer = server.execute(&json!({"commands": ["echo fine; ls -A"]}));
        assert_eq!(
            (&answer["status"], &answer["execution"][0]["stdout"]),
            (&json!(0), &json!("fine")),
            "after {after}"
        );
        wait_for(&format!("sandboxes are back after {after}"), || server.taken() == 0);
        assert_eq!(server.stored(), self.stored, "after {after}");
        wait_for(&format!("processes are gone after {after}"), || server.processes().len() == self.processes);
        let groups = || server.launcher().map_or(0, |launcher| control_groups(launcher).len());
        wait_for(&format!("control groups are gone after {after}"), || groups() == self.groups);
        // One more for a connection that is being closed is no leak; many are.
        wait_for(&format!("descriptors are closed after {after}"), || server.descriptors() <= self.descriptors + 2);
    }
}
