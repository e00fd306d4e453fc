mod files;
mod live;
mod places;

use super::Counter;

impl Counter {
    /// Reads the number as the sandbox's first process does: after the key at the beginning of a line, or the whole text.
    fn read(&self) -> std::io::Result<u64> {
        let mut bytes = [0; 4096];
        let length = rustix::io::pread(&self.file, &mut bytes, 0)?;
        let text = std::str::from_utf8(&bytes[..length]).expect("control files are text");
        let number = if self.key.is_empty() {
            Some(text)
        } else {
            text.lines().find_map(|line| line.strip_prefix(self.key)?.strip_prefix(' '))
        };
        Ok(number.expect("the key is there").trim().parse::<u64>().expect("a number") * self.unit)
    }
}
