//! Bounds of images. What exceeds one is refused by its name.

/// Layers of an image: [`belljar_sandbox::MAX_LAYERS`].
pub const MAX_LAYERS: usize = belljar_sandbox::MAX_LAYERS;
/// Bytes of an index or a manifest: what the OCI distribution specification asks registries to accept.
pub const MAX_MANIFEST_BYTES: u64 = 4 << 20;
/// Bytes of an image's configuration. Real ones, with the history of each layer, have some tens of KiB.
pub const MAX_CONFIG_BYTES: u64 = 4 << 20;
/// Entries of one index. Images for all platforms of a distribution, with their attestations, have some tens.
pub const MAX_INDEX_ENTRIES: usize = 1000;
/// Indexes in indexes.
pub const MAX_INDEX_DEPTH: u32 = 3;
/// Bytes of one layer as it is stored or sent, compressed or not.
pub const MAX_BLOB_BYTES: u64 = 16 << 30;
/// Environment variables of an image's configuration, and words of its command and entry point, each.
pub const MAX_WORDS: usize = 1000;
/// Bytes of all texts that are kept of an image's configuration.
pub const MAX_TEXT_BYTES: usize = 256 << 10;
/// Bytes of an image's `/etc/passwd` and `/etc/group`. Of longer ones no names of users are known.
pub const MAX_USERS_BYTES: u64 = 1 << 20;
/// Users, and groups, that are known of a layer by their names.
pub const MAX_USERS: usize = 1000;
/// Bytes of a record that we wrote ourselves.
pub(crate) const MAX_RECORD_BYTES: u64 = 4 << 20;

/// Bounds that the caller of an import may choose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ImportLimits {
    /// Bytes of all files of an image unpacked, holes included; and of one stream before it is unpacked. Default 16 GiB.
    pub max_bytes: u64,
    /// Files, directories and links of all layers together. Default 2,000,000.
    pub max_entries: u64,
}

impl Default for ImportLimits {
    fn default() -> Self {
        Self { max_bytes: 16 << 30, max_entries: 2_000_000 }
    }
}
