//! The reference pages under `docs/`, generated from the code and compared with what is committed.
//!
//! `BELLJAR_TEST_REWRITE=1 cargo test -p belljar reference` writes them anew.

mod declarations;

use std::env;
use std::fmt::Write;
use std::fs;
use std::path::Path;

use clap::CommandFactory;
use declarations::{Declarations, Field};

use crate::args::Cli;
use crate::config::{Settings, keys_of, variable_of};

const CRATES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
const DOCS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs");

const CONFIGURATION: &str = "\
<!-- Generated from the code: BELLJAR_TEST_REWRITE=1 cargo test -p belljar reference -->

# Configuration

Settings come from one TOML file (`--config FILE`, or the variable `BELLJAR_CONFIG`), over it from environment variables, over
them from flags. `belljar config show` prints every setting, its value, and where the value came from; `belljar config check FILE`
checks a file. A key that there is not is an error.

Each setting has an environment variable; its text is read as a TOML value where that fits, so numbers and lists
(`'[\"a\", \"b\"]'`) work, and as it is otherwise, so text needs no quotes. `--set KEY=VALUE` does the same on the command line.
A variable that begins with `BELLJAR_` and belongs to no setting is an error too, except for `BELLJAR_SERVICE_*` and
`BELLJAR_PORT*`, which Kubernetes and Docker set for a service of that name.

Sizes are numbers of bytes, or text with a unit, each 1024 times the one before: `64K`, `256M`, `1.5G`. Times are numbers of
seconds, or text with a unit: `500ms`, `10s`, `5min`, `2h`, `1d`.
";

const COMMAND_LINE: &str = "\
<!-- Generated from the code: BELLJAR_TEST_REWRITE=1 cargo test -p belljar reference -->

# Command line
";

/// One section per key, in the order of declaration.
fn configuration() -> String {
    let declarations =
        Declarations::read(Path::new(CRATES), &["cli/src/config", "execute/src", "server/src", "sandbox/src"]);
    let defaults = serde_json::to_value(Settings::default()).expect("settings are text, numbers, lists and tables");
    let mut page = CONFIGURATION.to_owned();
    let mut table = String::new();
    for key in keys_of::<Settings>() {
        let parts: Vec<&str> = key.split('.').collect();
        let field =
            declarations.field("cli", "Settings", &parts).unwrap_or_else(|| panic!("{key} is declared somewhere"));
        assert!(!field.doc.is_empty(), "{key} is documented");
        let parent = parts[..parts.len() - 1].join(".");
        if parent != table {
            let about =
                declarations.field("cli", "Settings", &parts[..parts.len() - 1]).expect("the parent is declared");
            write!(page, "\n## `[{parent}]`\n\n{}\n", about.doc).expect("a String takes it");
            table = parent;
        }
        write!(page, "\n### `{key}`\n\n{}\n", field.doc).expect("a String takes it");
        write_choices(&mut page, &declarations, &field);
        let default = defaults.pointer(&format!("/{}", key.replace('.', "/"))).filter(|value| !value.is_null());
        let default = default.map_or("not set".to_owned(), |value| format!("`{}`", crate::config::in_toml(value)));
        write!(page, "\nDefault: {default}. Environment: `{}`.\n", variable_of(&key)).expect("a String takes it");
    }
    page
}

/// What the values of an enumeration mean, or the entries of a list of tables.
fn write_choices(page: &mut String, declarations: &Declarations, field: &Field) {
    let parts = declarations.parts_of_type(field);
    if !parts.is_empty() {
        page.push('\n');
    }
    for part in parts {
        writeln!(page, "- `{}`: {}", part.name, part.doc.replace('\n', " ")).expect("a String takes it");
    }
}

/// The long help of each command.
fn command_line() -> String {
    let mut command = Cli::command().term_width(100).disable_help_subcommand(true);
    command.build();
    let mut page = COMMAND_LINE.to_owned();
    write_help(&mut page, &mut command);
    page
}

fn write_help(page: &mut String, command: &mut clap::Command) {
    if command.is_hide_set() {
        return;
    }
    let name = command.get_bin_name().unwrap_or(command.get_name()).to_owned();
    let help = command.render_long_help().to_string();
    let help: Vec<&str> = help.lines().map(str::trim_end).collect();
    write!(page, "\n## `{name}`\n\n```text\n{}\n```\n", help.join("\n").trim()).expect("a String takes it");
    for inner in command.get_subcommands_mut() {
        write_help(page, inner);
    }
}

#[test]
fn docs_are_current() {
    for (name, page) in [("configuration.md", configuration()), ("command-line.md", command_line())] {
        let path = Path::new(DOCS).join(name);
        if env::var_os("BELLJAR_TEST_REWRITE").is_some() {
            fs::write(&path, &page).expect("docs can be written");
        }
        let committed = fs::read_to_string(&path).unwrap_or_default();
        assert!(
            committed == page,
            "docs/{name} is not what the code says; run BELLJAR_TEST_REWRITE=1 cargo test -p belljar reference"
        );
    }
}

#[test]
fn each_vendor_has_a_page() {
    let index = fs::read_to_string(Path::new(DOCS).join("sandboxes.md")).expect("it is there");
    for product in belljar_client::config::PRODUCTS {
        let start = format!("| `{}` | {} | [", product.name, product.title);
        let row = index.lines().find(|line| line.starts_with(&start)).unwrap_or_else(|| panic!("no row: {start}"));
        let page = row.split(['(', ')']).find(|part| part.starts_with("sandboxes/")).expect("a link");
        assert!(Path::new(DOCS).join(page).is_file(), "{page}");
    }
}
