//! Maps of sparse files: where the stored bytes belong (GNU tar manual, "Storing Sparse Files").

use super::header::{BLOCK, BLOCK_BYTES, Block, number as field_number};

/// A run of stored bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Segment {
    /// Where it begins in the file.
    pub(super) offset: u64,
    /// Its bytes.
    pub(super) length: u64,
}

/// A decimal number without a sign.
pub(super) fn number(text: &[u8]) -> Option<u64> {
    if text.is_empty() {
        return None;
    }
    text.iter().try_fold(0_u64, |value, digit| match digit {
        b'0'..=b'9' => value.checked_mul(10)?.checked_add(u64::from(digit - b'0')),
        _ => None,
    })
}

/// Whether a map is in order, inside of a file of this size, and accounts for all stored bytes.
pub(super) fn is_sound(map: &[Segment], stored: u64, size: u64) -> bool {
    let (mut end, mut sum) = (0_u64, 0_u64);
    for segment in map {
        let Some(next) = segment.offset.checked_add(segment.length) else {
            return false;
        };
        if segment.offset < end || next > size {
            return false;
        }
        end = next;
        // Below `size`, since segments do not overlap.
        sum += segment.length;
    }
    sum == stored
}

/// The old GNU format: four segments and the real size in the header, more segments in blocks behind it.
#[derive(Debug)]
pub(super) struct OldMap {
    pub(super) map: Vec<Segment>,
    pub(super) real_size: u64,
    /// Another block of segments follows.
    pub(super) continues: bool,
}

impl OldMap {
    /// Reads the header's share; nothing when a number is damaged.
    pub(super) fn new(header: &Block) -> Option<Self> {
        let mut old = Self {
            map: Vec::new(),
            real_size: u64::try_from(field_number(&header[483..495])?).ok()?,
            continues: header[482] != 0,
        };
        old.add_segments(&header[386..482])?;
        Some(old)
    }

    /// Reads a further block.
    pub(super) fn add(&mut self, block: &Block) -> Option<()> {
        self.continues = block[504] != 0;
        self.add_segments(&block[..504])
    }

    fn add_segments(&mut self, table: &[u8]) -> Option<()> {
        for entry in table.chunks_exact(24) {
            if entry[0] == 0 {
                break;
            }
            self.map.push(Segment {
                offset: u64::try_from(field_number(&entry[..12])?).ok()?,
                length: u64::try_from(field_number(&entry[12..])?).ok()?,
            });
        }
        Some(())
    }
}

/// The map of version 1.0: decimal numbers, one a line, in the first blocks of the content: how many segments, then
/// offset and length of each.
#[derive(Debug, Default)]
pub(super) struct ContentMap {
    pub(super) map: Vec<Segment>,
    segments: Option<u64>,
    offset: Option<u64>,
    line: Vec<u8>,
}

impl ContentMap {
    /// Reads one block; says whether that was the last one. Nothing when a number is damaged.
    pub(super) fn add(&mut self, block: &Block) -> Option<bool> {
        for &byte in &block[..BLOCK] {
            if byte != b'\n' {
                // No number is longer.
                if self.line.len() >= 20 {
                    return None;
                }
                self.line.push(byte);
                continue;
            }
            let value = number(&self.line)?;
            self.line.clear();
            match (self.segments, self.offset.take()) {
                (None, _) => self.segments = Some(value),
                (Some(_), None) => self.offset = Some(value),
                (Some(_), Some(offset)) => self.map.push(Segment { offset, length: value }),
            }
            if self.segments == Some(self.map.len() as u64) && self.offset.is_none() {
                return Some(true);
            }
        }
        Some(false)
    }
}

/// Longest map in blocks: as much as any other extended header may hold.
pub(super) const MAX_MAP_BLOCKS: u64 = super::archive::MAX_EXTENDED_BYTES / BLOCK_BYTES;

#[cfg(test)]
mod tests {
    use super::*;

    fn segments(pairs: &[(u64, u64)]) -> Vec<Segment> {
        pairs.iter().map(|&(offset, length)| Segment { offset, length }).collect()
    }

    #[test]
    fn only_maps_in_order_within_the_file_are_sound() {
        for (map, stored, size, sound) in [
            (&[][..], 0, 10, true),
            (&[(0, 4), (8, 2)], 6, 10, true),
            (&[(0, 4), (10, 0)], 4, 10, true),
            (&[(0, 4), (8, 3)], 7, 10, false),
            (&[(4, 4), (0, 2)], 6, 10, false),
            (&[(0, 4), (3, 2)], 6, 10, false),
            (&[(0, 4)], 5, 10, false),
            (&[(u64::MAX, 2)], 2, 10, false),
        ] {
            assert_eq!(is_sound(&segments(map), stored, size), sound, "{map:?}");
        }
    }

    #[test]
    fn a_map_in_the_content_may_span_blocks() {
        let text = format!("100\n{}", "1000\n10\n".repeat(100));
        let mut map = ContentMap::default();
        let mut ends = Vec::new();
        for chunk in text.as_bytes().chunks(BLOCK) {
            let mut block = [0; BLOCK];
            block[..chunk.len()].copy_from_slice(chunk);
            ends.push(map.add(&block));
        }
        assert_eq!(ends, [Some(false), Some(true)]);
        assert_eq!(map.map, segments(&[(1000, 10); 100]));
        assert_eq!(ContentMap::default().add(&[b'1'; BLOCK]), None);
        assert_eq!(ContentMap::default().add(&[b'\n'; BLOCK]), None);
    }
}
