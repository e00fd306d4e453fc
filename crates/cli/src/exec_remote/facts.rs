//! What the server says about itself, for people.

use std::collections::BTreeMap;

use belljar_client::execution::{Execution, Fact, Libraries, Specifications, Usage};
use comfy_table::Table;
use comfy_table::presets::NOTHING;

use super::server;
use crate::args::FactRemoteArgs;
use crate::ask::{block_on, plain};
use crate::exit::ExitCode;
use crate::failure::{Failure, print};

/// Asks for a fact, and prints it as the server's JSON or as a table.
fn fact<T>(
    args: &FactRemoteArgs,
    fact: Fact,
    ask: impl AsyncFnOnce(&Execution) -> belljar_client::Result<T>,
    show: impl FnOnce(&T) -> String,
) -> Result<ExitCode, Failure> {
    let text = block_on(async {
        let server = server::open(&args.server).await?;
        if args.json {
            return server.fact(fact).await.map(|json| format!("{json:#}\n")).map_err(server::failure);
        }
        ask(&server).await.map(|known| show(&known)).map_err(server::failure)
    })?;
    print(text)?;
    Ok(ExitCode::Success)
}

/// What the server and its sandboxes are.
pub(super) fn specifications(args: &FactRemoteArgs) -> Result<ExitCode, Failure> {
    fact(args, Fact::Specifications, Execution::specifications, show_specifications)
}

/// How busy it is.
pub(super) fn usage(args: &FactRemoteArgs) -> Result<ExitCode, Failure> {
    fact(args, Fact::Usage, Execution::usage, |usage| match usage {
        Some(usage) => show_usage(usage),
        None => "this server does not tell: its release is older than 3.0\n".to_owned(),
    })
}

/// What is installed in its sandboxes.
pub(super) fn libraries(args: &FactRemoteArgs) -> Result<ExitCode, Failure> {
    fact(args, Fact::Libraries, Execution::libraries, show_libraries)
}

fn show_specifications(found: &Specifications) -> String {
    let (host, each) = (&found.host, &found.container);
    let processors = host.cpu.logical.map_or("not told".to_owned(), |count| count.to_string());
    table([
        ("protocol", host.sandbox_version.clone()),
        ("sandboxes by", host.docker_version.clone()),
        ("processors", processors),
        ("memory", size(host.memory.ram)),
        ("swap", size(host.memory.swap)),
        ("sandboxes", each.count.to_string()),
        ("of each: processors", each.cpu.count.to_string()),
        ("of each: memory", limit(each.memory.ram)),
        ("of each: swap", limit(each.memory.swap)),
        ("of each: disk", limit(each.memory.storage)),
        ("of each: processes", if each.process < 0 { "no limit".to_owned() } else { each.process.to_string() }),
    ])
}

fn show_usage(found: &Usage) -> String {
    let load: Vec<String> = found.cpu.usage_avg.iter().map(|share| format!("{share:.2}")).collect();
    table([
        ("sandboxes in use", found.container.to_string()),
        ("processors", format!("{:.0}%", found.cpu.usage * 100.0)),
        ("load per processor", load.join(" ")),
        ("memory", size(found.memory.ram)),
        ("swap", size(found.memory.swap)),
        ("processes", found.process.to_string()),
        ("network in", format!("{}/s", size(found.network.received_bytes))),
        ("network out", format!("{}/s", size(found.network.sent_bytes))),
    ])
}

fn show_libraries(found: &Libraries) -> String {
    let mut table = Table::new();
    table.load_style(NOTHING);
    table.set_header(["KIND", "NAME", "VERSION"]);
    let of = &found.libraries;
    let kinds: [(&str, &BTreeMap<String, String>); 4] =
        [("system", &of.system), ("python", &of.python), ("perl", &of.perl), ("c", &of.c)];
    for (kind, packages) in kinds {
        for (name, version) in packages {
            table.add_row([kind, &plain(name), &plain(version)]);
        }
    }
    for name in &found.bin {
        table.add_row(["program", &plain(name), ""]);
    }
    format!("{}\n", table.trim_fmt())
}

fn table(rows: impl IntoIterator<Item = (&'static str, String)>) -> String {
    let mut table = Table::new();
    table.load_style(NOTHING);
    for (name, value) in rows {
        table.add_row([name, &plain(&value)]);
    }
    format!("{}\n", table.trim_fmt())
}

/// Bytes, of which -1 is no limit.
fn limit(bytes: i64) -> String {
    if bytes < 0 { "no limit".to_owned() } else { size(bytes) }
}

/// Bytes, in the unit that shows them best.
fn size(bytes: i64) -> String {
    const UNITS: [(i64, &str); 4] = [(1 << 40, "TiB"), (1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
    match UNITS.into_iter().find(|(unit, _)| bytes >= *unit) {
        // To a tenth, in whole numbers.
        Some((unit, name)) => format!("{}.{} {name}", bytes / unit, bytes % unit * 10 / unit),
        None => format!("{bytes} B"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_for_people() {
        for (bytes, text) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1536, "1.5 KiB"),
            (512 << 20, "512.0 MiB"),
            (25_276_514_304, "23.5 GiB"),
            (i64::MAX, "8388607.9 TiB"),
            (-5, "-5 B"),
        ] {
            assert_eq!(size(bytes), text);
        }
        assert_eq!((limit(-1), limit(0)), ("no limit".to_owned(), "0 B".to_owned()));
    }
}
