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

/// The most blocks that a tile spans.
pub(crate) const TILE_BLOCKS: usize = 4;

/// The most rows that a tile spans.
pub(crate) const TILE_ROWS: usize = TILE_BLOCKS * BLOCK_ROWS;

/// The rows of one tile that reached the floor of a query.
pub(crate) struct Hits {
    /// The first block of the tile.
    pub(crate) first_block: usize,
    /// Per query, bit r for row r of the tile.
    pub(crate) masks: [u64; PACK_QUERIES],
    /// Per query and row of the tile, score − floor. Only meaningful where the mask has a bit.
    pub(crate) excess: [[i32; TILE_ROWS]; PACK_QUERIES],
}

impl Hits {
    pub(crate) fn new() -> Self {
        Self {
            first_block: 0,
            masks: [0; PACK_QUERIES],
            excess: [[0; TILE_ROWS]; PACK_QUERIES],
        }
    }
}

/// Looks through the blocks of the slice from a block on for the next tile in which a row reaches
/// the floor of its query, writes it down and returns the block to go on from; `None` at the end.
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

    /// The next tile of the blocks with a hit, from a block on; returns the block to go on from.
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

/// Block by block, for kernels without tiles: `score` writes score − floor for each query and row of
/// one block.
fn find_by_block(
    blocks: &[u8],
    pack: &Pack,
    from: usize,
    hits: &mut Hits,
    mut score: impl FnMut(&[u8], &mut [[i32; TILE_ROWS]; PACK_QUERIES]),
) -> Option<usize> {
    let blocks = blocks.chunks_exact(pack.groups() * LINE_BYTES);
    for (number, block) in blocks.enumerate().skip(from) {
        score(block, &mut hits.excess);
        let mut any = 0;
        let queries = hits.excess.iter().zip(&mut hits.masks);
        for (excess, mask) in queries.take(pack.count()) {
            *mask = 0;
            for (row, &excess) in excess.iter().take(BLOCK_ROWS).enumerate() {
                *mask |= u64::from(excess >= 0) << row;
            }
            any |= *mask;
        }
        if any != 0 {
            hits.first_block = number;
            return Some(number + 1);
        }
    }
    None
}
