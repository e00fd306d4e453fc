//! CPU time without a control group: every process is asked.

use core::ffi::CStr;

use crate::call::{self, Fd};

/// Nanoseconds of a tick, the unit of times in `/proc/<pid>/stat` (`USER_HZ` is 100 on every machine that we know).
const TICK_NS: u64 = 10_000_000;

/// CPU time of all living processes of this namespace but the first, and of the children that they have waited for. Children of
/// a process that ignores their end are counted by nobody: only a control group counts everything.
pub(super) fn living_cpu_ns() -> u64 {
    let Ok(directory) = call::open(call::CURRENT_DIRECTORY, c"/proc", libc::O_RDONLY | libc::O_DIRECTORY, 0) else {
        return 0;
    };
    let mut sum = 0_u64;
    let mut entries = [0; 2048];
    let mut rewind = true;
    while let Ok(length @ 1..) = call::read_directory(directory, &mut entries, rewind) {
        rewind = false;
        let mut rest = &entries[..length];
        // struct linux_dirent64: 16 bytes of numbers, 2 of record length, 1 of type, then the name.
        while let [.., _] = rest
            && let Some(&[low, high]) = rest.get(16..18)
        {
            let record = usize::from(u16::from_ne_bytes([low, high]));
            let name = rest.get(19..record).and_then(|name| CStr::from_bytes_until_nul(name).ok());
            let pid = name.and_then(|name| name.to_str().ok()).and_then(|name| name.parse::<i32>().ok());
            if let (Some(name), Some(pid @ 2..)) = (name, pid) {
                let own = call::process_cpu_ns(pid).unwrap_or(0);
                sum = sum.saturating_add(own).saturating_add(children_cpu_ns(directory, name).unwrap_or(0));
            }
            rest = rest.get(record.max(1)..).unwrap_or_default();
        }
    }
    call::close(directory);
    sum
}

/// CPU time of the children that a process has waited for: fields 16 and 17 of its `stat` (`proc_pid_stat(5)`).
fn children_cpu_ns(directory: Fd, pid: &CStr) -> Option<u64> {
    let mut path = [0; 32];
    let pid = pid.to_bytes();
    path.get_mut(..pid.len())?.copy_from_slice(pid);
    path.get_mut(pid.len()..pid.len() + 5)?.copy_from_slice(b"/stat");
    let file = call::open(directory, CStr::from_bytes_until_nul(&path).ok()?, libc::O_RDONLY, 0).ok()?;
    let mut text = [0; 512];
    let length = call::read_at_start(file, &mut text);
    call::close(file);
    ticks(text.get(..length.ok()?)?).map(|ticks| ticks.saturating_mul(TICK_NS))
}

fn ticks(stat: &[u8]) -> Option<u64> {
    // The name of the program, field 2, ends with the last bracket; the 14th field after it is the first that counts.
    let name_end = stat.iter().rposition(|&byte| byte == b')')?;
    let mut fields = stat.get(name_end + 2..)?.split(|&byte| byte == b' ').skip(13);
    let mut number = || core::str::from_utf8(fields.next()?).ok()?.parse::<u64>().ok();
    Some(number()? + number()?)
}

#[cfg(test)]
mod tests {
    use super::ticks;

    #[test]
    fn names_of_programs_do_not_confuse_the_fields() {
        for name in ["sh", "a b) 9 9", "((", ") R 1 1 1"] {
            let stat = ["2 (", name, ") S 4 5 6 7 8 9 10 11 12 13 14 15 1600 17 18 19"].map(str::as_bytes);
            let mut text = [0; 100];
            let mut length = 0;
            for part in stat {
                text[length..length + part.len()].copy_from_slice(part);
                length += part.len();
            }
            assert_eq!(ticks(&text[..length]), Some(1617), "{name}");
        }
        assert_eq!(ticks(b""), None);
        assert_eq!(ticks(b"2 (sh) S 4"), None);
    }
}
