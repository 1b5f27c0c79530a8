use std::ops::Range;

use crate::blocks::{BLOCK_ROWS, LINE_BYTES, Line, Sections};
use crate::{Frame, Stage};

/// Codes as stages of lines.
pub(crate) struct Scan<'a> {
    rows: usize,
    pub(super) lead_shift: u32,
    pub(super) stages: Vec<StageLines<'a>>,
}

pub(super) struct StageLines<'a> {
    /// The lines of block 0, then of block 1, …
    pub(super) lines: &'a [Line],
    /// The groups of dimensions they are of.
    pub(super) groups: Range<usize>,
    pub(super) shift: u32,
    /// Per block; empty for the last stage, after which nothing is to come.
    tails: &'a [f32],
}

impl StageLines<'_> {
    #[inline(always)]
    pub(super) fn block(&self, block: usize) -> &[Line] {
        let count = self.groups.len();
        &self.lines[block * count..][..count]
    }

    #[inline(always)]
    pub(super) fn tail(&self, block: usize) -> f32 {
        self.tails.get(block).copied().unwrap_or(0.0)
    }
}

impl<'a> Scan<'a> {
    /// Of bytes laid out as these sections say.
    pub(crate) fn new(frame: &'a Frame, rows: usize, sections: &Sections, bytes: &'a [u8]) -> Self {
        let stage = |(number, stage): (usize, &'a Stage)| StageLines {
            lines: bytes[sections.bytes_of(number, 0..sections.blocks())]
                .as_chunks()
                .0,
            groups: sections.groups_of(number),
            shift: stage.shift,
            tails: &stage.tails,
        };
        Self {
            rows,
            lead_shift: frame.lead_shift,
            stages: frame.stages.iter().enumerate().map(stage).collect(),
        }
    }

    pub(crate) fn blocks(&self) -> usize {
        self.rows.div_ceil(BLOCK_ROWS)
    }

    /// Bytes that a block takes in its first stage.
    pub(crate) fn first_stage_bytes(&self) -> usize {
        self.stages.first().map_or(1, |stage| stage.groups.len()) * LINE_BYTES
    }
}
