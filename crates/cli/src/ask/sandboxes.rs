//! `belljar sandboxes`: which there are, and whether they answer.

use std::time::Duration;

use belljar_client::config::{Entry, Kind, PRODUCTS, Product};
use belljar_client::{Availability, Capability, Queue};
use comfy_table::Table;
use comfy_table::presets::NOTHING;
use serde_json::{Value, json};

use super::{block_on, load, plain};
use crate::args::{ListSandboxesArgs, SandboxesAction, TestSandboxesArgs};
use crate::config::Loaded;
use crate::exit::ExitCode;
use crate::failure::{Failure, advise, print, say};

/// Does what is asked about the sandboxes.
///
/// # Errors
///
/// The configuration cannot be read or written, or there is no such sandbox.
pub(crate) fn sandboxes(action: &SandboxesAction) -> Result<ExitCode, Failure> {
    match action {
        SandboxesAction::List(args) => list(args),
        SandboxesAction::Add(args) => super::add::add(args).map(|()| ExitCode::Success),
        SandboxesAction::Test(args) => test(args),
    }
}

fn list(args: &ListSandboxesArgs) -> Result<ExitCode, Failure> {
    if args.vendors {
        print(if args.json { format!("{:#}\n", vendors_as_json()) } else { vendors_as_text() })?;
        return Ok(ExitCode::Success);
    }
    let loaded = load(&args.sources)?;
    for (origin, warning) in loaded.warnings() {
        say(format_args!("warning: {origin}: {warning}"));
    }
    let entries: Vec<&Entry> = loaded.sandboxes.entries().collect();
    if args.json {
        let entries: Vec<Value> = entries.iter().map(|entry| as_json(entry, &loaded)).collect();
        print(format!("{:#}\n", Value::from(entries)))?;
    } else if entries.is_empty() {
        print("No sandbox is configured yet: see belljar sandboxes add --help.\n")?;
    } else {
        let mut table = Table::new();
        table.load_style(NOTHING);
        table.set_header(["NAME", "VENDOR", "ADDRESS", "SAMPLES MAY BE SENT", "FROM"]);
        for entry in entries {
            let may = match (entry.cloud(), entry.may_be_sent_to(false)) {
                (None, _) => "yes",
                (Some(_), Ok(())) => "yes, to the cloud",
                (Some(_), Err(_)) => "with --public",
            };
            let from = loaded.origin(&format!("sandbox.{}", entry.name())).to_string();
            table.add_row([entry.name(), entry.product().name, &entry.address(), may, &from]);
        }
        print(format!("{}\n", table.trim_fmt()))?;
    }
    Ok(ExitCode::Success)
}

fn as_json(entry: &Entry, loaded: &Loaded) -> Value {
    json!({
        "name": entry.name(),
        "vendor": entry.product().name,
        "address": entry.address(),
        "cloud": entry.cloud(),
        "public": entry.may_be_sent_to(false).is_ok(),
        "settings": entry.written(),
        "origin": loaded.origin(&format!("sandbox.{}", entry.name())),
    })
}

fn vendors_as_text() -> String {
    let mut table = Table::new();
    table.load_style(NOTHING);
    table.set_header(["VENDOR", "PRODUCT", "SETTINGS OF ITS OWN", "ADDRESS"]);
    for product in PRODUCTS {
        let keys: Vec<String> =
            product.keys.iter().map(|key| format!("{}{}", key.name, if key.required { "*" } else { "" })).collect();
        table.add_row([product.name, product.title, &keys.join(" "), product.address.unwrap_or("(yours)")]);
    }
    format!("{}\n\n* cannot be left out\n", table.trim_fmt())
}

fn vendors_as_json() -> Value {
    let kind = |kind: Kind| match kind {
        Kind::Secret => "secret",
        Kind::Text | Kind::OneOf(_) => "text",
        Kind::Flag => "flag",
        Kind::Number => "number",
    };
    let product = |product: &Product| {
        let keys = product.keys.iter().map(|key| {
            let choices = match key.kind {
                Kind::OneOf(choices) => Some(choices),
                _ => None,
            };
            json!({ "name": key.name, "kind": kind(key.kind), "choices": choices, "required": key.required, "about": key.about })
        });
        json!({
            "vendor": product.name,
            "product": product.title,
            "address": product.address,
            "clouds": product.clouds,
            "settings": keys.collect::<Vec<_>>(),
        })
    };
    PRODUCTS.iter().map(product).collect()
}

/// What one sandbox said.
struct Answered {
    name: String,
    vendor: &'static str,
    said: Result<(Availability, Option<Queue>), String>,
}

fn test(args: &TestSandboxesArgs) -> Result<ExitCode, Failure> {
    let loaded = load(&args.sources)?;
    let sandboxes = &loaded.sandboxes;
    let entries: Vec<&Entry> = match args.names.as_slice() {
        [] => sandboxes.analysing().collect(),
        names => names.iter().map(|name| sandboxes.entry(name)).collect::<Result<_, _>>()?,
    };
    if entries.is_empty() {
        return Err(
            Failure::usage(anyhow::anyhow!("no sandbox is configured")).hint("see belljar sandboxes add --help")
        );
    }
    let answered = block_on(async {
        let asking = entries.iter().map(|entry| ask(entry, args.timeout));
        Ok(futures_util::future::join_all(asking).await)
    })?;
    let all = answered.iter().all(|answered| answered.said.is_ok());
    if args.json {
        let answers: Vec<Value> = answered.iter().map(answer_as_json).collect();
        print(format!("{:#}\n", Value::from(answers)))?;
    } else {
        print(answers_as_text(&answered))?;
    }
    if !all {
        advise("the settings of a sandbox: belljar config show; its address and key are what is wrong most often");
    }
    Ok(if all { ExitCode::Success } else { ExitCode::Failure })
}

async fn ask(entry: &Entry, timeout: Duration) -> Answered {
    let asking = async {
        let sandbox = entry.open().await.map_err(|error| error.to_string())?;
        let there = sandbox.available().await.map_err(|error| error.to_string())?;
        let queue = match sandbox.capabilities().has(Capability::Queue) {
            true => Some(sandbox.queue().await.map_err(|error| error.to_string())?),
            false => None,
        };
        Ok((there, queue))
    };
    let said = match tokio::time::timeout(timeout, asking).await {
        Ok(said) => said,
        Err(_) => Err(format!("no answer in {} s", timeout.as_secs_f32())),
    };
    Answered { name: entry.name().to_owned(), vendor: entry.product().name, said }
}

fn answers_as_text(answered: &[Answered]) -> String {
    let mut table = Table::new();
    table.load_style(NOTHING);
    table.set_header(["NAME", "VENDOR", "STATE", "REMARKS"]);
    for Answered { name, vendor, said } in answered {
        let (state, remarks) = match said {
            Ok((there, queue)) => {
                let version = there.version.as_ref().map(|version| format!("version {version}"));
                let queue = queue.map(|queue| format!("{} waiting", queue.waiting));
                let remarks: Vec<String> = version.into_iter().chain(queue).chain(there.remarks.clone()).collect();
                ("there", remarks.join(", "))
            }
            Err(error) => ("not there", error.clone()),
        };
        table.add_row([name.as_str(), vendor, state, &plain(&remarks)]);
    }
    format!("{}\n", table.trim_fmt())
}

fn answer_as_json(answered: &Answered) -> Value {
    let Answered { name, vendor, said } = answered;
    match said {
        Ok((there, queue)) => json!({
            "name": name, "vendor": vendor, "available": true, "version": there.version, "remarks": there.remarks, "queue": queue,
        }),
        Err(error) => json!({ "name": name, "vendor": vendor, "available": false, "error": error }),
    }
}
