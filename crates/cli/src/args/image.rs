//! The arguments of `belljar image`, as typed.

use std::path::PathBuf;

use belljar_image::{ImageName, Reference};
use clap::Subcommand;

use super::Sources;
use super::values::parse_size;

/// Keep images: root directories for sandboxes
///
/// An image is used by its name: `belljar run --rootfs image:NAME`, or `execute.sandbox.rootfs` of the server. Images are below the
/// data directory; equal layers are stored once.
#[derive(Debug, clap::Args)]
pub(crate) struct ImageArgs {
    #[command(subcommand)]
    pub(crate) action: ImageAction,
}

/// What is to be done with images.
#[derive(Debug, Subcommand)]
pub(crate) enum ImageAction {
    Import(ImportArgs),
    Pull(PullArgs),
    List(ListArgs),
    Show(ShowArgs),
    Remove(RemoveArgs),
}

/// Where images are.
#[derive(Debug, clap::Args)]
pub(crate) struct Place {
    /// Data directory, whose `images` holds them [default: as belljar serve]
    #[arg(long, value_name = "DIR")]
    pub(crate) data_dir: Option<PathBuf>,

    /// Configuration file (TOML) that names the data directory
    #[arg(long, value_name = "FILE", env = "BELLJAR_CONFIG")]
    pub(crate) config: Option<PathBuf>,
}

impl From<&Place> for Sources {
    fn from(place: &Place) -> Self {
        Self { data_dir: place.data_dir.clone(), config: place.config.clone(), ..Self::default() }
    }
}

/// What bounds and reports an import, wherever from.
#[derive(Debug, clap::Args)]
pub(crate) struct ImportOptionArgs {
    /// Size of all files of the image, unpacked [default: 16G]
    #[arg(long, value_name = "SIZE", value_parser = parse_size)]
    pub(crate) max_size: Option<u64>,

    /// Number of all files, directories and links of the image [default: 2000000]
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) max_files: Option<u64>,

    /// Print the image as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// Import an image from a file, a directory or standard input
///
/// Takes an archive of an OCI layout, an archive of `docker save`, a tar of a root directory, each as it is or compressed with gzip or
/// zstd; or the directory of an OCI layout. What is in it is unpacked inside sandboxes. An image of the same name is replaced.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  belljar image import debian.tar debian
  docker save course:1 | belljar image import - course:1
  belljar run --rootfs image:debian -- python3 -V")]
pub(crate) struct ImportArgs {
    /// The archive or the directory, or `-` for standard input
    #[arg(value_name = "SOURCE")]
    pub(crate) source: PathBuf,

    /// How to call the image, such as debian or course:1 [default: as it calls itself]
    #[arg(value_name = "NAME")]
    pub(crate) name: Option<ImageName>,

    /// Which image, when there are several in it, by the name that it has there
    #[arg(long, value_name = "NAME")]
    pub(crate) select: Option<String>,

    #[command(flatten)]
    pub(crate) options: ImportOptionArgs,

    #[command(flatten)]
    pub(crate) place: Place,
}

/// Pull an image from a registry
///
/// Takes the image for this machine and checks the digest of all that comes. For a registry that asks who you are: set
/// BELLJAR_REGISTRY_USERNAME and BELLJAR_REGISTRY_PASSWORD, or use docker login.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  belljar image pull registry.example/team/course:2
  belljar image pull registry.example/team/course@sha256:DIGEST course
  belljar image pull --plain-http 127.0.0.1:5000/course")]
pub(crate) struct PullArgs {
    /// The image: HOST/REPOSITORY or HOST:PORT/REPOSITORY, with :TAG or @DIGEST; there is no default registry
    #[arg(value_name = "REFERENCE")]
    pub(crate) reference: Reference,

    /// How to call the image here [default: as the reference]
    #[arg(value_name = "NAME")]
    pub(crate) name: Option<ImageName>,

    /// Ask without encryption: for registries on this machine only
    #[arg(long)]
    pub(crate) plain_http: bool,

    #[command(flatten)]
    pub(crate) options: ImportOptionArgs,

    #[command(flatten)]
    pub(crate) place: Place,
}

/// List the images
#[derive(Debug, clap::Args)]
pub(crate) struct ListArgs {
    /// Print JSON instead of a table
    #[arg(long)]
    pub(crate) json: bool,

    #[command(flatten)]
    pub(crate) place: Place,
}

/// Show what is known of an image
#[derive(Debug, clap::Args)]
pub(crate) struct ShowArgs {
    /// Its name
    #[arg(value_name = "NAME")]
    pub(crate) name: ImageName,

    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,

    #[command(flatten)]
    pub(crate) place: Place,
}

/// Remove images, and the layers that no other image needs
///
/// Sandboxes that run from one go on. Layers that they use are removed when images are next changed.
#[derive(Debug, clap::Args)]
pub(crate) struct RemoveArgs {
    /// Their names
    #[arg(value_name = "NAME", required = true)]
    pub(crate) names: Vec<ImageName>,

    #[command(flatten)]
    pub(crate) place: Place,
}

#[cfg(test)]
mod tests {
    use belljar_image::ImportLimits;
    use belljar_sandbox::units::ByteSize;
    use clap::Args;

    use super::*;

    #[test]
    fn the_defaults_in_the_help_are_those_in_force() {
        let limits = ImportLimits::default();
        let defaults = [
            ("max_size", ByteSize::from_bytes(limits.max_bytes).to_string()),
            ("max_files", limits.max_entries.to_string()),
        ];
        let command = ImportArgs::augment_args(clap::Command::new("import"));
        for (name, default) in defaults {
            let argument = command.get_arguments().find(|argument| argument.get_id() == name).expect(name);
            let help = argument.get_help().expect(name).to_string();
            assert!(help.ends_with(&format!("[default: {default}]")), "{name}: {default} in '{help}'");
        }
    }
}
