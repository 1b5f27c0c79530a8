//! The placement's checkpoint: one file, replaced atomically.
//!
//! Its first line is `vectra-placement <layout> <crc32 of the rest, 8 hex digits>`, the rest is
//! JSON, so that it can be read in an incident.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::Applied;
use crate::PlacementMap;

const FILE_NAME: &str = "placement.checkpoint";
const MAGIC: &str = "vectra-placement";
const LAYOUT: u32 = 1;

/// The map, and the entry up to which it is the sum of the log.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PlacementCheckpoint {
    pub(crate) applied: Applied,
    pub(crate) map: PlacementMap,
}

impl PlacementCheckpoint {
    /// The checkpoint with its first line.
    pub(crate) fn encode(&self) -> Result<Vec<u8>, String> {
        let json = serde_json::to_vec_pretty(self)
            .map_err(|error| format!("cannot write the placement: {error}"))?;
        let mut bytes = format!("{MAGIC} {LAYOUT} {:08x}\n", crc32fast::hash(&json)).into_bytes();
        bytes.extend(json);
        Ok(bytes)
    }

    /// Reads what [`Self::encode`] wrote.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, String> {
        let end = bytes
            .iter()
            .position(|byte| *byte == b'\n')
            .unwrap_or(bytes.len());
        let (line, rest) = bytes.split_at(end);
        let json = rest.get(1..).unwrap_or_default();
        let fields: Vec<&str> = std::str::from_utf8(line)
            .map(|line| line.split(' ').collect())
            .unwrap_or_default();
        let &[MAGIC, layout, crc32] = fields.as_slice() else {
            return Err(format!(
                "its first line should be `{MAGIC} {LAYOUT} <crc32>`"
            ));
        };
        if layout != LAYOUT.to_string() {
            return Err(format!(
                "it has layout {layout}, this version reads layout {LAYOUT}"
            ));
        }
        let found = format!("{:08x}", crc32fast::hash(json));
        if crc32 != found {
            return Err(format!(
                "it is damaged: its crc32 should be {crc32} and is {found}"
            ));
        }
        serde_json::from_slice(json).map_err(|error| format!("it is not readable: {error}"))
    }

    /// The checkpoint in a directory, if there is one.
    pub(crate) fn load(directory: &Path) -> Result<Option<Self>, (PathBuf, String)> {
        let path = directory.join(FILE_NAME);
        match fs::read(&path) {
            Ok(bytes) => match Self::decode(&bytes) {
                Ok(checkpoint) => Ok(Some(checkpoint)),
                Err(reason) => Err((path, reason)),
            },
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err((path, error.to_string())),
        }
    }

    /// Replaces the checkpoint in a directory. On disk when it returns.
    pub(crate) fn store(&self, directory: &Path) -> Result<(), String> {
        let bytes = self.encode()?;
        let new = directory.join(format!("{FILE_NAME}.new"));
        let replace = || -> std::io::Result<()> {
            let mut file = File::create(&new)?;
            file.write_all(&bytes)?;
            file.sync_all()?;
            fs::rename(&new, directory.join(FILE_NAME))?;
            File::open(directory)?.sync_all()
        };
        replace().map_err(|error| format!("{}: {error}", new.display()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::PlacementCommand;

    fn checkpoint() -> PlacementCheckpoint {
        let mut map = PlacementMap::default();
        map.apply(&PlacementCommand::FoundCluster {
            cluster_id: "blue".to_owned(),
        });
        PlacementCheckpoint {
            applied: Applied::default(),
            map,
        }
    }

    #[test]
    fn a_checkpoint_is_read_back_as_it_was_stored() {
        let directory = tempfile::tempdir().unwrap();
        assert_eq!(PlacementCheckpoint::load(directory.path()), Ok(None));
        checkpoint().store(directory.path()).unwrap();
        assert_eq!(
            PlacementCheckpoint::load(directory.path()),
            Ok(Some(checkpoint()))
        );
    }

    #[test]
    fn a_flipped_bit_anywhere_is_noticed() {
        let bytes = checkpoint().encode().unwrap();
        for position in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[position] ^= 1;
            assert!(
                PlacementCheckpoint::decode(&damaged).is_err(),
                "byte {position}"
            );
        }
    }

    #[test]
    fn a_newer_layout_is_refused_by_its_number() {
        let text = String::from_utf8(checkpoint().encode().unwrap()).unwrap();
        let newer = text.replacen("vectra-placement 1", "vectra-placement 2", 1);
        let refusal = PlacementCheckpoint::decode(newer.as_bytes()).unwrap_err();
        assert!(refusal.contains("layout 2"), "{refusal}");
    }
}
