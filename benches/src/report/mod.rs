//! One table of everything measured, against what is wanted.

mod criteria;
mod page;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::figures::{EngineFigures, HttpFigures, PeerSet, PeersFigures, SetFigures, StepLoad};
use crate::vector_set;

pub use page::render;

/// Where and when it was measured.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Occasion {
    /// Year-month-day.
    pub date: String,
    /// The commit.
    pub revision: String,
    /// The CPU, its cores, the instruction set of the scan.
    pub machine: String,
    /// Memory and kernel.
    pub surroundings: String,
}

/// All that was measured; what was not is absent.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Measured {
    /// Where and when.
    pub occasion: Occasion,
    /// How busy the machine was before each step.
    pub steps: Vec<StepLoad>,
    /// The engine alone, by the set's key.
    pub engine: BTreeMap<String, EngineFigures>,
    /// The server over HTTP.
    pub http: Option<HttpFigures>,
    /// The other engines.
    pub peers: Option<PeersFigures>,
}

/// What was measured on one set.
#[derive(Debug, Clone, Copy)]
struct OfSet<'a> {
    engine: Option<&'a EngineFigures>,
    http: Option<&'a SetFigures>,
    peers: Option<&'a PeerSet>,
}

impl Measured {
    /// Reads what the programs left in a directory: `steps.txt` (a load average and the step that
    /// came next, a line each), `engine-KEY.json`, `http.json`, `peers.json`.
    ///
    /// # Errors
    ///
    /// If a file is there and cannot be understood.
    pub fn read(directory: &Path, occasion: Occasion) -> Result<Self> {
        let mut engine = BTreeMap::new();
        for (key, _) in vector_set::known() {
            let figures = read_json(&directory.join(format!("engine-{key}.json")))?;
            engine.extend(figures.map(|figures| (key.to_owned(), figures)));
        }
        let http: Option<HttpFigures> = read_json(&directory.join("http.json"))?;
        let steps = fs::read_to_string(directory.join("steps.txt")).unwrap_or_default();
        let mut steps: Vec<StepLoad> = steps.lines().filter_map(step).collect();
        let sets = http.iter().flat_map(|http| &http.sets);
        steps.extend(sets.flat_map(|set| set.steps.clone()));
        Ok(Self {
            occasion,
            steps,
            engine,
            http,
            peers: read_json(&directory.join("peers.json"))?,
        })
    }

    fn of_set(&self, key: &str) -> OfSet<'_> {
        let http = self.http.iter().flat_map(|http| &http.sets);
        let peers = self.peers.iter().flat_map(|peers| &peers.sets);
        OfSet {
            engine: self.engine.get(key),
            http: http.into_iter().find(|set| set.key == key),
            peers: peers.into_iter().find(|set| set.key == key),
        }
    }
}

/// The figures in a file, or nothing where there is no file: a step that was not run.
fn read_json<T: DeserializeOwned>(path: &Path) -> Result<Option<T>> {
    if !path.is_file() {
        return Ok(None);
    }
    let text = fs::read_to_string(path)?;
    let figures = serde_json::from_str(&text);
    Ok(Some(figures.with_context(|| {
        format!("{} is not as expected", path.display())
    })?))
}

fn step(line: &str) -> Option<StepLoad> {
    let (load_average, step) = line.split_once(' ')?;
    Some(StepLoad {
        step: step.to_owned(),
        load_average: load_average.parse().ok()?,
    })
}
