//! Open descriptors: as many as the connections, the sandboxes and the uploads of a busy server need.
//!
//! The limit that a shell hands on is often 1024, so that old programs with `select(2)` do not break. This one has none, and
//! with so few a thousand silent connections would leave nothing to serve others with.

use rustix::process::{Resource, getrlimit, setrlimit};

use crate::config::Settings;

/// The process itself: standard streams, log, runtime, store, lists of the kernel.
const PROCESS: u64 = 64;
/// A running sandbox: its socket, three streams, what is unpacked, the result, what is saved.
const SANDBOX: u64 = 16;
/// A connection: its socket, an upload, and the environment to start from.
const CONNECTION: u64 = 3;

/// Raises the limit of this process, and of those that it starts, to what it may be; the limit there is now.
///
/// A sandbox has its own limit nevertheless.
pub(crate) fn raise_limit() -> u64 {
    let mut limit = getrlimit(Resource::Nofile);
    if limit.current != limit.maximum {
        let raised = rustix::process::Rlimit { current: limit.maximum, maximum: limit.maximum };
        // It stays as it is where that is not allowed; what follows from it is told by the caller.
        if setrlimit(Resource::Nofile, raised).is_ok() {
            limit = raised;
        }
    }
    limit.current.unwrap_or(u64::MAX)
}

/// How many of the connections that are set this limit allows. At least one; and half of a small limit is left to the rest.
pub(super) fn connections_within(limit: u64, settings: &Settings) -> usize {
    let network = u64::try_from(settings.execute.network.descriptors()).unwrap_or(u64::MAX);
    let sandboxes =
        SANDBOX.saturating_add(network).saturating_mul(u64::try_from(settings.execute.pool_size).unwrap_or(u64::MAX));
    let rest = sandboxes.saturating_add(PROCESS).min(limit / 2);
    let connections = usize::try_from((limit - rest) / CONNECTION).unwrap_or(usize::MAX);
    settings.server.max_connections.min(connections).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_descriptors_are_shared() {
        let settings = |pool_size, max_connections| {
            let mut settings = Settings::default();
            settings.execute.pool_size = pool_size;
            settings.server.max_connections = max_connections;
            settings
        };
        for (limit, pool_size, max_connections, expected) in [
            (u64::MAX, 20, 1024, 1024),
            (524_288, 1024, 65_536, 65_536),
            (4096, 20, 1024, 1024),
            (4096, 20, 2000, 1237),
            (1024, 20, 1024, 213),
            (100, 20, 1024, 16),
            (0, 20, 1024, 1),
            (4096, 20, 5, 5),
        ] {
            let found = connections_within(limit, &settings(pool_size, max_connections));
            assert_eq!(found, expected, "{limit} {pool_size} {max_connections}");
        }
    }
}
