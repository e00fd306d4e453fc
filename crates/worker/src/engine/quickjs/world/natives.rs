//! What our JavaScript cannot do itself.
//!
//! Bytes pass as strings of characters below 256 into Rust, which is slow but safe, and as `Uint8Array` out of it.

mod digest;
mod url;

use std::path::{Path, PathBuf};
use std::rc::Rc;

use rquickjs::{Ctx, Exception, Function, Object, Result, Value};

use super::files::Directories;
use super::resolve::{self, Format};
use super::sources;

/// Adds ours to what the owner of the event loop gives.
pub(super) fn add<'js>(natives: &Object<'js>, directories: &[PathBuf]) -> Result<()> {
    let ctx = natives.ctx();
    modules(ctx, natives, Directories::new(directories))?;
    digest::install(ctx, natives)?;
    url::install(ctx, natives)
}

fn modules<'js>(ctx: &Ctx<'js>, natives: &Object<'js>, files: Directories) -> Result<()> {
    let files = Rc::new(files);
    natives.set("builtin", Function::new(ctx.clone(), |ctx: Ctx<'js>, name: String| sources::compile(&ctx, &name))?)?;
    natives.set("notOffered", sources::NOT_OFFERED.to_vec())?;
    // A function that gives the value of an expression.
    let expression = |ctx: Ctx<'js>, text: String, name: String| -> Result<Function<'js>> {
        wrapped(&ctx, &format!("var context = {text}\n; return context;"), name)
    };
    natives.set("expression", Function::new(ctx.clone(), expression)?)?;

    let in_files = Rc::clone(&files);
    let resolve = move |ctx: Ctx<'js>, name: String, from: String| -> Result<Object<'js>> {
        let answer = Object::new(ctx)?;
        match resolve::resolve(&in_files, &name, Path::new(&from)) {
            Ok((path, format)) => {
                answer.set("path", path.to_string_lossy().into_owned())?;
                answer.set("json", format == Format::Json)?;
            }
            Err(error) => {
                answer.set("reason", error.to_string())?;
                answer.set("code", error.code())?;
            }
        }
        Ok(answer)
    };
    natives.set("resolve", Function::new(ctx.clone(), resolve)?)?;

    let in_files = Rc::clone(&files);
    let paths = move |from: String| -> Vec<String> {
        let paths = resolve::lookup_paths(&in_files, Path::new(&from));
        paths.into_iter().map(|path| path.to_string_lossy().into_owned()).collect()
    };
    natives.set("lookupPaths", Function::new(ctx.clone(), paths)?)?;

    let in_files = Rc::clone(&files);
    let script = move |ctx: Ctx<'js>, path: String| -> Result<Function<'js>> {
        let text = read(&ctx, &in_files, &path)?;
        // A first line for a shell is none for us; the line itself stays, for the numbers of the others.
        let comment = if text.starts_with("#!") { "//" } else { "" };
        wrapped(&ctx, &format!("{comment}{text}"), path)
    };
    natives.set("script", Function::new(ctx.clone(), script)?)?;

    let text = move |ctx: Ctx<'js>, path: String| read(&ctx, &files, &path);
    natives.set("text", Function::new(ctx.clone(), text)?)
}

fn read(ctx: &Ctx<'_>, files: &Directories, path: &str) -> Result<String> {
    let bytes = files
        .read(Path::new(path))
        .map_err(|error| Exception::throw_message(ctx, &format!("Cannot read module {path}: {error}")))?;
    let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes);
    Ok(String::from_utf8_lossy(text).into_owned())
}

/// The function that a CommonJS module is. What stands before its text stands on its first line, so that all lines keep their numbers.
fn wrapped<'js>(ctx: &Ctx<'js>, text: &str, name: String) -> Result<Function<'js>> {
    let wrapped = format!("(function (exports, require, module, __filename, __dirname) {{{text}\n}})");
    sources::evaluate(ctx, wrapped, name, false)
}

/// Bytes out of a string whose characters stand for one each.
fn bytes(ctx: &Ctx<'_>, text: &str) -> Result<Vec<u8>> {
    text.chars()
        .map(u8::try_from)
        .collect::<std::result::Result<_, _>>()
        .map_err(|_| Exception::throw_type(ctx, "a string of bytes has a character above 255"))
}

/// `undefined`.
fn undefined<'js>(ctx: &Ctx<'js>) -> Value<'js> {
    Value::new_undefined(ctx.clone())
}
