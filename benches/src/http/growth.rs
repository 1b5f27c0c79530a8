//! What a search costs per row as the set grows.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use anyhow::{Context, Result};

use super::Plan;
use crate::figures::GrowthFigures;
use crate::npy;
use crate::server::Server;
use crate::vector_set::VectorSet;

const CONNECTIONS: u16 = 64;

/// Servers of every size in the plan, measured in turns; `server` is the one with the whole set.
pub(super) async fn measure(
    server: &Server,
    rows: u64,
    set: &VectorSet,
    plan: &Plan,
) -> Result<Vec<GrowthFigures>> {
    let mut others = Vec::new();
    for &size in plan.sizes.iter().filter(|&&size| size != rows) {
        others.push((size, filled(size, rows, set, plan).await?));
    }
    let mut servers = vec![(rows, server)];
    servers.extend(others.iter().map(|(size, server)| (*size, server)));
    servers.sort_by_key(|(size, _)| *size);

    let mut growth: Vec<GrowthFigures> = servers
        .iter()
        .map(|&(rows, _)| GrowthFigures {
            rows,
            runs: Vec::new(),
        })
        .collect();
    for _ in 0..plan.rounds.max(1) {
        for ((size, server), figures) in servers.iter().zip(&mut growth) {
            let with_truth = *size == rows;
            let run = server.bench(set, with_truth, CONNECTIONS, plan.measured);
            figures.runs.push(run.await?);
        }
    }
    Ok(growth)
}

/// A server with the first `size` rows, or with all of them and as many more like them.
async fn filled(size: u64, rows: u64, set: &VectorSet, plan: &Plan) -> Result<Server> {
    let server = Server::start(&plan.binary, &plan.scratch).await?;
    let base = npy::read_vectors(&set.base)?;
    let file = tempfile::Builder::new()
        .prefix("rows-")
        .suffix(".npy")
        .tempfile_in(&plan.scratch)?;
    if size < rows {
        write_rows(file.path(), &base, size, 0)?;
        server.import(&[file.path()]).await?;
    } else {
        write_rows(file.path(), &base, size - rows, 1)?;
        server.import(&[&set.base, file.path()]).await?;
    }
    server.settle().await?;
    Ok(server)
}

/// Writes as many rows as are wanted, the base's over and over. Each round of them is moved by a
/// little noise of its own, by at most one in the units of the base, so that no two rows are
/// equal; round 0 is the base itself.
fn write_rows(path: &Path, base: &npy::Vectors, rows: u64, first_round: u64) -> Result<()> {
    let context = || format!("cannot write {}", path.display());
    let mut out = BufWriter::new(File::create(path).with_context(context)?);
    npy::write_header(&mut out, rows, base.dimension).with_context(context)?;
    let base_rows = (base.values.len() / base.dimension) as u64;
    for row in 0..rows {
        let (round, source) = (first_round + row / base_rows, row % base_rows);
        let start = source as usize * base.dimension;
        let values = &base.values[start..start + base.dimension];
        for (place, &value) in (start as u64..).zip(values) {
            let moved = match round {
                0 => value,
                _ => value + noise(round, place),
            };
            out.write_all(&moved.to_le_bytes()).with_context(context)?;
        }
    }
    out.flush().with_context(context)
}

/// A number between -1 and 1, the same for the same round and place (splitmix64).
fn noise(round: u64, place: u64) -> f32 {
    let mut mixed = (round << 40 ^ place).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    mixed = (mixed ^ mixed >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
    ((mixed ^ mixed >> 31) >> 40) as f32 / (1 << 23) as f32 - 1.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_grow_by_distinct_ones_near_the_base() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("rows.npy");
        let base = npy::Vectors {
            dimension: 3,
            values: (0..12).map(|value| value as f32 * 10.0).collect(),
        };

        write_rows(&path, &base, 8, 1).unwrap();
        let grown = npy::read_vectors(&path).unwrap();
        let mut seen: Vec<&[f32]> = base
            .values
            .chunks(3)
            .chain(grown.values.chunks(3))
            .collect();
        seen.sort_by(|a, b| a[0].total_cmp(&b[0]));
        seen.dedup();
        assert_eq!(seen.len(), 12);
        let near = |(value, base): (&f32, &f32)| (value - base).abs() <= 1.0;
        assert!(
            grown
                .values
                .iter()
                .zip(base.values.iter().cycle())
                .all(near)
        );

        write_rows(&path, &base, 2, 0).unwrap();
        assert_eq!(npy::read_vectors(&path).unwrap().values, base.values[..6]);
    }
}
