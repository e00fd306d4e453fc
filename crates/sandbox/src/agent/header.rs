//! The 512-byte header of a tar member: ustar (POSIX.1-1988), its GNU and its older form, and the numbers in them.

/// Size of a tar block in bytes: headers are one block, contents are padded to whole ones.
pub(super) const BLOCK: usize = 512;

/// The same for sizes.
pub(super) const BLOCK_BYTES: u64 = 512;

/// One block as an array.
pub(super) type Block = [u8; BLOCK];

// Where the fields are (POSIX.1-2017, pax, "ustar Interchange Format").
const NAME: std::ops::Range<usize> = 0..100;
const MODE: std::ops::Range<usize> = 100..108;
const UID: std::ops::Range<usize> = 108..116;
const GID: std::ops::Range<usize> = 116..124;
const SIZE: std::ops::Range<usize> = 124..136;
const MTIME: std::ops::Range<usize> = 136..148;
const CHECKSUM: std::ops::Range<usize> = 148..156;
const TYPE: usize = 156;
const LINK: std::ops::Range<usize> = 157..257;
const MAGIC: std::ops::Range<usize> = 257..265;
const UNAME: std::ops::Range<usize> = 265..297;
const GNAME: std::ops::Range<usize> = 297..329;
const PREFIX: std::ops::Range<usize> = 345..500;

/// Magic and version of ustar and PAX. GNU's magic is followed by a space, and its prefix field means other things.
const USTAR: &[u8; 8] = b"ustar\x0000";

/// Bytes of padding after `size` bytes of content.
pub(super) const fn padding(size: u64) -> u64 {
    (BLOCK_BYTES - size % BLOCK_BYTES) % BLOCK_BYTES
}

/// The fields of a header as they stand in it.
#[derive(Debug)]
pub(super) struct Header<'a>(pub(super) &'a Block);

impl<'a> Header<'a> {
    /// Whether the checksum fits: the sum of all bytes, with spaces in place of the checksum itself.
    /// Old programs summed signed bytes, so either sum does.
    pub(super) fn is_valid(&self) -> bool {
        let Some(stored) = number(&self.0[CHECKSUM]) else {
            return false;
        };
        let (mut unsigned, mut signed) = (0_i64, 0_i64);
        for (place, &byte) in self.0.iter().enumerate() {
            let byte = if CHECKSUM.contains(&place) { b' ' } else { byte };
            unsigned += i64::from(byte);
            signed += i64::from(byte.cast_signed());
        }
        stored == unsigned || stored == signed
    }

    /// The name, with the prefix that ustar keeps apart.
    pub(super) fn name(&self) -> Vec<u8> {
        let name = text(&self.0[NAME]);
        let prefix = text(&self.0[PREFIX]);
        if self.0[MAGIC] == USTAR[..] && !prefix.is_empty() { [prefix, name].join(&b'/') } else { name.to_vec() }
    }

    /// The target of a link.
    pub(super) fn link(&self) -> &'a [u8] {
        text(&self.0[LINK])
    }

    /// What the member is.
    pub(super) const fn type_flag(&self) -> u8 {
        self.0[TYPE]
    }

    /// Permission bits; set-user-ID, set-group-ID and the sticky bit are left out.
    pub(super) fn mode(&self) -> Option<u32> {
        let mode = number(&self.0[MODE])?;
        u32::try_from(mode & 0o777).ok()
    }

    /// Bytes of content that follow.
    pub(super) fn size(&self) -> Option<u64> {
        u64::try_from(number(&self.0[SIZE])?).ok()
    }

    /// Time of last modification in seconds since 1970.
    pub(super) fn mtime(&self) -> Option<i64> {
        number(&self.0[MTIME])
    }
}

/// A number in octal digits, or in binary (GNU: first bit set, the rest is the number, big-endian, two's complement).
/// Nothing when it is neither or exceeds 63 bits.
pub(super) fn number(field: &[u8]) -> Option<i64> {
    let (&first, rest) = field.split_first()?;
    if first & 0x80 != 0 {
        // The sign is the bit below the marker.
        let start = i128::from(first & 0x7f) - if first & 0x40 != 0 { 0x80 } else { 0 };
        let value =
            rest.iter().try_fold(start, |value, &byte| value.checked_mul(256).map(|value| value + i128::from(byte)));
        return i64::try_from(value?).ok();
    }
    let digits = field.split(|&byte| byte == 0).next().unwrap_or_default().trim_ascii();
    digits.iter().try_fold(0_i64, |value, &digit| match digit {
        b'0'..=b'7' => value.checked_mul(8)?.checked_add(i64::from(digit - b'0')),
        _ => None,
    })
}

/// The bytes before the first zero.
fn text(field: &[u8]) -> &[u8] {
    field.split(|&byte| byte == 0).next().unwrap_or_default()
}

/// What is written into a header.
#[derive(Debug, Clone)]
pub(super) struct Fields<'a> {
    pub(super) name: &'a [u8],
    pub(super) link: &'a [u8],
    pub(super) type_flag: u8,
    pub(super) mode: u32,
    pub(super) uid: u64,
    pub(super) gid: u64,
    pub(super) user: &'a str,
    pub(super) group: &'a str,
    pub(super) size: u64,
    pub(super) mtime: i64,
}

impl Fields<'_> {
    /// The header. What its fields cannot hold is cut (names) or zero (numbers): a PAX record tells it then.
    pub(super) fn encode(&self) -> Block {
        let mut block = [0; BLOCK];
        let (prefix, name) = split_name(self.name).unwrap_or((&[], self.name));
        put(&mut block[NAME], name);
        put(&mut block[PREFIX], prefix);
        put(&mut block[LINK], self.link);
        put(&mut block[MAGIC], USTAR);
        put(&mut block[UNAME], self.user.as_bytes());
        put(&mut block[GNAME], self.group.as_bytes());
        block[TYPE] = self.type_flag;
        put_octal(&mut block[MODE], u64::from(self.mode));
        put_octal(&mut block[UID], self.uid);
        put_octal(&mut block[GID], self.gid);
        put_octal(&mut block[SIZE], self.size);
        put_octal(&mut block[MTIME], u64::try_from(self.mtime).unwrap_or(0));
        // Six digits, a zero and a space, by tradition.
        block[CHECKSUM].fill(b' ');
        let sum = block.iter().map(|&byte| u64::from(byte)).sum();
        put_octal(&mut block[CHECKSUM.start..CHECKSUM.end - 1], sum);
        block
    }
}

/// Whether a number fits the digits of a field of this many bytes.
pub(super) const fn fits_octal(number: u64, field: usize) -> bool {
    number < 1 << (3 * (field - 1))
}

/// Bytes in the fields for user and group ids.
pub(super) const ID_FIELD: usize = 8;
/// Bytes in the fields for sizes and times.
pub(super) const SIZE_FIELD: usize = 12;
/// Bytes in the field for a link's target.
pub(super) const LINK_FIELD: usize = 100;

/// A name as prefix and name of ustar; nothing when it does not fit.
pub(super) fn split_name(name: &[u8]) -> Option<(&[u8], &[u8])> {
    if name.len() <= NAME.len() {
        return Some((&[], name));
    }
    // The first slash that leaves a short enough name leaves the shortest prefix. A directory's last slash is no separator.
    let from = name.len() - NAME.len() - 1;
    let slash = from + name[from..name.len() - 1].iter().position(|&byte| byte == b'/')?;
    (1..=PREFIX.len()).contains(&slash).then(|| (&name[..slash], &name[slash + 1..]))
}

fn put(field: &mut [u8], bytes: &[u8]) {
    let length = field.len().min(bytes.len());
    field[..length].copy_from_slice(&bytes[..length]);
}

fn put_octal(field: &mut [u8], number: u64) {
    let digits = field.len() - 1;
    let number = if fits_octal(number, field.len()) { number } else { 0 };
    put(field, format!("{number:0digits$o}\0").as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_in_octal_and_binary() {
        for (field, value) in [
            (&b"0000644\0"[..], Some(0o644)),
            (b"   644 \0", Some(0o644)),
            (b"\0\0\0\0", Some(0)),
            (b"        ", Some(0)),
            (b"777", Some(0o777)),
            (b"12\0garbage", Some(0o12)),
            (b"8", None),
            (b"-1", None),
            (b"777777777777777777777777", None),
            (b"\x80\0\0\0\0\0\0\x01\0\0\0\0", Some(1 << 32)),
            (b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", Some(-1)),
            (b"\x80\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff", None),
            (b"\xff\xff", Some(-1)),
            (b"", None),
        ] {
            assert_eq!(number(field), value, "{field:?}");
        }
    }

    #[test]
    fn long_names_split_at_a_slash() {
        let (long, short) = ("p".repeat(155), "n".repeat(100));
        for (name, fits) in [
            (short.clone(), true),
            (format!("{long}/{short}"), true),
            (format!("{long}p/{short}"), false),
            (format!("{long}/{short}n"), false),
            (format!("{}/", "d".repeat(100)), false),
            (format!("/{short}"), false),
            ("x".repeat(101), false),
        ] {
            let split = split_name(name.as_bytes());
            assert_eq!(split.is_some(), fits, "{name}");
            if let Some((prefix, rest)) = split.filter(|(prefix, _)| !prefix.is_empty()) {
                assert_eq!([prefix, rest].join(&b'/'), name.as_bytes());
            }
        }
    }

    #[test]
    fn a_header_reads_as_it_was_written() {
        let name = format!("{}/{}", "p".repeat(120), "n".repeat(90));
        let fields = Fields {
            name: name.as_bytes(),
            link: b"target",
            type_flag: b'2',
            mode: 0o640,
            uid: 1000,
            gid: 1 << 30,
            user: "student",
            group: "",
            size: 0o7777,
            mtime: 1_234_567_890,
        };
        let mut block = fields.encode();
        let header = Header(&block);
        assert!(header.is_valid());
        assert_eq!(header.name(), name.as_bytes());
        assert_eq!(header.link(), b"target");
        assert_eq!((header.mode(), header.size()), (Some(0o640), Some(0o7777)));
        assert_eq!((header.mtime(), header.type_flag()), (Some(1_234_567_890), b'2'));
        block[3] ^= 1;
        assert!(!Header(&block).is_valid());
    }
}
