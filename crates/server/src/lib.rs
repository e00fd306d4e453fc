//! HTTP of belljar: listeners, authentication, and one module per dialect.
//!
//! A dialect is somebody else's API that we speak. It translates between the wire and the types of `belljar-execute`; nothing
//! of its quirks leaks out of its module, and the module decides nothing that is not of the wire.

mod backend;
mod body;
mod idle;
mod keys;
mod metrics;
pub mod operations;
mod premierlangage;
mod server;
mod settings;
mod site;
mod stall;
#[cfg(test)]
mod test_backend;
mod tls;

pub use keys::{ApiKeys, KeyError};
pub use settings::{Config, ConfigError, ListenError, Settings, TlsSettings, check_listen};
pub use tls::{Tls, TlsError};

use std::future::Future;

use belljar_execute::Service;
use tokio::net::TcpListener;

/// Serves on these listeners, inside a Tokio runtime, until `shutdown` ends. Then accepts nothing more, lets requests that are
/// running finish for the grace period, cancels the others (their programs are killed), and returns.
pub async fn run(
    listeners: Vec<TcpListener>,
    config: Config,
    service: Service,
    shutdown: impl Future<Output = ()> + Send,
) {
    server::serve(listeners, config, service, shutdown).await;
}
