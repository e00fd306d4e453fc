//! The documents of an image (OCI image specification 1.1; Docker's media types mean the same). Written by strangers: sizes are
//! bounded before they are read, depth by the reader of JSON (128 levels), and lists here.

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::limits::{MAX_BLOB_BYTES, MAX_INDEX_ENTRIES, MAX_LAYERS};
use crate::{Digest, ImageError};

/// What this machine runs, as indexes write it.
pub const PLATFORM: &str = "linux/amd64";

/// Media types of lists of manifests.
pub(crate) const INDEX_TYPES: [&str; 2] =
    ["application/vnd.oci.image.index.v1+json", "application/vnd.docker.distribution.manifest.list.v2+json"];
/// Media types of manifests.
pub(crate) const MANIFEST_TYPES: [&str; 2] =
    ["application/vnd.oci.image.manifest.v1+json", "application/vnd.docker.distribution.manifest.v2+json"];

/// Where something is: its digest and its size, and what it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Descriptor {
    #[serde(default)]
    pub(crate) media_type: String,
    pub(crate) digest: Digest,
    pub(crate) size: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) platform: Option<Platform>,
    #[serde(default)]
    pub(crate) annotations: BTreeMap<String, String>,
}

/// What a manifest in an index is for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Platform {
    #[serde(default)]
    pub(crate) architecture: String,
    #[serde(default)]
    pub(crate) os: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) variant: Option<String>,
}

impl Platform {
    pub(crate) fn name(&self) -> String {
        let variant = self.variant.as_deref().filter(|variant| !variant.is_empty());
        let variant = variant.map(|variant| format!("/{variant}")).unwrap_or_default();
        format!("{}/{}{variant}", self.os, self.architecture).chars().take(80).flat_map(char::escape_debug).collect()
    }

    fn is_ours(&self) -> bool {
        // Variants of amd64 (v2, v3) are for newer processors: only the plain one is for all.
        self.os == "linux"
            && self.architecture == "amd64"
            && self.variant.as_deref().is_none_or(|v| v.is_empty() || v == "v1")
    }
}

/// A list of manifests.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Index {
    pub(crate) manifests: Vec<Descriptor>,
}

/// One image for one platform.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Manifest {
    pub(crate) config: Descriptor,
    pub(crate) layers: Vec<Descriptor>,
}

/// An image's configuration, as far as it is used.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct ConfigFile {
    #[serde(default)]
    pub(crate) architecture: String,
    #[serde(default)]
    pub(crate) os: String,
    pub(crate) config: Option<RunConfig>,
    pub(crate) rootfs: LayerIds,
}

/// The layers' digests before they were compressed.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct LayerIds {
    #[serde(default)]
    pub(crate) diff_ids: Vec<Digest>,
}

/// How an image wants to be run.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct RunConfig {
    pub(crate) env: Option<Vec<String>>,
    pub(crate) entrypoint: Option<Vec<String>>,
    pub(crate) cmd: Option<Vec<String>>,
    pub(crate) working_dir: Option<String>,
    pub(crate) user: Option<String>,
}

/// One image of an archive of `docker save`.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Saved {
    pub(crate) config: String,
    #[serde(default)]
    pub(crate) repo_tags: Option<Vec<String>>,
    pub(crate) layers: Vec<String>,
}

/// Reads a document.
pub(crate) fn parse<T: DeserializeOwned>(what: &'static str, bytes: &[u8]) -> Result<T, ImageError> {
    serde_json::from_slice(bytes).map_err(|source| ImageError::Json { what, source })
}

/// What a document that may be either is.
#[derive(Debug)]
pub(crate) enum IndexOrManifest {
    Index(Index),
    Manifest(Manifest),
}

impl IndexOrManifest {
    /// By what is in it: media types are optional, and a lie at times.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, ImageError> {
        #[derive(Deserialize)]
        struct Either {
            manifests: Option<Vec<Descriptor>>,
            config: Option<Descriptor>,
            layers: Option<Vec<Descriptor>>,
        }
        let either: Either = parse("the manifest", bytes)?;
        match either {
            Either { manifests: Some(manifests), config: None, layers: None } => {
                within("the number of entries in the index", manifests.len(), MAX_INDEX_ENTRIES)?;
                Ok(Self::Index(Index { manifests }))
            }
            Either { manifests: None, config: Some(config), layers: Some(layers) } => {
                check_layers(layers.len())?;
                for layer in &layers {
                    if layer.size > MAX_BLOB_BYTES {
                        let what = format!("a layer of {} bytes", layer.size);
                        return Err(ImageError::TooLarge { what, limit: MAX_BLOB_BYTES });
                    }
                }
                Ok(Self::Manifest(Manifest { config, layers }))
            }
            // A document that two readers could take for two things.
            _ => Err(ImageError::NotAnImage("the manifest is neither that of an image nor a list of such".to_owned())),
        }
    }
}

pub(crate) fn check_layers(count: usize) -> Result<(), ImageError> {
    within("the number of layers", count, MAX_LAYERS)
}

fn within(what: &str, count: usize, limit: usize) -> Result<(), ImageError> {
    if count > limit {
        return Err(ImageError::TooLarge { what: format!("{what}, {count},"), limit: limit as u64 });
    }
    Ok(())
}

impl Index {
    /// The entry for this machine. Those that name no platform may be for it.
    ///
    /// # Errors
    ///
    /// There is none: for what the others are; or there are several.
    pub(crate) fn select(&self, name: Option<&str>) -> Result<&Descriptor, ImageError> {
        let is_image = |entry: &&Descriptor| {
            let media_type = entry.media_type.as_str();
            let known =
                media_type.is_empty() || INDEX_TYPES.contains(&media_type) || MANIFEST_TYPES.contains(&media_type);
            // Attestations stand beside the images that they are about.
            known && !entry.annotations.contains_key("vnd.docker.reference.type")
        };
        let named = |entry: &&Descriptor| name.is_none_or(|name| names_of(entry).any(|other| other == name));
        let all: Vec<&Descriptor> = self.manifests.iter().filter(is_image).filter(named).collect();
        let ours = |entry: &&Descriptor| entry.platform.as_ref().is_none_or(Platform::is_ours);
        let mut fitting: Vec<&Descriptor> = all.iter().copied().filter(ours).collect();
        fitting.dedup_by_key(|entry| entry.digest);
        match fitting[..] {
            [one] => Ok(one),
            [] if all.is_empty() => Err(ImageError::NotAnImage(match name {
                Some(name) => format!("there is no image '{name}' in it"),
                None => "there is no image in it".to_owned(),
            })),
            [] => Err(ImageError::Platform {
                found: all.iter().filter_map(|entry| entry.platform.as_ref()).map(Platform::name).collect(),
            }),
            _ => {
                let shown =
                    |entry: &&Descriptor| names_of(entry).next().map_or(entry.digest.to_string(), str::to_owned);
                Err(ImageError::Several { names: fitting.iter().map(shown).collect() })
            }
        }
    }
}

/// What an entry of an index calls itself; its digest is a name, too.
pub(crate) fn names_of(entry: &Descriptor) -> impl Iterator<Item = &str> {
    ["io.containerd.image.name", "org.opencontainers.image.ref.name"]
        .into_iter()
        .filter_map(|key| entry.annotations.get(key))
        .map(String::as_str)
}

impl ConfigFile {
    /// Reads a configuration that belongs to a manifest of so many layers.
    pub(crate) fn parse(bytes: &[u8], layers: usize) -> Result<Self, ImageError> {
        let config: Self = parse("the configuration", bytes)?;
        let platform = Platform { architecture: config.architecture.clone(), os: config.os.clone(), variant: None };
        if !platform.is_ours() {
            return Err(ImageError::Platform { found: vec![platform.name()] });
        }
        if config.rootfs.diff_ids.len() != layers {
            let named = config.rootfs.diff_ids.len();
            let problem = format!("the image has {layers} layers, but its configuration names {named}");
            return Err(ImageError::NotAnImage(problem));
        }
        Ok(config)
    }
}

/// Reads a document as all that it could be, for a fuzzer.
#[doc(hidden)]
pub fn understand(bytes: &[u8]) {
    match IndexOrManifest::parse(bytes) {
        Ok(IndexOrManifest::Index(index)) => drop(index.select(None).map(|entry| entry.digest)),
        Ok(IndexOrManifest::Manifest(_)) | Err(_) => {}
    }
    if let Ok(ConfigFile { config: Some(config), .. }) = ConfigFile::parse(bytes, 1) {
        let _ = crate::record::ImageConfig::new(config, &crate::record::Users::read(Some(bytes), Some(bytes)));
    }
    let _: Result<Vec<Saved>, _> = parse("the list of images", bytes);
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn entry(platform: Option<&str>, name: &str) -> Value {
        let mut entry = json!({
            "mediaType": MANIFEST_TYPES[0],
            "digest": Digest::of(name.as_bytes()),
            "size": 1,
            "annotations": {"org.opencontainers.image.ref.name": name},
        });
        if let Some((os, architecture)) = platform.and_then(|platform| platform.split_once('/')) {
            let (architecture, variant) = architecture.split_once('/').unwrap_or((architecture, ""));
            entry["platform"] = json!({"os": os, "architecture": architecture, "variant": variant});
        }
        entry
    }

    fn index(entries: &[Value]) -> Result<Index, ImageError> {
        match IndexOrManifest::parse(json!({"manifests": entries}).to_string().as_bytes())? {
            IndexOrManifest::Index(index) => Ok(index),
            IndexOrManifest::Manifest(_) => panic!("an index"),
        }
    }

    #[test]
    fn the_entry_for_this_machine_is_taken() {
        let ours = entry(Some("linux/amd64"), "ours");
        let arm = entry(Some("linux/arm64"), "arm");
        let mut attestation = entry(Some("linux/amd64"), "attestation");
        attestation["annotations"]["vnd.docker.reference.type"] = json!("attestation-manifest");
        let newer = entry(Some("linux/amd64/v3"), "newer");
        let all = index(&[arm.clone(), newer, attestation, ours]).unwrap();
        assert_eq!(all.select(None).unwrap().digest, Digest::of(b"ours"));
        assert_eq!(index(&[entry(None, "any")]).unwrap().select(None).unwrap().digest, Digest::of(b"any"));
        let message = index(&[arm, entry(Some("windows/amd64"), "w")]).unwrap().select(None).unwrap_err().to_string();
        assert_eq!(message, "the image is for linux/arm64, windows/amd64, not for linux/amd64");
    }

    #[test]
    fn several_images_are_told_apart_by_name() {
        let two = index(&[entry(None, "one"), entry(None, "two")]).unwrap();
        let message = two.select(None).unwrap_err().to_string();
        assert!(message.ends_with("--select: one, two"), "{message}");
        assert_eq!(two.select(Some("two")).unwrap().digest, Digest::of(b"two"));
        assert!(matches!(two.select(Some("three")), Err(ImageError::NotAnImage(_))));
        assert!(matches!(index(&[]).unwrap().select(None), Err(ImageError::NotAnImage(_))));
    }

    #[test]
    fn documents_are_bounded_and_unambiguous() {
        let descriptor = entry(None, "x");
        let parse = |value: Value| IndexOrManifest::parse(value.to_string().as_bytes());
        assert!(parse(json!({"config": descriptor, "layers": vec![descriptor.clone(); MAX_LAYERS]})).is_ok());
        let mut huge = descriptor.clone();
        huge["size"] = json!(MAX_BLOB_BYTES + 1);
        let mut unknown = descriptor.clone();
        unknown["digest"] = json!("sha512:00");
        for wrong in [
            json!({"config": descriptor, "layers": vec![descriptor.clone(); MAX_LAYERS + 1]}),
            json!({"manifests": vec![descriptor.clone(); MAX_INDEX_ENTRIES + 1]}),
            json!({"config": descriptor, "layers": [huge]}),
            json!({"config": descriptor, "layers": [unknown]}),
            json!({"config": descriptor, "layers": [], "manifests": []}),
            json!({"schemaVersion": 1}),
            json!([]),
        ] {
            assert!(parse(wrong.clone()).is_err(), "{wrong:.200}");
        }
        let nested = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
        for text in
            ["", "{", "null", &nested, &format!("{{\"manifests\": {nested}}}"), "{\"manifests\": [{\"size\": -1}]}"]
        {
            assert!(IndexOrManifest::parse(text.as_bytes()).is_err(), "{text:.50}");
        }
    }

    #[test]
    fn configurations_belong_to_their_manifests() {
        let config = |os: &str, layers: usize| {
            let ids: Vec<_> = (0..layers).map(|_| Digest::of(b"")).collect();
            json!({"os": os, "architecture": "amd64", "rootfs": {"type": "layers", "diff_ids": ids}}).to_string()
        };
        assert!(ConfigFile::parse(config("linux", 2).as_bytes(), 2).is_ok());
        assert!(matches!(ConfigFile::parse(config("linux", 2).as_bytes(), 1), Err(ImageError::NotAnImage(_))));
        assert!(matches!(ConfigFile::parse(config("windows", 2).as_bytes(), 2), Err(ImageError::Platform { .. })));
    }
}
