//! How a segment's codes are read: an rkyv archive in the segment file.

use rkyv::{Archive, Deserialize, Serialize, rancor, util::AlignedVec};
use vectra_kernel::{Frame, Leaves, Rotation, Stage};

/// How a segment's codes are read: the kernel's frame, but for the shape, which the header has. The order
/// of the fields is part of the format.
#[derive(Debug, Archive, Serialize, Deserialize)]
pub(super) struct SegmentArchive {
    /// The rotation's matrix, row by row, and its defect.
    rotation: Option<(Vec<f32>, f32)>,
    /// What was taken from each rotated coordinate.
    centre: Vec<f32>,
    /// The scale of each dimension's codes.
    alphas: Vec<f32>,
    /// Log₂ of how much finer the weights of a query are from the second group of dimensions on.
    lead_shift: u32,
    stages: Vec<ArchivableStage>,
    leaves: Option<ArchivableLeaves>,
}

/// One step of a scan.
#[derive(Debug, Archive, Serialize, Deserialize)]
struct ArchivableStage {
    end: u32,
    shift: u32,
    residual_norm: f32,
    code_norm: f32,
    tails: Vec<f32>,
}

/// Rows that are like each other, and their means.
#[derive(Debug, Archive, Serialize, Deserialize)]
struct ArchivableLeaves {
    rows: u32,
    codes: Vec<u8>,
}

impl SegmentArchive {
    /// The bytes of a frame, as they are in the file.
    pub(super) fn encode(frame: &Frame) -> Result<AlignedVec, rancor::Error> {
        let stage = |stage: &Stage| ArchivableStage {
            end: stage.end as u32,
            shift: stage.shift,
            residual_norm: stage.residual_norm,
            code_norm: stage.code_norm,
            tails: stage.tails.clone(),
        };
        let rotation = |rotation: &Rotation| (rotation.matrix().to_vec(), rotation.defect());
        let leaves = |leaves: &Leaves| ArchivableLeaves {
            rows: leaves.rows as u32,
            codes: leaves.codes.clone(),
        };
        rkyv::to_bytes(&Self {
            rotation: frame.rotation.as_ref().map(rotation),
            centre: frame.centre.clone(),
            alphas: frame.alphas.clone(),
            lead_shift: frame.lead_shift,
            stages: frame.stages.iter().map(stage).collect(),
            leaves: frame.leaves.as_ref().map(leaves),
        })
    }

    /// The frame of a segment of this shape, checked; or what is wrong with the bytes.
    pub(super) fn decode(
        bytes: &AlignedVec,
        dimension: usize,
        rows: usize,
    ) -> Result<Frame, String> {
        let archive = rkyv::from_bytes::<Self, rancor::Error>(bytes)
            .map_err(|error| format!("an archive that is not valid: {error}"))?;
        let rotation = archive.rotation.map(|(matrix, defect)| {
            Rotation::from_parts(dimension, matrix, defect)
                .ok_or_else(|| format!("a rotation of other than {dimension} dimensions"))
        });
        let stage = |stage: ArchivableStage| Stage {
            end: stage.end as usize,
            shift: stage.shift,
            residual_norm: stage.residual_norm,
            code_norm: stage.code_norm,
            tails: stage.tails,
        };
        let frame = Frame {
            dimension,
            rows,
            rotation: rotation.transpose()?,
            centre: archive.centre,
            alphas: archive.alphas,
            lead_shift: archive.lead_shift,
            stages: archive.stages.into_iter().map(stage).collect(),
            leaves: archive.leaves.map(|leaves| Leaves {
                rows: leaves.rows as usize,
                codes: leaves.codes,
            }),
        };
        frame.check().map_err(|error| error.to_string())?;
        Ok(frame)
    }
}
