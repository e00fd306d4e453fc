//! Images as tests make them: layers, OCI layouts, archives of them.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tar::{EntryType, Header};

/// A tar whose members may be as no honest program writes them.
#[derive(Default)]
pub(crate) struct Layer(Vec<u8>);

impl Layer {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    fn member(mut self, kind: EntryType, name: &str, link: &str, mode: u32, content: &[u8]) -> Self {
        let mut header = Header::new_gnu();
        {
            let fields = header.as_gnu_mut().expect("a GNU header");
            fields.name[..name.len()].copy_from_slice(name.as_bytes());
            fields.linkname[..link.len()].copy_from_slice(link.as_bytes());
        }
        header.set_entry_type(kind);
        header.set_mode(mode);
        header.set_size(content.len() as u64);
        header.set_mtime(1_234_567_890);
        header.set_cksum();
        self.0.extend_from_slice(header.as_bytes());
        self.0.extend_from_slice(content);
        self.0.resize(self.0.len().next_multiple_of(512), 0);
        self
    }

    pub(crate) fn file(self, name: &str, content: impl AsRef<[u8]>) -> Self {
        self.member(EntryType::Regular, name, "", 0o644, content.as_ref())
    }

    pub(crate) fn file_of_mode(self, name: &str, mode: u32, content: impl AsRef<[u8]>) -> Self {
        self.member(EntryType::Regular, name, "", mode, content.as_ref())
    }

    pub(crate) fn directory(self, name: &str) -> Self {
        self.member(EntryType::Directory, name, "", 0o755, b"")
    }

    pub(crate) fn symlink(self, name: &str, target: &str) -> Self {
        self.member(EntryType::Symlink, name, target, 0o777, b"")
    }

    pub(crate) fn hard_link(self, name: &str, target: &str) -> Self {
        self.member(EntryType::Link, name, target, 0o644, b"")
    }

    pub(crate) fn device(self, name: &str) -> Self {
        self.member(EntryType::Char, name, "", 0o666, b"")
    }

    /// A member with a header of its own before it: a name, or other records, of any length.
    pub(crate) fn extended(self, records: &[(&str, &str)], name: &str, content: &[u8]) -> Self {
        let mut text = String::new();
        for (key, value) in records {
            let rest = key.len() + value.len() + 3;
            let mut length = rest + rest.to_string().len();
            length = rest + length.to_string().len();
            text += &format!("{length} {key}={value}\n");
        }
        self.member(EntryType::XHeader, "PaxHeaders/x", "", 0o644, text.as_bytes()).file(name, content)
    }

    pub(crate) fn tar(&self) -> Vec<u8> {
        [self.0.as_slice(), &[0; 1024]].concat()
    }

    /// Programs of this machine with all that they load, so that something can be run.
    pub(crate) fn with_programs(mut self) -> Self {
        let mut paths: BTreeSet<PathBuf> = BTreeSet::new();
        for name in ["sh", "bash", "cat", "ls", "id", "env", "touch", "rm", "sleep", "stat"] {
            let found = ["/usr/bin", "/bin"].iter().map(|directory| Path::new(directory).join(name));
            let program = found.into_iter().find(|path| path.exists()).expect("every machine has it");
            let listed = Command::new("ldd").arg(&program).output().expect("ldd runs").stdout;
            let listed = String::from_utf8(listed).expect("text");
            let words = listed.split_whitespace().filter(|word| word.starts_with('/')).map(PathBuf::from);
            paths.extend(words.chain([program]));
        }
        for path in paths {
            let name = path.strip_prefix("/").expect("absolute").to_str().expect("text");
            self = self.file_of_mode(name, 0o755, fs::read(&path).expect("readable"));
        }
        self
    }
}

pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).expect("memory");
    encoder.finish().expect("memory")
}

pub(crate) fn digest(bytes: &[u8]) -> String {
    format!("sha256:{:x}", Sha256::digest(bytes))
}

/// An image in the making: what its documents say can be changed before they are written.
pub(crate) struct Image {
    pub(crate) blobs: Vec<Vec<u8>>,
    pub(crate) config: Value,
    pub(crate) manifest: Value,
    pub(crate) name: String,
}

impl Image {
    /// Of these layers, each compressed.
    pub(crate) fn of(layers: &[&Layer]) -> Self {
        let tars: Vec<Vec<u8>> = layers.iter().map(|layer| layer.tar()).collect();
        let blobs: Vec<Vec<u8>> = tars.iter().map(|tar| gzip(tar)).collect();
        let entry = |blob: &Vec<u8>| {
            json!({
                "mediaType": "application/vnd.oci.image.layer.v1.tar+gzip",
                "digest": digest(blob),
                "size": blob.len(),
            })
        };
        Self {
            config: json!({
                "architecture": "amd64",
                "os": "linux",
                "config": {},
                "rootfs": {"type": "layers", "diff_ids": tars.iter().map(|tar| digest(tar)).collect::<Vec<_>>()},
            }),
            manifest: json!({"schemaVersion": 2, "layers": blobs.iter().map(entry).collect::<Vec<_>>()}),
            blobs,
            name: "test:1".to_owned(),
        }
    }

    /// The manifest as it will be stored, after the configuration got its place in it.
    pub(crate) fn documents(&self) -> (Vec<u8>, Vec<u8>) {
        let config = self.config.to_string().into_bytes();
        let mut manifest = self.manifest.clone();
        manifest["config"] = json!({
            "mediaType": "application/vnd.oci.image.config.v1+json",
            "digest": digest(&config),
            "size": config.len(),
        });
        (manifest.to_string().into_bytes(), config)
    }

    fn index(&self, manifest: &[u8]) -> Value {
        json!({
            "schemaVersion": 2,
            "manifests": [{
                "mediaType": "application/vnd.oci.image.manifest.v1+json",
                "digest": digest(manifest),
                "size": manifest.len(),
                "platform": {"os": "linux", "architecture": "amd64"},
                "annotations": {"org.opencontainers.image.ref.name": self.name},
            }],
        })
    }

    /// All files of a layout, by name.
    pub(crate) fn files(&self) -> Vec<(String, Vec<u8>)> {
        let (manifest, config) = self.documents();
        let mut files = vec![
            ("oci-layout".to_owned(), br#"{"imageLayoutVersion": "1.0.0"}"#.to_vec()),
            ("index.json".to_owned(), self.index(&manifest).to_string().into_bytes()),
        ];
        for blob in self.blobs.iter().chain([&manifest, &config]) {
            files.push((format!("blobs/sha256/{}", &digest(blob)[7..]), blob.clone()));
        }
        files
    }

    /// The layout as an archive.
    pub(crate) fn archive(&self) -> Vec<u8> {
        let files = self.files();
        files.iter().fold(Layer::new(), |layer, (name, bytes)| layer.file(name, bytes)).tar()
    }

    /// The layout as a directory.
    pub(crate) fn write_to(&self, directory: &Path) {
        for (name, bytes) in self.files() {
            let path = directory.join(name);
            fs::create_dir_all(path.parent().expect("below")).expect("made");
            fs::write(path, bytes).expect("written");
        }
    }

    /// As `docker save` writes it.
    pub(crate) fn saved(&self, layers: &[&Layer]) -> Vec<u8> {
        let config = self.config.to_string();
        let names: Vec<String> = (0..layers.len()).map(|number| format!("layer{number}/layer.tar")).collect();
        let list = json!([{"Config": "config.json", "RepoTags": [self.name], "Layers": names}]);
        let archive = Layer::new().file("manifest.json", list.to_string()).file("config.json", config);
        let with = |archive: Layer, (name, layer): (&String, &&Layer)| archive.file(name, layer.tar());
        names.iter().zip(layers).fold(archive, with).tar()
    }
}
