//! The inner loops, once per instruction set, and the choice among them.

#[cfg(target_arch = "x86_64")]
#[allow(unsafe_code)]
mod avx2;
#[cfg(target_arch = "x86_64")]
#[allow(unsafe_code)]
mod avx512_vnni;
#[cfg(target_arch = "x86_64")]
#[allow(unsafe_code)]
mod avx_vnni;
#[allow(unsafe_code)]
mod first_stage;
#[allow(unsafe_code)]
mod further_stages;
#[allow(unsafe_code)]
mod lanes;
#[allow(unsafe_code)]
mod portable;
#[allow(unsafe_code)]
mod prefetch;
#[allow(unsafe_code)]
mod rotate;
mod scan_lines;
#[allow(unsafe_code)]
mod score;
#[allow(unsafe_code)]
mod simsimd;
#[allow(unsafe_code)]
mod wide;

pub(crate) use first_stage::Survivors;
pub(crate) use rotate::{RUN as ROTATE_RUN, rotate};
pub(crate) use scan_lines::Scan;
pub(crate) use wide::{Sums, Wide, wide};

use crate::blocks::BLOCK_ROWS;
use crate::pack::Pack;

/// A row that may matter to a query of a pack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Hit {
    /// Which of the pack.
    pub(crate) query: usize,
    /// Counted from the first row of the segment; may be one that only fills the last block.
    pub(crate) row: usize,
    /// The sum of products with the query's coarse codes, shifts included, and what stored bytes add.
    pub(crate) coarse: i64,
    /// With its fine codes.
    pub(crate) fine: i64,
}

/// Sums of the 16 rows of a block.
pub(crate) type BlockSums = [i32; BLOCK_ROWS];

/// Appends the rows of some blocks that may matter to a query of the pack, stage by stage.
///
/// Its caller guarantees that the CPU has the instructions.
type Find = unsafe fn(&Scan<'_>, &Pack, std::ops::Range<usize>, &mut Survivors, &mut Vec<Hit>);

/// The sums of rows up to the end of a number of stages with one query, for some blocks.
type Score = unsafe fn(&Scan<'_>, &[i32], std::ops::Range<usize>, usize, &mut Vec<BlockSums>);

/// One way to scan. Values exist only for instructions that this CPU has.
#[derive(Clone, Copy)]
pub(crate) struct Kernel {
    name: &'static str,
    find: Find,
    score: Score,
}

impl Kernel {
    pub(crate) fn name(&self) -> &'static str {
        self.name
    }

    /// Appends the rows of some blocks that may matter to a query of the pack.
    #[allow(unsafe_code)]
    pub(crate) fn find(
        &self,
        scan: &Scan<'_>,
        pack: &Pack,
        blocks: std::ops::Range<usize>,
        survivors: &mut Survivors,
        hits: &mut Vec<Hit>,
    ) {
        // SAFETY: a kernel is made only where the CPU has its instructions.
        unsafe { (self.find)(scan, pack, blocks, survivors, hits) }
    }

    /// Appends, block by block, the sums of rows with one query's words, up to the end of so many stages:
    /// shifts included, and what stored bytes add.
    #[allow(unsafe_code)]
    pub(crate) fn score(
        &self,
        scan: &Scan<'_>,
        words: &[i32],
        blocks: std::ops::Range<usize>,
        stages: usize,
        sums: &mut Vec<BlockSums>,
    ) {
        // SAFETY: a kernel is made only where the CPU has its instructions.
        unsafe { (self.score)(scan, words, blocks, stages, sums) }
    }
}

/// The kernels that this CPU can run, best first; the portable one is the last.
pub(crate) fn available() -> Vec<Kernel> {
    let mut kernels = Vec::new();
    #[cfg(target_arch = "x86_64")]
    {
        let has_avx512 = is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512dq")
            && is_x86_feature_detected!("avx512vl")
            && is_x86_feature_detected!("avx512vnni");
        let has_avx2 = is_x86_feature_detected!("avx2");
        if has_avx512 {
            kernels.push(Kernel {
                name: "avx512-vnni",
                find: avx512_vnni::find,
                score: avx512_vnni::score,
            });
        }
        if has_avx2 && is_x86_feature_detected!("avxvnni") {
            kernels.push(Kernel {
                name: "avx-vnni",
                find: avx_vnni::find,
                score: avx_vnni::score,
            });
        }
        if has_avx2 && has_avx512 {
            kernels.push(Kernel {
                name: "avx512vl-vnni",
                find: avx_vnni::find_vl,
                score: avx_vnni::score_vl,
            });
        }
        if has_avx2 {
            kernels.push(Kernel {
                name: "avx2",
                find: avx2::find,
                score: avx2::score,
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
        score: simsimd::score,
    });
    kernels.push(Kernel {
        name: portable::NAME,
        find: portable::find,
        score: portable::score,
    });
    kernels
}
