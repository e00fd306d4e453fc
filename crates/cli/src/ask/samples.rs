//! Which samples are meant: files, all files of directories, addresses, standard input.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};
use belljar_client::Sample;

use super::plain;
use crate::args::SubmitArgs;
use crate::failure::{Failure, say};

/// Directories inside of each other, at most.
const MAX_DEPTH: usize = 64;
/// Warnings about what is left out, at most.
const MAX_WARNINGS: usize = 5;

/// Samples, each with what the user calls it.
pub(super) type Named = Vec<(String, Sample)>;

/// All that is meant, in the order in which it was named; files of a directory in the order of their names.
///
/// # Errors
///
/// Something is not there or cannot be sent, there is nothing at all, or there are more files than allowed.
pub(super) async fn collect(args: &SubmitArgs) -> Result<Named, Failure> {
    let mut found = Found { named: Vec::new(), left_out: 0, args };
    for sample in &args.samples {
        let path = Path::new(sample);
        match sample.to_str() {
            Some("-") => {
                let input = rustix::stdio::stdin().try_clone_to_owned().context("cannot use standard input")?;
                let input = tokio::fs::File::from_std(fs::File::from(input));
                let read = Sample::read(&args.name, input, args.max_size).await;
                found.named.push(("-".to_owned(), read.context("standard input").map_err(Failure::usage)?));
            }
            Some(address) if is_address(address) => found.named.push((address.to_owned(), Sample::url(address))),
            _ => found.add(path)?,
        }
    }
    if found.left_out > MAX_WARNINGS {
        say(format_args!("warning: {} more are left out", found.left_out - MAX_WARNINGS));
    }
    if found.named.is_empty() {
        return Err(Failure::usage(anyhow!("there is nothing to submit: the directories hold no regular files")));
    }
    Ok(found.named)
}

/// `http://x` or `https://x`: a file of such a name can be written `./http://x`.
fn is_address(text: &str) -> bool {
    let scheme = text.split_once("://").map(|(scheme, _)| scheme.to_ascii_lowercase());
    matches!(scheme.as_deref(), Some("http" | "https"))
}

struct Found<'a> {
    named: Named,
    left_out: usize,
    args: &'a SubmitArgs,
}

impl Found<'_> {
    /// A path that the user named: a link is followed to what it means.
    fn add(&mut self, path: &Path) -> Result<(), Failure> {
        let metadata =
            fs::metadata(path).with_context(|| format!("cannot read {}", path.display())).map_err(Failure::usage)?;
        if metadata.is_dir() {
            return self.add_directory(path);
        }
        if !metadata.is_file() {
            return Err(Failure::usage(anyhow!("{} is no regular file, directory or address", path.display())));
        }
        if metadata.len() > self.args.max_size {
            let error = anyhow!("{} is larger than {} bytes", path.display(), self.args.max_size);
            return Err(Failure::usage(error).hint("--max-size allows more"));
        }
        self.push(path);
        Ok(())
    }

    /// All regular files below it. No link is followed: it may lead out of the directory, or round and round.
    fn add_directory(&mut self, top: &Path) -> Result<(), Failure> {
        let mut open: Vec<(PathBuf, usize)> = vec![(top.to_owned(), 0)];
        let mut files = Vec::new();
        while let Some((directory, depth)) = open.pop() {
            let cannot = |error: io::Error| {
                Failure::from(anyhow::Error::new(error).context(format!("cannot read {}", directory.display())))
            };
            for entry in fs::read_dir(&directory).map_err(cannot)? {
                let entry = entry.map_err(cannot)?;
                // Of the entry itself, and not of what a link means.
                let kind = entry.file_type().map_err(cannot)?;
                let path = entry.path();
                if kind.is_dir() && depth < MAX_DEPTH {
                    open.push((path, depth + 1));
                } else if kind.is_dir() {
                    self.leave_out(&path, "too deep");
                } else if kind.is_symlink() {
                    self.leave_out(&path, "a link");
                } else if !kind.is_file() {
                    self.leave_out(&path, "no regular file");
                } else if entry.metadata().is_ok_and(|metadata| metadata.len() > self.args.max_size) {
                    self.leave_out(&path, "larger than --max-size");
                } else {
                    files.push(path);
                }
                if self.named.len() + files.len() + open.len() > self.args.max_files {
                    let error = anyhow!("{} holds more than {} files", top.display(), self.args.max_files);
                    return Err(Failure::usage(error).hint("--max-files allows more"));
                }
            }
        }
        files.sort();
        files.iter().for_each(|path| self.push(path));
        Ok(())
    }

    fn push(&mut self, path: &Path) {
        self.named.push((path.display().to_string(), Sample::path(path)));
    }

    fn leave_out(&mut self, path: &Path, why: &str) {
        self.left_out += 1;
        if self.left_out <= MAX_WARNINGS {
            say(format_args!("warning: {} is left out: {why}", plain(&path.as_os_str().to_string_lossy())));
        }
    }
}

/// A name in so many columns: its end says most.
pub(super) fn short(name: &str, width: usize) -> String {
    let count = name.chars().count();
    if count <= width {
        return plain(name);
    }
    let tail: String = name.chars().skip(count - width.saturating_sub(1)).collect();
    format!("…{}", plain(&tail))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_told_from_files() {
        for (text, address) in [
            ("http://x", true),
            ("HTTPS://x", true),
            ("ftp://x", false),
            ("./http://x", false),
            ("sample.exe", false),
            ("http:", false),
        ] {
            assert_eq!(is_address(text), address, "{text}");
        }
    }

    #[test]
    fn long_names_keep_their_end() {
        assert_eq!(short("inbox/a.exe", 20), "inbox/a.exe");
        assert_eq!(short("inbox/a.exe", 6), "…a.exe");
        assert_eq!(short("é\n", 6), "é\\n");
    }
}
