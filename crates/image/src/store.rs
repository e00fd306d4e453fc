//! Where images are: records by name, layers by digest, and what is on its way.

use std::collections::BTreeSet;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use belljar_sandbox::Rootfs;
use rustix::fs::{CWD, FlockOperation, Gid, Mode, OFlags, Uid, flock};
use rustix::io::Errno;

use crate::files::{self, make_directory, names, open_directory, read_below, remove_all, sync_directory, write_new};
use crate::limits::MAX_RECORD_BYTES;
use crate::record::{Image, LayerRecord, VERSION};
use crate::{Digest, ImageError, ImageName};

/// Below the data directory.
const IMAGES: &str = "images";
/// Records of images, by name.
const NAMES: &str = "names";
/// Layers that are complete, by digest.
const LAYERS: &str = "layers";
/// What is on its way in, or on its way out.
const INCOMING: &str = "incoming";
const LOCK: &str = "lock";
/// In a layer's directory: its files, and what is known of it.
const TREE: &str = "tree";
const RECORD: &str = "layer.json";
/// In a data directory that belljar has not used yet these may be.
const HARMLESS: [&str; 3] = ["lost+found", "libraries", IMAGES];

/// The user and group that all files of layers belong to when we are root: above all that sandboxes are mapped to
/// (0x70000000 and 2^30 more), so that it is nobody's, and no set-user-id file could mean anything.
const OWNER: u32 = 0xb000_0000;

/// The images of a data directory. Copies are the same ones, and so are those of other processes: what changes something takes
/// turns by a lock on a file, and what uses an image keeps a lock on each of its layers.
///
/// | entry of `images/` | holds |
/// | --- | --- |
/// | `lock` | nothing; locked (`flock(2)`) shared by who looks, exclusively by who changes names, for moments |
/// | `names/` | a record in JSON for each image |
/// | `layers/` | a directory for each layer, named by the SHA-256 of its tar: `tree` and `layer.json`; locked shared while in use |
/// | `incoming/` | what is not complete yet, or being removed; each locked by its process, removed by the next one if that is gone |
///
/// The data directory may belong to another user than root, because a server that root starts becomes that user. Whoever that is could
/// put anything in the place of `images` at any moment. So root opens it once, looks whose it is, and then goes by the open
/// directory only; what is in it belongs to root and nobody else can change it.
#[derive(Debug, Clone)]
pub struct Images(Arc<Place>);

#[derive(Debug)]
struct Place {
    /// As it was named.
    path: PathBuf,
    /// Opened by root.
    held: OnceLock<OwnedFd>,
}

impl Place {
    /// A path to it that nobody else can lead elsewhere, for this process and for those of root that it asks.
    fn path(&self) -> PathBuf {
        match self.held.get() {
            Some(held) => PathBuf::from(format!("/proc/{}/fd/{}", std::process::id(), held.as_raw_fd())),
            None => self.path.clone(),
        }
    }

    fn join(&self, name: impl AsRef<Path>) -> PathBuf {
        self.path().join(name)
    }

    /// Opens it, as root; says whether it is there.
    fn reach(&self) -> Result<bool, ImageError> {
        if !rustix::process::geteuid().is_root() || self.held.get().is_some() {
            return Ok(true);
        }
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let held = match rustix::fs::openat(CWD, &self.path, flags, Mode::empty()) {
            Err(Errno::NOENT) => return Ok(false),
            held => held.map_err(ImageError::errno("open", &self.path))?,
        };
        let found = rustix::fs::fstat(&held).map_err(ImageError::errno("look at", &self.path))?;
        if found.st_uid != 0 || found.st_mode & 0o022 != 0 {
            return Err(ImageError::NotRoots { path: self.path.clone(), user: found.st_uid });
        }
        // Another thread's is the same one, or is as good.
        let _ = self.held.set(held);
        Ok(true)
    }
}

/// An image in use: as long as this value lives, nobody removes its layers.
#[derive(Debug)]
pub struct OpenImage {
    image: Image,
    /// The layers that show, the lowest first.
    layers: Vec<Digest>,
    images: Images,
    _locks: Vec<OwnedFd>,
}

impl OpenImage {
    /// What is known of it.
    #[must_use]
    pub const fn image(&self) -> &Image {
        &self.image
    }

    /// The root directory for a policy, by the names of its layers: for who gives privileges away, and whose launcher makes sure of
    /// the way there before.
    #[must_use]
    pub fn rootfs(&self) -> Rootfs {
        self.below(&self.images.0.path)
    }

    /// The same for sandboxes that this process, or a launcher of its own rights, makes while this value lives.
    #[must_use]
    pub fn rootfs_here(&self) -> Rootfs {
        self.below(&self.images.0.path())
    }

    fn below(&self, images: &Path) -> Rootfs {
        Rootfs::Layers(self.layers.iter().map(|layer| images.join(LAYERS).join(layer.hex()).join(TREE)).collect())
    }
}

/// What removing an image did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Removed {
    /// Layers that no image needs any more and that are gone.
    pub layers: u64,
    /// Bytes of the files in them.
    pub bytes: u64,
    /// Layers that no image needs but a running sandbox: the next change of images after its end removes them.
    pub in_use: u64,
}

/// A layer that is there, held.
#[derive(Debug)]
pub(crate) struct HeldLayer {
    pub(crate) record: LayerRecord,
    _lock: OwnedFd,
}

impl Images {
    /// The images of a data directory, which need not be there. Nothing is read or made yet.
    #[must_use]
    pub fn of(data_directory: impl AsRef<Path>) -> Self {
        // Overlayfs and id maps are asked for by the launcher, whose current directory may be another.
        let absolute = std::path::absolute(&data_directory).unwrap_or_else(|_| data_directory.as_ref().to_owned());
        Self(Arc::new(Place { path: absolute.join(IMAGES), held: OnceLock::new() }))
    }

    /// All images, by name.
    ///
    /// # Errors
    ///
    /// They cannot be read.
    pub fn list(&self) -> Result<Vec<Image>, ImageError> {
        let _lock = self.lock(FlockOperation::LockShared)?;
        self.names()?.iter().map(|name| self.read(name)).collect()
    }

    /// What is known of an image.
    ///
    /// # Errors
    ///
    /// [`ImageError::Unknown`] names those that there are.
    pub fn get(&self, name: &ImageName) -> Result<Image, ImageError> {
        let _lock = self.lock(FlockOperation::LockShared)?;
        self.read(name)
    }

    /// An image to be used.
    ///
    /// # Errors
    ///
    /// Those of [`Images::get`]; a layer is missing.
    pub fn open(&self, name: &ImageName) -> Result<OpenImage, ImageError> {
        // Between the record and the locks nobody may remove the layers.
        let _lock = self.lock(FlockOperation::LockShared)?;
        let image = self.read(name)?;
        let shown = image.layers.get(image.hidden..).unwrap_or_default();
        let (mut layers, mut locks) = (Vec::with_capacity(shown.len()), Vec::with_capacity(shown.len()));
        for (index, layer) in shown.iter().enumerate() {
            // Of a layer that comes again further up nothing shows that does not show there (empty ones are like that).
            if shown[index + 1..].contains(layer) {
                continue;
            }
            let path = self.layer(layer);
            let directory = open_directory(&path)?;
            flock(&directory, FlockOperation::LockShared).map_err(ImageError::errno("lock", &path))?;
            locks.push(directory);
            layers.push(*layer);
        }
        Ok(OpenImage { image, layers, images: self.clone(), _locks: locks })
    }

    /// Removes an image, and the layers that neither another image nor a sandbox needs.
    ///
    /// # Errors
    ///
    /// Those of [`Images::get`]; something cannot be removed.
    pub fn remove(&self, name: &ImageName) -> Result<Removed, ImageError> {
        let Some(lock) = self.lock(FlockOperation::LockExclusive)? else {
            return Err(ImageError::Unknown { name: name.clone(), known: Vec::new() });
        };
        let path = self.0.join(NAMES).join(name.file_name());
        match fs::remove_file(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(self.unknown(name)),
            result => result.map_err(ImageError::file("remove", &path))?,
        }
        sync_directory(&self.0.join(NAMES))?;
        self.clean(lock)
    }

    /// Removes what killed processes left half done, and layers that nothing needs any more.
    ///
    /// # Errors
    ///
    /// Something cannot be removed.
    pub fn sweep(&self) -> Result<Removed, ImageError> {
        match self.lock(FlockOperation::LockExclusive)? {
            Some(lock) => self.clean(lock),
            None => Ok(Removed::default()),
        }
    }

    /// A place for what is not complete yet.
    pub(crate) fn begin(&self) -> Result<Incoming, ImageError> {
        self.prepare()?;
        // Shared, so that nobody takes a directory that is not locked yet for one that was left.
        let _lock = self.lock(FlockOperation::LockShared)?;
        let parent = self.0.join(INCOMING);
        let place = tempfile::Builder::new().prefix("import-").tempdir_in(&parent);
        let path = place.map_err(ImageError::file("make a directory in", &parent))?.keep();
        let incoming = Incoming { lock: open_directory(&path)?, path };
        flock(&incoming.lock, FlockOperation::LockExclusive).map_err(ImageError::errno("lock", &incoming.path))?;
        Ok(incoming)
    }

    /// A layer that is there already; nobody removes it while it is held.
    pub(crate) fn hold(&self, digest: &Digest) -> Result<Option<HeldLayer>, ImageError> {
        let _lock = self.lock(FlockOperation::LockShared)?;
        let path = self.layer(digest);
        let directory = match open_directory(&path) {
            Err(ImageError::File { source, .. }) if source.kind() == io::ErrorKind::NotFound => return Ok(None),
            directory => directory?,
        };
        flock(&directory, FlockOperation::LockShared).map_err(ImageError::errno("lock", &path))?;
        let record = read_record(&directory, RECORD, &path.join(RECORD))?;
        Ok(Some(HeldLayer { record, _lock: directory }))
    }

    /// Gives complete layers and an image their names. All other layers of the image must be held.
    pub(crate) fn commit(&self, incoming: &Incoming, new: &[NewLayer], image: &Image) -> Result<(), ImageError> {
        let record = serde_json::to_vec_pretty(image).map_err(|error| {
            let path = self.0.join(NAMES).join(image.name.file_name());
            ImageError::record(path, error.to_string())
        })?;
        let path = incoming.path.join("image.json");
        write_new(&path, &record)?;
        let Some(lock) = self.lock(FlockOperation::LockExclusive)? else {
            return Err(ImageError::File {
                step: "find",
                path: self.0.path.clone(),
                source: io::ErrorKind::NotFound.into(),
            });
        };
        for layer in new {
            let target = self.layer(&layer.digest);
            // Another process may have been quicker with the same one.
            if !target.exists() {
                fs::rename(&layer.path, &target).map_err(ImageError::file("rename", &layer.path))?;
            }
        }
        sync_directory(&self.0.join(LAYERS))?;
        let target = self.0.join(NAMES).join(image.name.file_name());
        fs::rename(&path, &target).map_err(ImageError::file("rename", &path))?;
        sync_directory(&self.0.join(NAMES))?;
        // What the image of this name was before may have had layers of its own.
        self.clean(lock).map(drop)
    }

    fn layer(&self, digest: &Digest) -> PathBuf {
        self.0.join(LAYERS).join(digest.hex())
    }

    fn names(&self) -> Result<Vec<ImageName>, ImageError> {
        let files = names(&self.0.join(NAMES))?;
        Ok(files.iter().filter_map(|file| ImageName::from_file_name(file.as_ref())).collect())
    }

    fn read(&self, name: &ImageName) -> Result<Image, ImageError> {
        let path = self.0.join(NAMES);
        let directory = match open_directory(&path) {
            Err(ImageError::File { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                return Err(self.unknown(name));
            }
            directory => directory?,
        };
        let file = name.file_name();
        let image: Image = match read_record(&directory, &file, &path.join(&file)) {
            Err(ImageError::File { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                return Err(self.unknown(name));
            }
            image => image?,
        };
        if image.version != VERSION {
            let problem = format!("version {}, this program knows {VERSION}", image.version);
            return Err(ImageError::record(path.join(file), problem));
        }
        Ok(image)
    }

    fn unknown(&self, name: &ImageName) -> ImageError {
        ImageError::Unknown { name: name.clone(), known: self.names().unwrap_or_default() }
    }

    /// The lock; nothing where there are no images at all.
    fn lock(&self, operation: FlockOperation) -> Result<Option<File>, ImageError> {
        if !self.0.reach()? {
            return Ok(None);
        }
        let path = self.0.join(LOCK);
        let file = match File::open(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            file => file.map_err(ImageError::file("open", &path))?,
        };
        flock(&file, operation).map_err(ImageError::errno("lock", &path))?;
        Ok(Some(file))
    }

    /// Makes what is missing. The data directory is for this user alone, so what is in it need not be: a server that has given up
    /// being root reads it as well.
    fn prepare(&self) -> Result<(), ImageError> {
        let Some(data) = self.0.path.parent() else {
            return Err(ImageError::Foreign { path: self.0.path.clone() });
        };
        DirBuilder::new().recursive(true).mode(0o700).create(data).map_err(ImageError::file("make directory", data))?;
        let there = names(data)?;
        let harmless = there.iter().all(|name| HARMLESS.contains(&name.as_str()));
        if !harmless && !there.iter().any(|name| name == LOCK) {
            return Err(ImageError::Foreign { path: data.to_owned() });
        }
        make_directory(&self.0.path, 0o755)?;
        self.0.reach()?;
        for name in [NAMES, LAYERS, INCOMING] {
            make_directory(&self.0.join(name), 0o755)?;
        }
        let path = self.0.join(LOCK);
        let lock = OpenOptions::new().write(true).create(true).truncate(false).mode(0o644).open(&path);
        lock.map(drop).map_err(ImageError::file("make", &path))
    }

    /// Takes what nobody needs out of the way, and removes it when the lock is given back: that may take long.
    fn clean(&self, lock: File) -> Result<Removed, ImageError> {
        let mut removed = Removed::default();
        let mut left = Vec::new();
        let incoming = self.0.join(INCOMING);
        for name in names(&incoming)? {
            let path = incoming.join(name);
            match try_lock(&path)? {
                Some(held) => left.push((path, held)),
                None => continue,
            }
        }
        // An image whose record cannot be read may need any of them.
        let images: Result<Vec<Image>, ImageError> = self.names()?.iter().map(|name| self.read(name)).collect();
        if let Ok(images) = images {
            let needed: BTreeSet<String> = images.iter().flat_map(|image| &image.layers).map(Digest::hex).collect();
            for name in names(&self.0.join(LAYERS))?.into_iter().filter(|name| !needed.contains(name)) {
                let path = self.0.join(LAYERS).join(&name);
                let Some(held) = try_lock(&path)? else {
                    removed.in_use += 1;
                    continue;
                };
                let record: Result<LayerRecord, ImageError> = read_record(&held, RECORD, &path.join(RECORD));
                removed.layers += 1;
                removed.bytes += record.map_or(0, |record| record.bytes);
                let away = incoming.join(format!("{name}.{}", std::process::id()));
                fs::rename(&path, &away).map_err(ImageError::file("rename", &path))?;
                left.push((away, held));
            }
        }
        drop(lock);
        for (path, _held) in left {
            remove_all(&path)?;
        }
        Ok(removed)
    }
}

/// Locks a directory that nobody else has locked.
fn try_lock(path: &Path) -> Result<Option<OwnedFd>, ImageError> {
    let directory = match open_directory(path) {
        // Somebody else has just removed it.
        Err(ImageError::File { source, .. }) if source.kind() == io::ErrorKind::NotFound => return Ok(None),
        directory => directory?,
    };
    match flock(&directory, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(Some(directory)),
        Err(Errno::WOULDBLOCK) => Ok(None),
        Err(errno) => Err(ImageError::errno("lock", path)(errno)),
    }
}

fn read_record<T: serde::de::DeserializeOwned>(directory: &OwnedFd, name: &str, path: &Path) -> Result<T, ImageError> {
    let problem = |problem: String| ImageError::record(path, problem);
    let bytes = read_below(directory, name, false, MAX_RECORD_BYTES).map_err(ImageError::file("read", path))?;
    let bytes = bytes.ok_or_else(|| problem("it is too long".to_owned()))?;
    serde_json::from_slice(&bytes).map_err(|error| problem(error.to_string()))
}

/// A directory for what is not complete yet. Removed with all that is left in it.
#[derive(Debug)]
pub(crate) struct Incoming {
    path: PathBuf,
    lock: OwnedFd,
}

/// A layer that is complete, under a name that only its process knows.
#[derive(Debug)]
pub(crate) struct NewLayer {
    pub(crate) digest: Digest,
    pub(crate) record: LayerRecord,
    path: PathBuf,
}

/// A layer that is about to be unpacked.
#[derive(Debug)]
pub(crate) struct LayerPlace {
    path: PathBuf,
}

impl Incoming {
    /// A new file in it.
    pub(crate) fn file(&self) -> Result<File, ImageError> {
        tempfile::tempfile_in(&self.path).map_err(ImageError::file("make a file in", &self.path))
    }

    /// A place for a layer, numbered by the caller.
    pub(crate) fn place(&self, number: usize) -> Result<LayerPlace, ImageError> {
        let place = LayerPlace { path: self.path.join(number.to_string()) };
        make_directory(&place.path, 0o755)?;
        let tree = place.tree();
        make_directory(&tree, 0o755)?;
        if rustix::process::geteuid().is_root() {
            let (uid, gid) = (Uid::from_raw(OWNER), Gid::from_raw(OWNER));
            rustix::fs::chown(&tree, Some(uid), Some(gid)).map_err(ImageError::errno("give away", &tree))?;
        }
        Ok(place)
    }
}

impl Drop for Incoming {
    fn drop(&mut self) {
        // What cannot be removed now, the next sweep tries again.
        if let Err(error) = remove_all(&self.path) {
            tracing::debug!(%error, "an import's remains stay");
        }
    }
}

impl LayerPlace {
    /// The empty directory to unpack into.
    pub(crate) fn tree(&self) -> PathBuf {
        self.path.join(TREE)
    }

    /// Makes what was unpacked durable; nothing may write to it any more.
    pub(crate) fn complete(self, digest: Digest, record: LayerRecord) -> Result<NewLayer, ImageError> {
        let tree = files::open_directory(&self.tree())?;
        rustix::fs::syncfs(&tree).map_err(ImageError::errno("sync", self.tree()))?;
        let path = self.path.join(RECORD);
        let json = serde_json::to_vec(&record).map_err(|error| ImageError::record(&path, error.to_string()))?;
        write_new(&path, &json)?;
        sync_directory(&self.path)?;
        Ok(NewLayer { digest, record, path: self.path })
    }
}
