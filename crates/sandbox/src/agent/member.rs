//! One file out of an archive, without unpacking it.

use std::io::{Read, Seek, SeekFrom, Write};

use super::archive::{Archive, Kind};
use super::content::{WRITING, write_zeros};
use super::gzip::Gunzip;
use super::name::{normalize, resolve};
use super::problem::Step;
use super::{ArchiveLimits, Problem, Refusal};

/// Links followed one after the other, as many as the kernel follows (`path_resolution(7)`).
const MAX_LINKS: u32 = 40;

/// A file up to this many bytes is kept when it is found, so that the archive is not decompressed a second time.
const MAX_KEPT_BYTES: u64 = 1 << 20;

/// A file in an archive, not yet written anywhere.
#[derive(Debug)]
pub struct FoundMember<'a, R> {
    reader: &'a mut R,
    limits: ArchiveLimits,
    index: u64,
    size: u64,
    kept: Option<Vec<u8>>,
}

/// A member under the wanted name.
struct Candidate {
    index: u64,
    kind: Kind,
    size: u64,
    link: Vec<u8>,
    kept: Option<Vec<u8>>,
}

/// Finds a file in a gzip-compressed tar.
///
/// `name` is compared, byte for byte, to the members' names in their canonical form (`a/b` for `./a//b` and, if it is a
/// directory, for `a/b/`). The last member of a name counts. Links are resolved by names, inside of the archive: a symbolic link from
/// its directory, a hard link to the last member of that name before it.
///
/// # Errors
///
/// [`Refusal::NotFound`] (a link that dangles, leaves or leads in a circle included), [`Refusal::NotAFile`]; those of the archive as
/// for unpacking, except that members with impossible names or kinds do not matter; [`Problem::Failed`] when reading or rewinding fails.
pub fn find_member<'a, R: Read + Seek>(
    reader: &'a mut R,
    name: &str,
    limits: &ArchiveLimits,
) -> Result<FoundMember<'a, R>, Problem> {
    let mut wanted = name.as_bytes().to_vec();
    let mut before = u64::MAX;
    for _ in 0..=MAX_LINKS {
        if wanted.is_empty() {
            break;
        }
        let Some(candidate) = find(reader, &wanted, before, limits)? else {
            break;
        };
        match candidate.kind {
            Kind::File => {
                return Ok(FoundMember {
                    reader,
                    limits: *limits,
                    index: candidate.index,
                    size: candidate.size,
                    kept: candidate.kept,
                });
            }
            Kind::Directory | Kind::Fifo | Kind::Other => return Err(Refusal::NotAFile.into()),
            Kind::Symlink => {
                let Some(target) = resolve(&wanted, &candidate.link) else {
                    break;
                };
                if target.is_empty() {
                    return Err(Refusal::NotAFile.into());
                }
                (wanted, before) = (target, u64::MAX);
            }
            Kind::HardLink => {
                let Ok(target) = normalize(&candidate.link) else {
                    break;
                };
                (wanted, before) = (target, candidate.index);
            }
        }
    }
    Err(Refusal::NotFound.into())
}

/// The last member of a name among the first `before` ones.
fn find<R: Read + Seek>(
    reader: &mut R,
    wanted: &[u8],
    before: u64,
    limits: &ArchiveLimits,
) -> Result<Option<Candidate>, Problem> {
    let mut archive = rewind(reader, limits)?;
    let mut found = None;
    for index in 0..before {
        let Some(member) = archive.next_member()? else {
            break;
        };
        if normalize(&member.name).is_ok_and(|name| name == wanted) {
            let mut kept = None;
            if member.kind == Kind::File && member.size <= MAX_KEPT_BYTES {
                write_content(&mut archive, member.size, kept.insert(Vec::new()))?;
            }
            found = Some(Candidate { index, kind: member.kind, size: member.size, link: member.link, kept });
        }
    }
    Ok(found)
}

fn rewind<'a, R: Read + Seek>(
    reader: &'a mut R,
    limits: &ArchiveLimits,
) -> Result<Archive<Gunzip<&'a mut R>>, Problem> {
    reader.seek(SeekFrom::Start(0)).step(|| "rewinding the archive")?;
    Archive::open(reader, *limits)
}

/// Writes the current member, with zeros for its holes.
fn write_content<R: Read>(archive: &mut Archive<R>, size: u64, output: &mut impl Write) -> Result<(), Problem> {
    let mut end = 0;
    while let Some(chunk) = archive.next_chunk()? {
        write_zeros(chunk.offset - end, output)?;
        output.write_all(chunk.bytes).step(|| WRITING)?;
        end = chunk.offset + chunk.bytes.len() as u64;
    }
    write_zeros(size - end, output)
}

impl<R: Read + Seek> FoundMember<'_, R> {
    /// Its size in bytes.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// Writes exactly as many bytes.
    ///
    /// # Errors
    ///
    /// [`Problem::Failed`] when reading or writing fails; a refusal when the archive is not the one that was searched.
    pub fn write_to(self, output: &mut impl Write) -> Result<(), Problem> {
        if let Some(kept) = self.kept {
            return output.write_all(&kept).step(|| WRITING);
        }
        let mut archive = rewind(self.reader, &self.limits)?;
        let mut member = None;
        for _ in 0..=self.index {
            member = archive.next_member()?;
        }
        match member {
            Some(member) if member.size == self.size => write_content(&mut archive, self.size, output),
            _ => Err(Problem::not_an_archive("it changed while it was read")),
        }
    }
}
