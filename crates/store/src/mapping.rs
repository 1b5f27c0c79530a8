//! What this process maps: the codes of sealed segments, and itself. The only module of this crate with
//! `unsafe` code.

use std::fs::File;
use std::io;
use std::ops::Range;

use memmap2::{Mmap, MmapOptions};

#[cfg(target_os = "linux")]
use {
    rustix::mm::{Advice, madvise},
    std::fs,
};

/// The codes of a segment file, mapped read-only.
#[derive(Debug)]
pub(crate) struct MappedCodes {
    map: Mmap,
}

impl MappedCodes {
    /// Maps these bytes of `file`, which must never be written to or truncated again: sealed files are
    /// not. Nothing else is mapped, as whatever lies beside what is read would become resident with it.
    /// `None` if some of it would lie outside the file.
    pub(crate) fn new(file: &File, codes: Range<usize>) -> io::Result<Option<Self>> {
        if file.metadata()?.len() < codes.end as u64 {
            return Ok(None);
        }
        let mut options = MmapOptions::new();
        options.offset(codes.start as u64).len(codes.len());
        // SAFETY: the map is read-only, and nothing in this program changes a sealed file: it is
        // created under a fresh number, written and synced before it is first mapped, and after
        // that only ever unlinked. That no other program changes it is the operator's part.
        let map = unsafe { options.map(file) }?;
        Ok(Some(Self { map }))
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.map
    }
}

/// The text of the running program and its libraries, and their constants.
#[cfg(target_os = "linux")]
#[derive(Debug)]
pub struct ProgramText {
    mapped: Vec<Range<usize>>,
}

/// So much becomes resident around an address that is executed or read, instead of 64 KiB.
#[cfg(target_os = "linux")]
const PIECE_BYTES: usize = 8 << 10;

#[cfg(target_os = "linux")]
impl ProgramText {
    /// Finds it, and cuts it into pieces. With whatever is used first the kernel maps all of the 64 KiB around it that
    /// are of the same mapping; of most of them nothing else is ever used. Two neighbours are different mappings if
    /// they differ in anything: here in whether a dump of the process would hold them, which it does not of
    /// what is in a file.
    ///
    /// # Errors
    ///
    /// What the system says where it does not tell what is mapped.
    pub fn find() -> io::Result<Self> {
        let mapped = text_of(&fs::read_to_string("/proc/self/maps")?);
        let text = Self { mapped };
        for range in &text.mapped {
            for start in range.clone().step_by(2 * PIECE_BYTES) {
                let piece = start..range.end.min(start + PIECE_BYTES);
                // Where there can be no more mappings, more comes back at a time.
                if text.advise(&piece, Advice::LinuxDontDump).is_err() {
                    return Ok(text);
                }
            }
        }
        Ok(text)
    }

    /// Lets go of it: what is used next is mapped again from the page cache, some microseconds each, and what
    /// only a start needed, or an import long over, is no longer resident.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub fn release(&self) -> io::Result<()> {
        for range in &self.mapped {
            self.advise(range, Advice::LinuxDontNeed)?;
        }
        Ok(())
    }

    fn advise(&self, range: &Range<usize>, advice: Advice) -> io::Result<()> {
        let start = std::ptr::with_exposed_provenance_mut(range.start);
        // SAFETY: this is a private mapping of a file that nobody writes to: its pages hold what
        // the file holds, and come back from there with the next access. A program or library that
        // is in use is replaced by renaming, not overwritten; one that is overwritten breaks a process
        // with or without this, as not all of it was mapped before. That the mapping was taken away
        // since its address was read would need a library to be unloaded; nothing here loads any.
        unsafe { madvise(start, range.len(), advice) }?;
        Ok(())
    }
}

/// Where programs are mapped privately from a file and never were written to, by a list of mappings in the
/// form of `/proc/self/maps`: their text, and the constants at the head of the file. Further on there are
/// tables that cannot be written to by now and hold addresses that were found at the start.
#[cfg(target_os = "linux")]
fn text_of(maps: &str) -> Vec<Range<usize>> {
    let text_of_line = |line: &str| {
        let mut fields = line.split_ascii_whitespace();
        let (start, end) = fields.next()?.split_once('-')?;
        let (permissions, offset) = (fields.next()?, fields.next()?);
        let is_as_in_file = match permissions {
            "r-xp" => true,
            "r--p" => offset.bytes().all(|digit| digit == b'0'),
            _ => false,
        };
        let is_text = is_as_in_file && fields.nth(2)?.starts_with('/');
        let address = |text| usize::from_str_radix(text, 16).ok();
        is_text.then_some(address(start)?..address(end)?)
    };
    maps.lines().filter_map(text_of_line).collect()
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn only_text_that_comes_from_a_file_and_stays_as_it_is_there_is_let_go_of() {
        let maps = "\
55d0e0000000-55d0e0100000 r--p 00000000 fe:00 17 /usr/bin/vectra
55d0e0100000-55d0e1200000 r-xp 000ff000 fe:00 17 /usr/bin/vectra
55d0e1200000-55d0e1290000 r--p 011ff000 fe:00 17 /usr/bin/vectra
55d0e1290000-55d0e129a000 rw-p 0128e000 fe:00 17 /usr/bin/vectra
7f0000000000-7f0000021000 rwxp 00000000 00:00 0
7f0000100000-7f0000200000 r-xp 00000000 00:00 0
7f0000300000-7f0000400000 rwxp 00000000 fe:00 18 /tmp/written to.so
7f0000400000-7f0000500000 r-xs 00000000 fe:00 18 /tmp/shared.so
7f0000500000-7f0000600000 r-xp 00026000 fe:00 19 /usr/lib/my libc.so.6
7ffd5fc00000-7ffd5fc02000 r-xp 00000000 00:00 0 [vdso]
";
        assert_eq!(
            text_of(maps),
            [
                0x55d0_e000_0000..0x55d0_e010_0000,
                0x55d0_e010_0000..0x55d0_e120_0000,
                0x7f00_0050_0000..0x7f00_0060_0000
            ]
        );
    }
}
