//! Where log lines go: standard error, for people or for programs.

use std::env;
use std::io::{self, IsTerminal};

use tracing_subscriber::EnvFilter;

use crate::config::{LogFormat, LogSettings};

/// Starts to log. The settings have been checked; a filter that still cannot be understood means "info".
pub(crate) fn start(settings: &LogSettings) {
    let filter = settings.filter.parse::<EnvFilter>().unwrap_or_else(|_| EnvFilter::new("info"));
    let colour = io::stderr().is_terminal() && env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    let subscriber = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr).with_ansi(colour);
    match settings.format {
        LogFormat::Text => subscriber.init(),
        LogFormat::Json => subscriber.json().flatten_event(true).with_current_span(true).with_span_list(false).init(),
    }
}
