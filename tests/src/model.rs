//! What a server has promised: the writes it acknowledged, and those whose outcome nobody knows.

use std::collections::BTreeMap;

use crate::http::Api;

/// A stored vector, or `None` for no such id.
type Version = Option<Vec<f32>>;

/// Everything known about each id ever written.
#[derive(Clone, Debug, Default)]
pub struct Model {
    ids: BTreeMap<String, Known>,
}

#[derive(Clone, Debug, Default)]
struct Known {
    /// The last acknowledged version.
    acknowledged: Version,
    /// Versions of unacknowledged writes: each may have happened, or happen still.
    adrift: Vec<Version>,
}

impl Model {
    /// Vectors were ingested and acknowledged. The later of two equal ids wins.
    pub fn ingested(&mut self, ids: &[String], vectors: &[Vec<f32>]) {
        for (id, vector) in ids.iter().zip(vectors) {
            self.ids.entry(id.clone()).or_default().acknowledged = Some(vector.clone());
        }
    }

    /// Ids were deleted and acknowledged.
    pub fn deleted(&mut self, ids: &[String]) {
        for id in ids {
            self.ids.entry(id.clone()).or_default().acknowledged = None;
        }
    }

    /// An ingest was sent and not acknowledged.
    pub fn perhaps_ingested(&mut self, ids: &[String], vectors: &[Vec<f32>]) {
        for (id, vector) in ids.iter().zip(vectors) {
            self.ids
                .entry(id.clone())
                .or_default()
                .adrift
                .push(Some(vector.clone()));
        }
    }

    /// A delete was sent and not acknowledged.
    pub fn perhaps_deleted(&mut self, ids: &[String]) {
        for id in ids {
            self.ids.entry(id.clone()).or_default().adrift.push(None);
        }
    }

    /// Takes over what another model knows, of ids that this one has not seen.
    pub fn merge(&mut self, other: Self) {
        for (id, known) in other.ids {
            let before = self.ids.insert(id, known);
            assert!(before.is_none(), "two models know the same id");
        }
    }

    /// Every id ever written.
    pub fn ids(&self) -> Vec<String> {
        self.ids.keys().cloned().collect()
    }

    /// The rows that must be there, when no outcome is open.
    pub fn rows(&self) -> BTreeMap<String, Vec<f32>> {
        let mut rows = BTreeMap::new();
        for (id, known) in &self.ids {
            assert!(
                known.adrift.is_empty(),
                "the outcome of {id:?} is open: settle first"
            );
            if let Some(vector) = &known.acknowledged {
                rows.insert(id.clone(), vector.clone());
            }
        }
        rows
    }

    /// Checks every id against the server and takes what is found as the outcome of the writes
    /// whose outcome was open. To be called when none of them can be under way any more.
    ///
    /// # Panics
    /// When an acknowledged write is lost, a deleted id is back, or a vector was never written.
    #[track_caller]
    pub fn settle(&mut self, api: &Api) {
        for (id, known) in &mut self.ids {
            let found = api.fetch(id);
            let is_acknowledged = same(&found, &known.acknowledged);
            let is_adrift = known.adrift.iter().any(|version| same(&found, version));
            assert!(
                is_acknowledged || is_adrift,
                "{id:?}: found {}, but acknowledged was {}, and in doubt {}",
                brief(&found),
                brief(&known.acknowledged),
                known
                    .adrift
                    .iter()
                    .map(brief)
                    .collect::<Vec<_>>()
                    .join(", "),
            );
            known.acknowledged = found;
            known.adrift.clear();
        }
        self.assert_no_phantom(api);
    }

    /// Checks that the server lists exactly the rows of the model: by count, and by a search that
    /// returns them all.
    #[track_caller]
    fn assert_no_phantom(&self, api: &Api) {
        let rows = self.rows();
        api.wait_for_items(rows.len() as u64);
        let Some(any) = rows.values().next() else {
            return;
        };
        assert!(
            rows.len() <= 10_000,
            "one search cannot list {} rows",
            rows.len()
        );
        let mut found: Vec<String> = api
            .search(any, 10_000)
            .hits
            .into_iter()
            .map(|hit| hit.id)
            .collect();
        found.sort();
        let expected: Vec<String> = rows.into_keys().collect();
        assert_eq!(found, expected, "ids found by a search for all of them");
    }
}

/// Equal to the bit: -0.0 is not 0.0.
fn same(a: &Version, b: &Version) -> bool {
    let bits = |version: &Version| {
        version
            .as_ref()
            .map(|vector| vector.iter().map(|x| x.to_bits()).collect::<Vec<_>>())
    };
    bits(a) == bits(b)
}

fn brief(version: &Version) -> String {
    match version {
        None => "nothing".to_owned(),
        Some(vector) => format!("{:?}…", &vector[..vector.len().min(3)]),
    }
}
