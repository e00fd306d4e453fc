//! From what was given to an image: OCI layouts, archives of them, archives of `docker save`, and plain root directories.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Seek};
use std::os::fd::OwnedFd;
use std::path::Path;

use belljar_sandbox::Launcher;
use belljar_sandbox::agent::ArchiveLimits;
use jiff::Timestamp;

use crate::files::{open_below, open_directory, read_below};
use crate::limits::{ImportLimits, MAX_CONFIG_BYTES, MAX_INDEX_DEPTH, MAX_MANIFEST_BYTES};
use crate::oci::{ConfigFile, Descriptor, IndexOrManifest, Manifest, Saved, check_layers, names_of, parse};
use crate::record::{Image, ImageConfig, LayerRecord, Users, VERSION};
use crate::store::{HeldLayer, Incoming, NewLayer};
use crate::unpack::{Unpacked, unpack};
use crate::{Digest, ImageError, ImageName, Images};

/// What the caller of an import decides.
#[derive(Debug, Clone, Default)]
pub struct ImportOptions {
    /// How the image will be called; when absent, as it calls itself.
    pub name: Option<ImageName>,
    /// Which of several images in an archive.
    pub select: Option<String>,
    /// Where it came from, for people.
    pub source: String,
    /// Bounds.
    pub limits: ImportLimits,
}

/// What an import is doing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// An archive is unpacked, which shows what it is.
    Archive,
    /// A layer is fetched.
    Fetching {
        /// Its number, from 1.
        number: usize,
        /// Of how many.
        of: usize,
        /// Bytes that came.
        bytes: u64,
        /// Bytes in all.
        total: u64,
    },
    /// A layer is unpacked.
    Unpacking {
        /// Its number, from 1.
        number: usize,
        /// Of how many.
        of: usize,
    },
    /// A layer is there already.
    Known {
        /// Its number, from 1.
        number: usize,
        /// Of how many.
        of: usize,
    },
}

/// Something that is told of [`Event`]s.
pub type Watcher<'a> = &'a (dyn Fn(Event) + Sync);

impl Images {
    /// Imports what can be read from a file or a pipe: a tar, compressed with gzip, zstd or not, of an OCI layout, of `docker save`,
    /// or of a root directory. Inside a runtime.
    ///
    /// # Errors
    ///
    /// It is none of them, is damaged or for other machines, is above a limit, or cannot be unpacked. Nothing is changed then.
    pub async fn import(
        &self,
        launcher: &Launcher,
        input: OwnedFd,
        options: ImportOptions,
        watch: Watcher<'_>,
    ) -> Result<Image, ImageError> {
        let mut import = Import::begin(self, launcher, options, watch)?;
        watch(Event::Archive);
        let place = import.incoming.place(0)?;
        let unpacked = unpack(launcher, "the archive", input, &place.tree(), import.left()).await?;
        let directory = open_directory(&place.tree())?;
        if is_layout(&directory) {
            return import.layout(directory).await;
        }
        if let Some(saved) = saved(&directory) {
            return import.saved(&directory, saved).await;
        }
        if import.options.select.is_some() {
            return Err(ImageError::NotAnImage("it is a root directory, not an archive of images".to_owned()));
        }
        import.count(&unpacked.record)?;
        let Unpacked { digest, record } = unpacked;
        let config = ImageConfig::default();
        let layer = on_blocking_thread(move || place.complete(digest, record)).await?;
        import.add(digest, Layer::New(layer));
        import.finish(digest, config, None)
    }

    /// Imports an OCI layout that is a directory (OCI image specification, "Image Layout").
    ///
    /// # Errors
    ///
    /// Those of [`Images::import`].
    pub async fn import_directory(
        &self,
        launcher: &Launcher,
        path: &Path,
        options: ImportOptions,
        watch: Watcher<'_>,
    ) -> Result<Image, ImageError> {
        let directory = open_directory(path)?;
        if !is_layout(&directory) {
            let problem = format!(
                "`{}` is no OCI layout: it has no file 'oci-layout' with a version 1; pack a root directory with tar first",
                path.display()
            );
            return Err(ImageError::NotAnImage(problem));
        }
        Import::begin(self, launcher, options, watch)?.layout(directory).await
    }
}

/// A layer of the image that is being imported.
#[derive(Debug)]
pub(crate) enum Layer {
    /// It was there, and is held.
    Known(HeldLayer),
    /// It was unpacked.
    New(NewLayer),
}

impl Layer {
    const fn record(&self) -> &LayerRecord {
        match self {
            Self::Known(layer) => &layer.record,
            Self::New(layer) => &layer.record,
        }
    }
}

/// Where manifests, configurations and layers are found.
pub(crate) trait Blobs {
    /// A document within its bound, whose digest is right.
    async fn document(&self, entry: &Descriptor, document: Document) -> Result<Vec<u8>, ImageError>;

    /// A layer as it is stored, from its first byte, whose digest is right.
    async fn layer(&self, entry: &Descriptor, incoming: &Incoming, progress: Progress<'_>) -> Result<File, ImageError>;
}

/// What a document is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Document {
    /// A manifest or an index.
    Manifest,
    /// An image's configuration.
    Configuration,
}

impl Document {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Manifest => "the manifest",
            Self::Configuration => "the configuration",
        }
    }

    /// Bytes at most.
    pub(crate) const fn limit(self) -> u64 {
        match self {
            Self::Manifest => MAX_MANIFEST_BYTES,
            Self::Configuration => MAX_CONFIG_BYTES,
        }
    }
}

/// Tells how far a layer is.
pub(crate) struct Progress<'a> {
    pub(crate) watch: Watcher<'a>,
    pub(crate) number: usize,
    pub(crate) of: usize,
}

impl Progress<'_> {
    /// Which layer, for people.
    pub(crate) fn what(&self) -> String {
        format!("layer {} of {}", self.number, self.of)
    }

    pub(crate) fn fetched(&self, bytes: u64, total: u64) {
        (self.watch)(Event::Fetching { number: self.number, of: self.of, bytes, total });
    }
}

/// An import on its way.
pub(crate) struct Import<'a> {
    images: &'a Images,
    launcher: &'a Launcher,
    options: ImportOptions,
    watch: Watcher<'a>,
    pub(crate) incoming: Incoming,
    /// From the lowest; an image may have the same more than once.
    order: Vec<Digest>,
    layers: BTreeMap<Digest, Layer>,
    entries: u64,
    bytes: u64,
}

impl<'a> Import<'a> {
    pub(crate) fn begin(
        images: &'a Images,
        launcher: &'a Launcher,
        options: ImportOptions,
        watch: Watcher<'a>,
    ) -> Result<Self, ImageError> {
        // What a killed import left takes room.
        images.sweep()?;
        let incoming = images.begin()?;
        Ok(Self {
            images,
            launcher,
            options,
            watch,
            incoming,
            order: Vec::new(),
            layers: BTreeMap::new(),
            entries: 0,
            bytes: 0,
        })
    }

    /// What the limits leave to the layers that are still to come.
    fn left(&self) -> ArchiveLimits {
        let ImportLimits { max_bytes, max_entries } = self.options.limits;
        ArchiveLimits {
            max_entries: max_entries.saturating_sub(self.entries),
            max_bytes: max_bytes.saturating_sub(self.bytes),
        }
    }

    fn count(&mut self, record: &LayerRecord) -> Result<(), ImageError> {
        self.entries = self.entries.saturating_add(record.entries);
        self.bytes = self.bytes.saturating_add(record.bytes);
        let ImportLimits { max_bytes, max_entries } = self.options.limits;
        let above = |what: &str, limit| Err(ImageError::TooLarge { what: what.to_owned(), limit });
        match () {
            () if self.bytes > max_bytes => above("the size of all files of the image, in bytes,", max_bytes),
            () if self.entries > max_entries => above("the number of files of the image", max_entries),
            () => Ok(()),
        }
    }

    /// From the directory of a layout.
    async fn layout(self, directory: OwnedFd) -> Result<Image, ImageError> {
        let blobs = Layout(directory);
        let index = blobs.read("index.json", "the index", MAX_MANIFEST_BYTES)?;
        let select = self.options.select.clone();
        let (manifest, name) = resolve(&blobs, index, select.as_deref()).await?;
        let name = name.and_then(|name| name.parse().ok());
        self.manifest(&blobs, &manifest, name).await
    }

    /// All of a manifest: its configuration, and its layers from the lowest. `own_name` counts unless the caller names it.
    pub(crate) async fn manifest(
        mut self,
        blobs: &impl Blobs,
        manifest: &Manifest,
        own_name: Option<ImageName>,
    ) -> Result<Image, ImageError> {
        let config = blobs.document(&manifest.config, Document::Configuration).await?;
        let config = ConfigFile::parse(&config, manifest.layers.len())?;
        let of = manifest.layers.len();
        for (index, (entry, diff_id)) in manifest.layers.iter().zip(&config.rootfs.diff_ids).enumerate() {
            let (number, diff_id) = (index + 1, *diff_id);
            if self.known(diff_id, number, of)? {
                continue;
            }
            let progress = Progress { watch: self.watch, number, of };
            let packed = blobs.layer(entry, &self.incoming, progress).await?;
            self.unpack_layer(packed, diff_id, number, of).await?;
        }
        let config = ImageConfig::new(config.config.unwrap_or_default(), &self.users())?;
        self.finish(manifest.config.digest, config, own_name)
    }

    /// From the directory that an archive of `docker save` unpacks to.
    async fn saved(mut self, directory: &OwnedFd, images: Vec<Saved>) -> Result<Image, ImageError> {
        let tags = |image: &Saved| image.repo_tags.clone().unwrap_or_default();
        let wanted = |image: &&Saved| self.options.select.as_ref().is_none_or(|name| tags(image).contains(name));
        let fitting: Vec<&Saved> = images.iter().filter(wanted).collect();
        let image = match fitting[..] {
            [image] => image,
            [] => return Err(ImageError::NotAnImage("there is no such image in it".to_owned())),
            _ => return Err(ImageError::Several { names: fitting.iter().flat_map(|image| tags(image)).collect() }),
        };
        check_layers(image.layers.len())?;
        let read = |path: &str, limit| read_below(directory, path, true, limit);
        let config = read(&image.config, MAX_CONFIG_BYTES).map_err(|error| missing("the configuration", &error))?;
        let too_large =
            || ImageError::TooLarge { what: "the configuration's size".to_owned(), limit: MAX_CONFIG_BYTES };
        let config = config.ok_or_else(too_large)?;
        let id = Digest::of(&config);
        let config = ConfigFile::parse(&config, image.layers.len())?;
        let of = image.layers.len();
        for (index, (path, diff_id)) in image.layers.iter().zip(&config.rootfs.diff_ids).enumerate() {
            if !self.known(*diff_id, index + 1, of)? {
                // Equal layers are links to one another.
                let (packed, _) = open_below(directory, path, true).map_err(|error| missing("a layer", &error))?;
                self.unpack_layer(packed, *diff_id, index + 1, of).await?;
            }
        }
        let name = tags(image).first().and_then(|tag| tag.parse().ok());
        let config = ImageConfig::new(config.config.unwrap_or_default(), &self.users())?;
        self.finish(id, config, name)
    }

    /// Whether a layer is there already.
    fn known(&mut self, diff_id: Digest, number: usize, of: usize) -> Result<bool, ImageError> {
        if self.layers.contains_key(&diff_id) {
            (self.watch)(Event::Known { number, of });
            self.order.push(diff_id);
            return Ok(true);
        }
        let Some(layer) = self.images.hold(&diff_id)? else {
            return Ok(false);
        };
        (self.watch)(Event::Known { number, of });
        self.count(&layer.record)?;
        self.add(diff_id, Layer::Known(layer));
        Ok(true)
    }

    async fn unpack_layer(
        &mut self,
        packed: File,
        diff_id: Digest,
        number: usize,
        of: usize,
    ) -> Result<(), ImageError> {
        (self.watch)(Event::Unpacking { number, of });
        // Place 0 is the archive's.
        let place = self.incoming.place(number)?;
        let what = format!("layer {number} of {of}");
        let Unpacked { digest, record } =
            unpack(self.launcher, &what, packed.into(), &place.tree(), self.left()).await?;
        if digest != diff_id {
            return Err(ImageError::Mismatch { what, expected: diff_id, found: digest });
        }
        self.count(&record)?;
        let layer = on_blocking_thread(move || place.complete(digest, record)).await?;
        self.add(digest, Layer::New(layer));
        Ok(())
    }

    fn add(&mut self, digest: Digest, layer: Layer) {
        self.order.push(digest);
        self.layers.insert(digest, layer);
    }

    /// What is known of the layers, from the lowest.
    fn records(&self) -> impl DoubleEndedIterator<Item = &LayerRecord> + ExactSizeIterator {
        self.order.iter().map(|digest| self.layers[digest].record())
    }

    fn users(&self) -> Users {
        let mut users = Users::default();
        for record in self.records() {
            users.put_over(&record.users);
        }
        users
    }

    fn finish(self, id: Digest, config: ImageConfig, own_name: Option<ImageName>) -> Result<Image, ImageError> {
        let name = self.options.name.clone().or(own_name).ok_or(ImageError::Nameless)?;
        let hidden = self.records().rposition(|record| record.opaque).unwrap_or(0);
        let image = Image {
            version: VERSION,
            name,
            id,
            hidden,
            layers: self.order,
            bytes: self.bytes,
            entries: self.entries,
            imported: Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
            source: self.options.source.clone(),
            config,
        };
        let (mut new, mut held) = (Vec::new(), Vec::new());
        for layer in self.layers.into_values() {
            match layer {
                Layer::Known(layer) => held.push(layer),
                Layer::New(layer) => new.push(layer),
            }
        }
        self.images.commit(&self.incoming, &new, &image)?;
        Ok(image)
    }
}

/// The manifest for this machine that an index leads to, and how the entry calls itself.
pub(crate) async fn resolve(
    blobs: &impl Blobs,
    bytes: Vec<u8>,
    select: Option<&str>,
) -> Result<(Manifest, Option<String>), ImageError> {
    let (mut document, mut select, mut name) = (IndexOrManifest::parse(&bytes)?, select, None);
    for _ in 0..=MAX_INDEX_DEPTH {
        let index = match document {
            IndexOrManifest::Manifest(manifest) => return Ok((manifest, name)),
            IndexOrManifest::Index(index) => index,
        };
        // A name is the outermost index's business.
        let entry = index.select(select.take())?;
        name = name.or_else(|| names_of(entry).next().map(str::to_owned));
        let bytes = blobs.document(entry, Document::Manifest).await?;
        document = IndexOrManifest::parse(&bytes)?;
    }
    Err(ImageError::TooLarge { what: "the depth of indexes in indexes".to_owned(), limit: MAX_INDEX_DEPTH.into() })
}

/// Whether this is the directory of a layout of version 1.
fn is_layout(directory: &OwnedFd) -> bool {
    #[derive(serde::Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Mark {
        image_layout_version: String,
    }
    let bytes = read_below(directory, "oci-layout", false, MAX_MANIFEST_BYTES).ok().flatten();
    let mark: Option<Mark> = bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok());
    mark.is_some_and(|mark| mark.image_layout_version.starts_with("1."))
}

/// What `docker save` says of the images in an archive, if this is one.
fn saved(directory: &OwnedFd) -> Option<Vec<Saved>> {
    let bytes = read_below(directory, "manifest.json", false, MAX_MANIFEST_BYTES).ok()??;
    parse("the list of images", &bytes).ok()
}

fn missing(what: &str, error: &io::Error) -> ImageError {
    ImageError::NotAnImage(format!("{what} of the image is not in it, or cannot be read: {error}"))
}

/// A layout's directory.
struct Layout(OwnedFd);

impl Layout {
    fn read(&self, path: &str, what: &'static str, limit: u64) -> Result<Vec<u8>, ImageError> {
        let bytes = read_below(&self.0, path, false, limit).map_err(|error| missing(what, &error))?;
        bytes.ok_or_else(|| ImageError::TooLarge { what: format!("the size of {what}, in bytes,"), limit })
    }

    fn path(digest: &Digest) -> String {
        format!("blobs/sha256/{}", digest.hex())
    }
}

impl Blobs for Layout {
    async fn document(&self, entry: &Descriptor, document: Document) -> Result<Vec<u8>, ImageError> {
        let what = document.name();
        let bytes = self.read(&Self::path(&entry.digest), what, document.limit())?;
        verify(what, entry, Digest::of(&bytes), bytes.len() as u64)?;
        Ok(bytes)
    }

    async fn layer(&self, entry: &Descriptor, _: &Incoming, progress: Progress<'_>) -> Result<File, ImageError> {
        let what = progress.what();
        let (file, _) =
            open_below(&self.0, &Self::path(&entry.digest), false).map_err(|error| missing(&what, &error))?;
        let (file, digest, bytes) = on_blocking_thread(move || {
            let mut file = file;
            let hashed = Digest::of_stream(&mut file).and_then(|hashed| file.rewind().map(|()| hashed));
            let (digest, bytes) = hashed.map_err(ImageError::file("read", "the layer"))?;
            Ok((file, digest, bytes))
        })
        .await?;
        verify(&what, entry, digest, bytes)?;
        Ok(file)
    }
}

/// Whether bytes are those that an entry speaks of.
pub(crate) fn verify(what: &str, entry: &Descriptor, digest: Digest, bytes: u64) -> Result<(), ImageError> {
    if digest != entry.digest {
        return Err(ImageError::Mismatch { what: what.to_owned(), expected: entry.digest, found: digest });
    }
    if bytes != entry.size {
        let problem = format!("{what} has {bytes} bytes, but the image says {}", entry.size);
        return Err(ImageError::NotAnImage(problem));
    }
    Ok(())
}

/// Does blocking work on a thread that may block.
pub(crate) async fn on_blocking_thread<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, ImageError> + Send + 'static,
) -> Result<T, ImageError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(_) => Err(ImageError::Stopped),
        },
    }
}
