//! Extended headers (POSIX.1-2017, pax, "pax Extended Header"; GNU tar manual, "Storing Sparse Files").

use super::Problem;
use super::sparse::{Segment, number};

/// What the records before a member say about it.
#[derive(Debug, Default)]
pub(super) struct Extended {
    pub(super) path: Option<Vec<u8>>,
    pub(super) link: Option<Vec<u8>>,
    pub(super) size: Option<u64>,
    /// Seconds since 1970 and nanoseconds.
    pub(super) mtime: Option<(i64, u32)>,
    pub(super) sparse: SparseRecords,
}

/// GNU's records of sparse files: versions 0.0 (offsets and lengths), 0.1 (a map) and 1.0 (the map is in the content).
#[derive(Debug, Default)]
pub(super) struct SparseRecords {
    pub(super) map: Vec<Segment>,
    pub(super) map_in_content: bool,
    pub(super) real_size: Option<u64>,
    /// The file's name; `path` holds a stand-in then.
    pub(super) name: Option<Vec<u8>>,
    offset: Option<u64>,
}

impl Extended {
    /// Adds the records of one extended header. Later ones override earlier ones; unknown ones are passed over.
    ///
    /// # Errors
    ///
    /// A refusal when they are not well-formed.
    pub(super) fn add(&mut self, mut records: &[u8]) -> Result<(), Problem> {
        while !records.is_empty() {
            let (key, value, rest) = record(records).ok_or_else(damaged)?;
            self.set(key, value).ok_or_else(damaged)?;
            records = rest;
        }
        Ok(())
    }

    fn set(&mut self, key: &[u8], value: &[u8]) -> Option<()> {
        match key {
            b"path" | b"GNU.sparse.name" | b"linkpath" => {
                if value.contains(&0) {
                    return None;
                }
                // An empty value takes an earlier one back.
                let value = (!value.is_empty()).then(|| value.to_vec());
                match key {
                    b"linkpath" => self.link = value,
                    b"path" => self.path = value,
                    _ => self.sparse.name = value,
                }
            }
            b"size" => self.size = Some(number(value)?),
            b"mtime" => self.mtime = Some(time(value)?),
            b"GNU.sparse.major" => self.sparse.map_in_content = number(value)? == 1,
            b"GNU.sparse.size" | b"GNU.sparse.realsize" => self.sparse.real_size = Some(number(value)?),
            b"GNU.sparse.offset" => self.sparse.offset = Some(number(value)?),
            b"GNU.sparse.numbytes" => {
                self.sparse.map.push(Segment { offset: self.sparse.offset.take()?, length: number(value)? })
            }
            b"GNU.sparse.map" => {
                let mut numbers = value.split(|&byte| byte == b',').map(number);
                self.sparse.map.clear();
                while let Some(offset) = numbers.next() {
                    self.sparse.map.push(Segment { offset: offset?, length: numbers.next()?? });
                }
            }
            _ => {}
        }
        Some(())
    }
}

/// The first record, `LENGTH KEY=VALUE\n` (the length counts itself and the newline), and what follows it.
fn record(records: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let space = records.iter().take(20).position(|&byte| byte == b' ')?;
    let length = usize::try_from(number(&records[..space])?).ok()?;
    let (record, rest) = records.split_at_checked(length)?;
    let record = record.get(space + 1..)?.strip_suffix(b"\n")?;
    let equals = record.iter().position(|&byte| byte == b'=')?;
    Some((&record[..equals], &record[equals + 1..], rest))
}

/// Seconds with an optional fraction, rounded down to nanoseconds.
fn time(value: &[u8]) -> Option<(i64, u32)> {
    let (negative, value) = match value.strip_prefix(b"-") {
        Some(value) => (true, value),
        None => (false, value),
    };
    let mut parts = value.splitn(2, |&byte| byte == b'.');
    let seconds = i64::try_from(number(parts.next()?)?).ok()?;
    let mut nanoseconds = 0;
    let fraction = parts.next().unwrap_or_default();
    for place in 0..9.max(fraction.len()) {
        let digit = match fraction.get(place) {
            Some(digit @ b'0'..=b'9') => u32::from(digit - b'0'),
            Some(_) => return None,
            None => 0,
        };
        if place < 9 {
            nanoseconds = nanoseconds * 10 + digit;
        }
    }
    Some(match (negative, nanoseconds) {
        (false, nanoseconds) => (seconds, nanoseconds),
        (true, 0) => (-seconds, 0),
        (true, nanoseconds) => (-seconds - 1, 1_000_000_000 - nanoseconds),
    })
}

fn damaged() -> Problem {
    Problem::not_an_archive("an extended header is damaged")
}

/// Appends one record.
pub(super) fn push_record(records: &mut Vec<u8>, key: &str, value: &[u8]) {
    // Space, equals sign and newline; then the digits of the length, which count as well.
    let rest = key.len() + value.len() + 3;
    let mut length = rest + 1;
    while length != rest + length.to_string().len() {
        length = rest + length.to_string().len();
    }
    records.extend_from_slice(format!("{length} {key}=").as_bytes());
    records.extend_from_slice(value);
    records.push(b'\n');
}

/// A time as a record's value.
pub(super) fn time_value(seconds: i64, nanoseconds: u32) -> String {
    let (sign, seconds, nanoseconds) = match (seconds < 0, nanoseconds) {
        (true, 1..) => ("-", -(i128::from(seconds) + 1), 1_000_000_000 - nanoseconds),
        (true, 0) => ("-", -i128::from(seconds), 0),
        (false, _) => ("", i128::from(seconds), nanoseconds),
    };
    let text = format!("{sign}{seconds}.{nanoseconds:09}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn records_set_fields_and_unknown_ones_do_not_matter() {
        let mut extended = Extended::default();
        let records = b"9 path=a\n12 path=a\nb\n20 comment=whatever\n13 size=1000\n";
        assert_eq!(extended.add(records), Ok(()));
        assert_eq!(extended.path, Some(b"a\nb".to_vec()));
        assert_eq!(extended.size, Some(1000));
        assert_eq!(extended.add(b"8 path=\n"), Ok(()));
        assert_eq!(extended.path, None);
    }

    #[test]
    fn damaged_records_are_refused() {
        for records in [
            &b"path=a\n"[..],
            b"9 path=a",
            b"11 path=a\n",
            b"8 path=a\n",
            b"0 path=a\n",
            b"3 \n",
            b"99999999999999999999999 path=a\n",
            b"10 path=\0\n",
            b"10 size=x\n",
            b"11 size=-1\n",
            b"13 mtime=1.x\n",
            b"25 GNU.sparse.numbytes=1\n",
            b"20 GNU.sparse.map=1\n",
        ] {
            let shown = String::from_utf8_lossy(records);
            assert!(Extended::default().add(records).is_err(), "{shown:?}");
        }
    }

    #[test]
    fn times_with_fractions() {
        for (text, time) in [
            ("0", (0, 0)),
            ("12.5", (12, 500_000_000)),
            ("12.0000000019", (12, 1)),
            ("-1", (-1, 0)),
            ("-0.25", (-1, 750_000_000)),
        ] {
            assert_eq!(super::time(text.as_bytes()), Some(time), "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(value in "[^\0]{1,300}", seconds in -9_000_000_000_i64..9_000_000_000, nanoseconds in 0..1_000_000_000_u32) {
            let mut records = Vec::new();
            push_record(&mut records, "path", value.as_bytes());
            push_record(&mut records, "mtime", time_value(seconds, nanoseconds).as_bytes());
            let mut extended = Extended::default();
            prop_assert_eq!(extended.add(&records), Ok(()));
            prop_assert_eq!(extended.path, Some(value.into_bytes()));
            prop_assert_eq!(extended.mtime, Some((seconds, nanoseconds)));
        }
    }
}
