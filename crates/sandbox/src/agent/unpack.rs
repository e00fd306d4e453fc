//! Unpacking into a directory, over what is there, and never outside of it.

use std::collections::BTreeMap;
use std::io::Read;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::rc::Rc;

use rustix::fs::{AtFlags, FileType, Mode, OFlags, Stat, Timespec, Timestamps, UTIME_OMIT};
use rustix::io::Errno;

use super::archive::{Archive, Kind, Member};
use super::name::{normalize, shown, split};
use super::problem::Step;
use super::tree::{self, OWNER_ALL, open_beneath};
use super::{ArchiveLimits, Done, Problem, Refusal};

/// Mode of directories that no member describes, before the umask.
const IMPLIED_DIRECTORY_MODE: u32 = 0o755;

/// Descriptors of directories that only serve to reach what is in them.
const REACH: OFlags = OFlags::PATH.union(OFlags::DIRECTORY);

/// Unpacks a gzip-compressed tar (ustar, GNU, PAX; sparse files too) into a directory.
///
/// Members replace what is there under their names; a directory over a directory merges. Nothing is ever written through a link
/// that leaves `directory`, nor into a file that is there already. Owners, set-user-ID, set-group-ID and sticky bits are ignored;
/// the other mode bits and times of modification are kept. A member for the root itself is passed over. Names may be in any
/// order. After a problem, what was unpacked before stays.
///
/// Memory does not depend on the contents: it holds two buffers and what must wait for the end, the modes and times of directories.
///
/// # Errors
///
/// A [`Refusal`] for an archive that is none, too large, or asks for something outside; [`Problem::Failed`] for the system's errors.
pub fn unpack(reader: impl Read, directory: BorrowedFd<'_>, limits: &ArchiveLimits) -> Result<Done, Problem> {
    let mut archive = Archive::open(reader, *limits)?;
    let mut target = Target::new(directory, None);
    while let Some(member) = archive.next_member()? {
        let name = normalize(&member.name)?;
        if member.kind == Kind::Other {
            return Err(Refusal::UnsupportedMember(shown(&name)).into());
        }
        if !name.is_empty() {
            target.place(&mut archive, &member, &name)?;
        }
    }
    target.finish()?;
    let (entries, bytes) = archive.totals();
    Ok(Done { entries, bytes })
}

/// Where the members go.
pub(super) struct Target<'a> {
    pub(super) root: BorrowedFd<'a>,
    /// The directory that was used last, by its name: members come in groups.
    reached: Option<(Vec<u8>, Rc<OwnedFd>)>,
    /// What directories get in the end. Until then they have all permissions for their owner.
    directories: BTreeMap<Vec<u8>, Attributes>,
    /// Told of a new directory in place of a whiteout: it must hide what the whiteout hid.
    over_whiteout: Option<OverWhiteout>,
}

/// Called with a directory and a name in it.
type OverWhiteout = fn(BorrowedFd<'_>, &[u8]) -> rustix::io::Result<()>;

#[derive(Debug, Clone, Copy)]
struct Attributes {
    mode: u32,
    /// Absent for a directory that was there and that no member describes.
    mtime: Option<(i64, u32)>,
}

impl<'a> Target<'a> {
    pub(super) fn new(root: BorrowedFd<'a>, over_whiteout: Option<OverWhiteout>) -> Self {
        Self { root, reached: None, directories: BTreeMap::new(), over_whiteout }
    }
}

impl Target<'_> {
    pub(super) fn place<R: Read>(
        &mut self,
        archive: &mut Archive<R>,
        member: &Member,
        name: &[u8],
    ) -> Result<(), Problem> {
        let (above, leaf) = split(name);
        let parent = self.reach(above)?;
        let parent = parent.as_ref().map_or(self.root, |parent| parent.as_fd());
        match member.kind {
            Kind::Directory => self.make_directory(parent, leaf, member, name),
            Kind::File => self.write_file(archive, parent, leaf, member, name),
            Kind::HardLink => self.make_hard_link(parent, leaf, member, name),
            Kind::Symlink => {
                if member.link.is_empty() {
                    return Err(Problem::not_an_archive(format!("the symbolic link '{}' has no target", shown(name))));
                }
                self.replacing(parent, leaf, name, || rustix::fs::symlinkat(&*member.link, parent, leaf))?;
                set_link_time(parent, leaf, member.mtime, name)
            }
            Kind::Fifo => {
                let mode = Mode::from_raw_mode(member.mode);
                self.replacing(parent, leaf, name, || rustix::fs::mknodat(parent, leaf, FileType::Fifo, mode, 0))?;
                // The umask took its part.
                tree::set_mode(parent, leaf, member.mode).step(|| making(name))?;
                set_link_time(parent, leaf, member.mtime, name)
            }
            Kind::Other => Err(Refusal::UnsupportedMember(shown(name)).into()),
        }
    }

    fn make_directory(
        &mut self,
        parent: BorrowedFd<'_>,
        leaf: &[u8],
        member: &Member,
        name: &[u8],
    ) -> Result<(), Problem> {
        let make = || rustix::fs::mkdirat(parent, leaf, Mode::from_raw_mode(OWNER_ALL));
        match make() {
            Ok(()) => {}
            Err(Errno::EXIST) => {
                let stat = tree::stat(parent, leaf).step(|| making(name))?;
                if tree::file_type(&stat) != FileType::Directory {
                    self.remove(parent, leaf, name)?;
                    make().step(|| making(name))?;
                    self.tell_of(&stat, parent, leaf).step(|| making(name))?;
                } else if tree::permissions(&stat) & OWNER_ALL != OWNER_ALL {
                    tree::set_mode(parent, leaf, OWNER_ALL).step(|| making(name))?;
                }
            }
            Err(errno) => return Err(errno).step(|| making(name)),
        }
        let attributes = Attributes { mode: member.mode, mtime: Some(member.mtime) };
        self.directories.insert(name.to_vec(), attributes);
        Ok(())
    }

    fn write_file<R: Read>(
        &mut self,
        archive: &mut Archive<R>,
        parent: BorrowedFd<'_>,
        leaf: &[u8],
        member: &Member,
        name: &[u8],
    ) -> Result<(), Problem> {
        // Exclusively: what is there, a link above all, is replaced, never opened.
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file =
            self.replacing(parent, leaf, name, || rustix::fs::openat(parent, leaf, flags, Mode::from_raw_mode(0o600)))?;
        let mut end = 0;
        while let Some(chunk) = archive.next_chunk()? {
            let mut rest = chunk.bytes;
            end = chunk.offset;
            while !rest.is_empty() {
                match rustix::io::pwrite(&file, rest, end) {
                    Ok(written) => {
                        rest = &rest[written..];
                        end += written as u64;
                    }
                    Err(Errno::INTR) => {}
                    Err(errno) => return Err(errno).step(|| writing(name)),
                }
            }
        }
        if end < member.size {
            rustix::fs::ftruncate(&file, member.size).step(|| writing(name))?;
        }
        rustix::fs::fchmod(&file, Mode::from_raw_mode(member.mode)).step(|| writing(name))?;
        rustix::fs::futimens(&file, &modified(member.mtime)).step(|| writing(name))
    }

    fn make_hard_link(
        &mut self,
        parent: BorrowedFd<'_>,
        leaf: &[u8],
        member: &Member,
        name: &[u8],
    ) -> Result<(), Problem> {
        let target = normalize(&member.link)?;
        let missing = || {
            Problem::not_an_archive(format!(
                "the hard link '{}' has no file '{}' to link to",
                shown(name),
                shown(&target)
            ))
        };
        let (above, target_leaf) = split(&target);
        if target_leaf.is_empty() {
            return Err(missing());
        }
        let directory =
            if above.is_empty() { None } else { Some(open_beneath(self.root, above, REACH).map_err(|_| missing())?) };
        let directory = directory.as_ref().map_or(self.root, AsFd::as_fd);
        let Ok(stat) = tree::stat(directory, target_leaf) else {
            return Err(missing());
        };
        if tree::file_type(&stat) == FileType::Directory {
            return Err(missing());
        }
        // A link to itself is there already.
        if let Ok(there) = tree::stat(parent, leaf)
            && (there.st_dev, there.st_ino) == (stat.st_dev, stat.st_ino)
        {
            return Ok(());
        }
        let linked = self.replacing(parent, leaf, name, || {
            rustix::fs::linkat(directory, target_leaf, parent, leaf, AtFlags::empty())
        });
        match linked {
            // It was below the directory that the link replaced.
            Err(Problem::Failed { errno, .. }) if errno == Errno::NOENT.raw_os_error() => Err(missing()),
            result => result,
        }
    }

    /// Makes something under a name, in place of what is there.
    fn replacing<T>(
        &mut self,
        parent: BorrowedFd<'_>,
        leaf: &[u8],
        name: &[u8],
        make: impl Fn() -> rustix::io::Result<T>,
    ) -> Result<T, Problem> {
        match make() {
            Err(Errno::EXIST) => {
                self.remove(parent, leaf, name)?;
                make().step(|| making(name))
            }
            result => result.step(|| making(name)),
        }
    }

    fn remove(&mut self, parent: BorrowedFd<'_>, leaf: &[u8], name: &[u8]) -> Result<(), Problem> {
        let was_directory = tree::remove(parent, leaf).step(|| format!("replacing {}", shown(name)))?;
        // The directory at hand may have been reached through what is gone.
        self.reached = None;
        if was_directory {
            self.forget(name);
        }
        Ok(())
    }

    /// What was noted of a directory and of those below it no longer counts.
    fn forget(&mut self, name: &[u8]) {
        self.directories.remove(name);
        let below = [name, b"/"].concat();
        let from = self.directories.range(below.clone()..).map(|(name, _)| name);
        let gone: Vec<_> = from.take_while(|name| name.starts_with(&below)).cloned().collect();
        for name in gone {
            self.directories.remove(&name);
        }
    }

    /// After a directory was made where something else was.
    fn tell_of(&self, former: &Stat, parent: BorrowedFd<'_>, leaf: &[u8]) -> rustix::io::Result<()> {
        match self.over_whiteout {
            Some(tell) if tree::is_whiteout(former) => tell(parent, leaf),
            _ => Ok(()),
        }
    }

    /// The directory of this name, made if it is missing; nothing for the root.
    pub(super) fn reach(&mut self, name: &[u8]) -> Result<Option<Rc<OwnedFd>>, Problem> {
        if name.is_empty() {
            return Ok(None);
        }
        if let Some((reached, directory)) = &self.reached
            && reached == name
        {
            return Ok(Some(Rc::clone(directory)));
        }
        let directory = match open_beneath(self.root, name, REACH) {
            Ok(directory) if is_open_to_owner(&directory) => directory,
            _ => self.reach_step_by_step(name)?,
        };
        let directory = Rc::new(directory);
        self.reached = Some((name.to_vec(), Rc::clone(&directory)));
        Ok(Some(directory))
    }

    fn reach_step_by_step(&mut self, name: &[u8]) -> Result<OwnedFd, Problem> {
        let mut above: Option<OwnedFd> = None;
        let mut start = 0;
        loop {
            let end = name[start..].iter().position(|&byte| byte == b'/').map_or(name.len(), |slash| start + slash);
            let (path, leaf) = (&name[..end], &name[start..end]);
            let step = || making(path);
            let parent = above.as_ref().map_or(self.root, AsFd::as_fd);
            let directory = match open_beneath(self.root, path, REACH) {
                Ok(directory) => directory,
                // Missing, a file, or a link that leaves, dangles or leads in a circle.
                Err(Errno::NOENT | Errno::NOTDIR | Errno::XDEV | Errno::LOOP) => {
                    let former = tree::stat(parent, leaf).ok();
                    match tree::remove(parent, leaf) {
                        Ok(_) | Err(Errno::NOENT) => self.reached = None,
                        Err(errno) => return Err(errno).step(step),
                    }
                    rustix::fs::mkdirat(parent, leaf, Mode::from_raw_mode(IMPLIED_DIRECTORY_MODE)).step(step)?;
                    if let Some(former) = former {
                        self.tell_of(&former, parent, leaf).step(step)?;
                    }
                    open_beneath(self.root, path, REACH).step(step)?
                }
                Err(errno) => return Err(errno).step(step),
            };
            if !is_open_to_owner(&directory) {
                let stat = rustix::fs::fstat(&directory).step(step)?;
                // Through a link, if it is one: to the directory that was just reached.
                tree::set_mode(parent, leaf, tree::permissions(&stat) | OWNER_ALL).step(step)?;
                self.directories
                    .entry(path.to_vec())
                    .or_insert(Attributes { mode: tree::permissions(&stat), mtime: None });
            }
            if end == name.len() {
                return Ok(directory);
            }
            above = Some(directory);
            start = end + 1;
        }
    }

    /// Gives directories their modes and times, now that everything is in them.
    pub(super) fn finish(self) -> Result<(), Problem> {
        let mut closed = Vec::new();
        for (name, attributes) in &self.directories {
            let Some(directory) = self.reopen(name)? else {
                continue;
            };
            if let Some(mtime) = attributes.mtime {
                rustix::fs::futimens(&directory, &modified(mtime)).step(|| making(name))?;
            }
            if attributes.mode & OWNER_ALL == OWNER_ALL {
                rustix::fs::fchmod(&directory, Mode::from_raw_mode(attributes.mode)).step(|| making(name))?;
            } else {
                closed.push((name, attributes.mode));
            }
        }
        // Those that lock even us out come last, the deepest first.
        closed.sort_by_key(|(name, _)| std::cmp::Reverse(name.iter().filter(|&&byte| byte == b'/').count()));
        for (name, mode) in closed {
            if let Some(directory) = self.reopen(name)? {
                rustix::fs::fchmod(&directory, Mode::from_raw_mode(mode)).step(|| making(name))?;
            }
        }
        Ok(())
    }

    /// The directory of this name. Nothing when a later member put something else in its place, or when it lies, by way of a
    /// link, below one that is closed already.
    fn reopen(&self, name: &[u8]) -> Result<Option<OwnedFd>, Problem> {
        match open_beneath(self.root, name, OFlags::RDONLY | OFlags::DIRECTORY) {
            Ok(directory) => Ok(Some(directory)),
            Err(Errno::NOENT | Errno::NOTDIR | Errno::XDEV | Errno::LOOP | Errno::ACCESS) => Ok(None),
            Err(errno) => Err(errno).step(|| making(name)),
        }
    }
}

fn is_open_to_owner(directory: &OwnedFd) -> bool {
    rustix::fs::fstat(directory).is_ok_and(|stat| tree::permissions(&stat) & OWNER_ALL == OWNER_ALL)
}

fn set_link_time(parent: BorrowedFd<'_>, leaf: &[u8], mtime: (i64, u32), name: &[u8]) -> Result<(), Problem> {
    rustix::fs::utimensat(parent, leaf, &modified(mtime), AtFlags::SYMLINK_NOFOLLOW).step(|| making(name))
}

fn modified((seconds, nanoseconds): (i64, u32)) -> Timestamps {
    Timestamps {
        last_access: Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT },
        last_modification: Timespec { tv_sec: seconds, tv_nsec: nanoseconds.into() },
    }
}

pub(super) fn making(name: &[u8]) -> String {
    format!("making {}", shown(name))
}

fn writing(name: &[u8]) -> String {
    format!("writing {}", shown(name))
}
