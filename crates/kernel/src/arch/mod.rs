//! The inner loops, once per instruction set, and the choice among them.

#[cfg(target_arch = "x86_64")]
#[allow(unsafe_code)]
mod avx2;
#[cfg(target_arch = "x86_64")]
#[allow(unsafe_code)]
mod avx512_vnni;
mod portable;
mod simsimd;

use crate::blocks::{BLOCK_ROWS, LINE_BYTES};
use crate::pack::{Floors, PACK_QUERIES, Pack};

/// A row that reached the floor of a query.
#[derive(Clone, Copy)]
pub(crate) struct Hit {
    /// Which of the pack.
    pub(crate) query: usize,
    /// Counted from the first row of the blocks; may be one that only fills the last block.
    pub(crate) row: usize,
    /// Score − floor.
    pub(crate) excess: i32,
}

/// The rows that a kernel found.
pub(crate) struct Hits(Vec<Hit>);

impl Hits {
    /// A kernel stops at so many per query, since they may raise the floors.
    const ENOUGH_EACH: usize = 8;

    pub(crate) fn new() -> Self {
        Self(Vec::with_capacity(
            (Self::ENOUGH_EACH + BLOCK_ROWS) * PACK_QUERIES,
        ))
    }

    /// Takes out what was found; of each query, lower rows first.
    pub(crate) fn drain(&mut self) -> impl Iterator<Item = Hit> {
        self.0.drain(..)
    }

    /// Writes down the rows of a block in a mask, row 0 in its lowest bit.
    #[inline]
    fn note(&mut self, block: usize, query: usize, mask: u16, excess: &[i32; BLOCK_ROWS]) {
        let mut mask = mask;
        while mask != 0 {
            let row = mask.trailing_zeros() as usize % BLOCK_ROWS;
            self.0.push(Hit {
                query,
                row: block * BLOCK_ROWS + row,
                excess: excess[row],
            });
            mask &= mask - 1;
        }
    }

    /// The same, of the rows whose excess is not negative.
    #[inline(always)]
    fn note_reached(&mut self, block: usize, query: usize, excess: &[i32; BLOCK_ROWS]) {
        let mut mask = 0;
        for (row, &excess) in excess.iter().enumerate() {
            mask |= u16::from(excess >= 0) << row;
        }
        self.note(block, query, mask, excess);
    }

    fn are_enough(&self, pack: &Pack) -> bool {
        self.0.len() >= Self::ENOUGH_EACH * pack.count()
    }
}

/// Notes the rows that reach the floor of their query, from a block of the slice on, until there are
/// enough hits; then returns the block to go on from, or `None` at the end.
///
/// Its caller guarantees that the CPU has the instructions, and that the slice is whole blocks of
/// the pack's groups.
type Find = unsafe fn(&[u8], &Pack, &Floors, usize, &mut Hits) -> Option<usize>;

/// One way to scan. Values exist only for instructions that this CPU has.
#[derive(Clone, Copy)]
pub(crate) struct Kernel {
    name: &'static str,
    find: Find,
}

impl Kernel {
    pub(crate) fn name(&self) -> &'static str {
        self.name
    }

    /// Looks for hits from a block of the slice on; returns the block to go on from, `None` at the end.
    #[allow(unsafe_code)]
    pub(crate) fn find(
        &self,
        blocks: &[u8],
        pack: &Pack,
        floors: &Floors,
        from: usize,
        hits: &mut Hits,
    ) -> Option<usize> {
        assert!(
            blocks.len().is_multiple_of(pack.groups() * LINE_BYTES),
            "codes that are not whole blocks of the pack's dimension"
        );
        // SAFETY: `available` makes a kernel only after it saw that the CPU has its instructions;
        // the blocks are whole, as just checked.
        unsafe { (self.find)(blocks, pack, floors, from, hits) }
    }
}

/// The kernels that this CPU can run, best first; the portable one is the last.
pub(crate) fn available() -> Vec<Kernel> {
    let mut kernels = Vec::new();
    #[cfg(target_arch = "x86_64")]
    {
        if is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512vnni") {
            kernels.push(Kernel {
                name: "avx512-vnni",
                find: avx512_vnni::find,
            });
        }
        if is_x86_feature_detected!("avx2") {
            kernels.push(Kernel {
                name: "avx2",
                find: avx2::find,
            });
        }
    }
    // Asking also makes simsimd fill its unguarded table of kernels before threads meet in it.
    let name = if ::simsimd::capabilities::uses_neon_i8() {
        "neon-i8"
    } else {
        "simsimd"
    };
    kernels.push(Kernel {
        name,
        find: simsimd::find,
    });
    kernels.push(Kernel {
        name: portable::NAME,
        find: portable::find,
    });
    kernels
}

/// Block by block, for kernels in plain Rust: `score` writes score − floor for each query and row of
/// one block.
fn find_by_block(
    blocks: &[u8],
    pack: &Pack,
    from: usize,
    hits: &mut Hits,
    mut score: impl FnMut(&[u8], &mut [[i32; BLOCK_ROWS]]),
) -> Option<usize> {
    let mut excess = [[0; BLOCK_ROWS]; PACK_QUERIES];
    let excess = &mut excess[..pack.count()];
    let blocks = blocks.chunks_exact(pack.groups() * LINE_BYTES);
    for (number, block) in blocks.enumerate().skip(from) {
        score(block, excess);
        for (query, excess) in excess.iter().enumerate() {
            hits.note_reached(number, query, excess);
        }
        if hits.are_enough(pack) {
            return Some(number + 1);
        }
    }
    None
}
