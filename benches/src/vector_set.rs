//! The vectors that everything is measured on: files in a directory of the user's.

use std::path::{Path, PathBuf};

use anyhow::{Result, ensure};

/// (key, title, base, queries, truth); `benches/peers/vector_set.py` names the same.
const SETS: [(&str, &str, &str, &str, &str); 2] = [
    (
        "sift1m",
        "SIFT-1M",
        "sift1m_base_u8.npy",
        "sift1m_query_u8.npy",
        "sift1m_truth_cosine_100.npy",
    ),
    (
        "minilm",
        "MiniLM",
        "minilm_base_f16.npy",
        "minilm_query_f16.npy",
        "minilm_truth_cosine_100.npy",
    ),
];

/// The files of one set.
#[derive(Debug, Clone)]
pub struct VectorSet {
    /// The word for it in file names.
    pub key: &'static str,
    /// The word for it in tables.
    pub title: &'static str,
    /// Rows × dimensions; the row's number is its id.
    pub base: PathBuf,
    /// Queries × dimensions.
    pub queries: PathBuf,
    /// Queries × 100: the rows of the highest cosine, best first.
    pub truth: PathBuf,
}

/// Key and title of every set there may be, in the order of the tables.
#[must_use]
pub fn known() -> [(&'static str, &'static str); 2] {
    SETS.map(|(key, title, ..)| (key, title))
}

/// The sets whose files are all in the directory; says on standard error which are not.
///
/// # Errors
///
/// If there is none.
pub fn found_in(directory: &Path) -> Result<Vec<VectorSet>> {
    let mut found = Vec::new();
    for (key, title, base, queries, truth) in SETS {
        let files = [base, queries, truth].map(|file| directory.join(file));
        let [base, queries, truth] = files.clone();
        match files.iter().find(|file| !file.is_file()) {
            Some(missing) => eprintln!("{title}: SKIPPED, there is no {}", missing.display()),
            None => found.push(VectorSet {
                key,
                title,
                base,
                queries,
                truth,
            }),
        }
    }
    ensure!(
        !found.is_empty(),
        "{} holds no vectors to measure with; benches/README.md tells the files",
        directory.display()
    );
    Ok(found)
}
