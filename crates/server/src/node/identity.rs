//! The data directory and who it makes this process: identity lives on disk, not in an address.

use std::fs::{self, File, TryLockError};
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use vectra_cluster::NodeId;

/// The version of the data directory's layout that this binary writes and reads.
const FORMAT: u32 = 1;

/// Slots tried before a shared volume counts as full.
const MAX_SLOTS: u32 = 1_024;

const IDENTITY_FILE: &str = "identity.json";
const LOCK_FILE: &str = "LOCK";

/// A data directory held by this process alone until it is dropped.
#[derive(Debug)]
pub(super) struct DataDirectory {
    path: PathBuf,
    identity: Mutex<Identity>,
    incarnation: u64,
    /// The operating system gives the lock back when the process ends, however it ends.
    _lock: File,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Identity {
    format: u32,
    node: NodeId,
    cluster_id: Option<String>,
}

#[derive(Deserialize)]
struct FormatOnly {
    format: u32,
}

impl DataDirectory {
    /// Takes hold of `path`, or with `slots` of the first free numbered directory in it.
    pub(super) fn open(path: &Path, slots: bool) -> anyhow::Result<Self> {
        if !slots {
            return match Self::claim(path)? {
                Some(claimed) => Ok(claimed),
                None => bail!(
                    "{}: another process uses this data directory; stop it, or give this one \
                     another `--data-dir`",
                    path.display()
                ),
            };
        }
        for slot in 0..MAX_SLOTS {
            if let Some(claimed) = Self::claim(&path.join(format!("slot-{slot}")))? {
                return Ok(claimed);
            }
        }
        bail!(
            "{}: all {MAX_SLOTS} data slots are in use by other processes",
            path.display()
        )
    }

    /// `None` where another process holds it.
    fn claim(path: &Path) -> anyhow::Result<Option<Self>> {
        let shown = path.display();
        fs::create_dir_all(path)
            .with_context(|| format!("{shown}: cannot make the data directory"))?;
        let lock = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(path.join(LOCK_FILE))
            .with_context(|| format!("{shown}: cannot write to the data directory"))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(None),
            Err(TryLockError::Error(error)) => {
                return Err(error)
                    .with_context(|| format!("{shown}: cannot lock the data directory"));
            }
        }
        let identity = Identity::load_or_create(path)?;
        Ok(Some(Self {
            path: path.to_owned(),
            identity: Mutex::new(identity),
            incarnation: rand::random(),
            _lock: lock,
        }))
    }

    /// Where the data is.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The id of this node, made when the directory was.
    pub(super) fn node(&self) -> NodeId {
        self.identity.lock().node
    }

    /// Drawn at every start. The same node in another incarnation is another process: this one
    /// restarted, or one on a copy of its directory.
    pub(super) fn incarnation(&self) -> u64 {
        self.incarnation
    }

    /// The cluster that this data belongs to, once it belongs to one.
    pub(super) fn cluster_id(&self) -> Option<String> {
        self.identity.lock().cluster_id.clone()
    }

    /// Refuses data that belongs to a cluster and has lost its log: to start without would be to
    /// forget votes and acknowledged writes.
    pub(super) fn check_log(&self, directory: &str) -> anyhow::Result<()> {
        let Some(cluster_id) = self.cluster_id() else {
            return Ok(());
        };
        let log = self.path.join(directory);
        let has_files = fs::read_dir(&log).is_ok_and(|mut entries| {
            entries.any(|entry| {
                let name = entry.map(|entry| entry.file_name());
                name.is_ok_and(|name| name.to_string_lossy().ends_with(".raftlog"))
            })
        });
        if !has_files {
            bail!(
                "{}: the raft log is missing, although this data belongs to cluster {cluster_id}: \
                 restore it, or start with an empty data directory",
                log.display()
            );
        }
        Ok(())
    }

    /// Binds the data to a cluster for good.
    pub(super) fn bind_to(&self, cluster_id: &str) -> anyhow::Result<()> {
        let mut identity = self.identity.lock();
        match &identity.cluster_id {
            Some(bound) if bound == cluster_id => Ok(()),
            Some(bound) => bail!(
                "{}: this data belongs to cluster {bound}, not to {cluster_id}",
                self.path.display()
            ),
            None => {
                identity.cluster_id = Some(cluster_id.to_owned());
                identity.save(&self.path)
            }
        }
    }
}

impl Identity {
    fn load_or_create(directory: &Path) -> anyhow::Result<Self> {
        let file = directory.join(IDENTITY_FILE);
        let text = match fs::read_to_string(&file) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Self::create(directory);
            }
            Err(error) => {
                return Err(error).with_context(|| format!("{}: cannot be read", file.display()));
            }
        };
        let damaged = || format!("{}: damaged; restore it from a backup", file.display());
        let FormatOnly { format } = serde_json::from_str(&text).with_context(damaged)?;
        if format > FORMAT {
            bail!(
                "{}: format {format} was written by a newer vectra; this one reads up to {FORMAT}",
                file.display()
            );
        }
        serde_json::from_str(&text).with_context(damaged)
    }

    /// A new identity, and only for a directory that holds nothing else: state without its
    /// identity must never be served under another.
    fn create(directory: &Path) -> anyhow::Result<Self> {
        for entry in fs::read_dir(directory)? {
            let name = entry?.file_name();
            let leftover = name.to_string_lossy().ends_with(".new");
            // Some file systems keep a directory of their own at the root of a volume.
            if name != LOCK_FILE && name != "lost+found" && !leftover {
                bail!(
                    "{}: holds {} but no {IDENTITY_FILE}: not a data directory of vectra, or a \
                     damaged one; choose an empty directory",
                    directory.display(),
                    name.display()
                );
            }
        }
        // Below 2^53, so that every JSON reader shows it as it is.
        let node = rand::random_range(1..1_u64 << 53);
        let identity = Self {
            format: FORMAT,
            node,
            cluster_id: None,
        };
        identity.save(directory)?;
        Ok(identity)
    }

    /// Replaces the file atomically.
    fn save(&self, directory: &Path) -> anyhow::Result<()> {
        let file = directory.join(IDENTITY_FILE);
        let new = directory.join(format!("{IDENTITY_FILE}.new"));
        let write = || -> std::io::Result<()> {
            let mut written = File::create(&new)?;
            written.write_all(serde_json::to_string_pretty(self)?.as_bytes())?;
            written.sync_all()?;
            fs::rename(&new, &file)?;
            File::open(directory)?.sync_all()
        };
        write().with_context(|| format!("{}: cannot be written", file.display()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_keeps_its_id_and_cluster() {
        let root = tempfile::tempdir().unwrap();
        let first = DataDirectory::open(root.path(), false).unwrap();
        first.bind_to("c1").unwrap();
        let node = first.node();
        drop(first);
        let again = DataDirectory::open(root.path(), false).unwrap();
        assert_eq!(
            (again.node(), again.cluster_id()),
            (node, Some("c1".to_owned()))
        );
    }

    #[test]
    fn data_of_one_cluster_is_not_bound_to_another() {
        let root = tempfile::tempdir().unwrap();
        let data = DataDirectory::open(root.path(), false).unwrap();
        data.bind_to("c1").unwrap();
        let error = data.bind_to("c2").unwrap_err().to_string();
        assert!(error.contains("c1") && error.contains("c2"), "{error}");
    }

    #[test]
    fn data_of_a_cluster_is_not_opened_without_its_log() {
        let root = tempfile::tempdir().unwrap();
        let data = DataDirectory::open(root.path(), false).unwrap();
        data.check_log("log").unwrap();
        data.bind_to("c1").unwrap();
        let error = data.check_log("log").unwrap_err().to_string();
        assert!(error.contains("c1") && error.contains("log"), "{error}");
        fs::create_dir(root.path().join("log")).unwrap();
        fs::write(root.path().join("log/0000000000000001.raftlog"), "x").unwrap();
        data.check_log("log").unwrap();
    }

    #[test]
    fn a_directory_in_use_is_refused() {
        let root = tempfile::tempdir().unwrap();
        let _held = DataDirectory::open(root.path(), false).unwrap();
        let error = DataDirectory::open(root.path(), false)
            .unwrap_err()
            .to_string();
        assert!(error.contains("another process"), "{error}");
    }

    #[test]
    fn slots_are_claimed_one_after_the_other_and_found_again() {
        let root = tempfile::tempdir().unwrap();
        let first = DataDirectory::open(root.path(), true).unwrap();
        let second = DataDirectory::open(root.path(), true).unwrap();
        let (one, two) = (first.node(), second.node());
        assert_ne!(one, two);
        drop(first);
        assert_eq!(DataDirectory::open(root.path(), true).unwrap().node(), one);
    }

    #[test]
    fn foreign_or_newer_directories_are_refused() {
        let root = tempfile::tempdir().unwrap();
        fs::write(root.path().join("photo.jpg"), "x").unwrap();
        let error = DataDirectory::open(root.path(), false)
            .unwrap_err()
            .to_string();
        assert!(error.contains("photo.jpg"), "{error}");

        let newer = tempfile::tempdir().unwrap();
        fs::write(
            newer.path().join(IDENTITY_FILE),
            r#"{"format": 99, "soul": 1}"#,
        )
        .unwrap();
        let error = DataDirectory::open(newer.path(), false)
            .unwrap_err()
            .to_string();
        assert!(error.contains("newer"), "{error}");
    }
}
