//! A byte flipped in any file while the process is stopped: the server names the file and refuses,
//! or still answers right; never a wrong answer, never an empty start over existing data.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use vectra_tests::http::Api;
use vectra_tests::process::{Home, Vectra};
use vectra_tests::vectors::{numbered, random_vectors, seeded};
use vectra_tests::wait::{eventually, poll};

const DIMENSION: usize = 32;

fn files_under(directory: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(directory).expect("a directory") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            files.extend(files_under(&path));
        } else if fs::metadata(&path).expect("a file").len() > 0 {
            files.push(path);
        }
    }
    files.sort();
    files
}

fn copy_directory(from: &Path, to: &Path) {
    let _ = fs::remove_dir_all(to);
    fs::create_dir_all(to).expect("a directory");
    for file in files_under(from) {
        let target = to.join(file.strip_prefix(from).expect("a file of it"));
        fs::create_dir_all(target.parent().expect("a parent")).expect("a directory");
        fs::copy(&file, target).expect("a copy");
    }
}

/// What a file is, whatever its number: its name with the digits left out, below the directory.
fn kind(file: &Path, root: &Path) -> String {
    let below = file
        .strip_prefix(root)
        .expect("a file of it")
        .display()
        .to_string();
    below.chars().filter(|c| !c.is_ascii_digit()).collect()
}

struct Kept {
    home: Home,
    intact: PathBuf,
    ids: Vec<String>,
    vectors: Vec<Vec<f32>>,
}

/// A stopped server's data: sealed segments, and rows that are only in the log.
fn stopped_server() -> Kept {
    let home = Home::fresh();
    let mut server = Vectra::role("serve", "data", &home)
        .set("seal_bytes", "64KiB")
        .set("shards", "1")
        .start();
    let api = server.api();
    let ids = numbered("row-", 1_500);
    let vectors = random_vectors(&mut seeded(1), 1_500, DIMENSION);
    for (ids, vectors) in ids.chunks(100).zip(vectors.chunks(100)) {
        api.ingest(ids, vectors);
    }
    server.kill();
    let intact = home.path().join("intact");
    copy_directory(&server.data(), &intact);
    Kept {
        home,
        intact,
        ids,
        vectors,
    }
}

/// Starts a server on the damaged copy. It must name the file, or answer everything right.
fn serve_damaged(kept: &Kept, file: &Path) -> Result<(), String> {
    let mut server = Vectra::role("serve", "data", &kept.home).set("http.timeout", "3s");
    let _ = fs::remove_file(server.log_file());
    server.spawn();
    let api = server.api();
    let ended = eventually("it answers or ends", || {
        if server.exited().is_some() {
            return Ok(true);
        }
        let health = api.try_get("/health")?;
        if health.status == 200 {
            Ok(false)
        } else {
            Err(health.describe())
        }
    });
    let complaint = if ended {
        "it refuses".to_owned()
    } else {
        match right_answers(&api, kept) {
            Ok(()) => return Ok(()),
            Err(wrong) if wrong.starts_with("WRONG") => return Err(wrong),
            Err(complaint) => complaint,
        }
    };
    let named = poll(Duration::from_secs(15), || names(&server.log(), file));
    if named {
        return Ok(());
    }
    let printed = server.log();
    Err(format!(
        "{complaint} and does not name the file; it printed:\n{printed}"
    ))
}

/// The file by its name, or the directory that it is in by its path.
fn names(log: &str, file: &Path) -> bool {
    let name = file.file_name().expect("a name").to_string_lossy();
    let directory = file.parent().expect("a directory").to_string_lossy();
    log.lines().any(|line| {
        let told = line.contains(&*name) || line.contains(&*directory);
        told && !line.contains("Truncating")
    })
}

/// `Ok` if every answer is right; an error that starts with WRONG if one is not, any other if the
/// server does not answer.
fn right_answers(api: &Api, kept: &Kept) -> Result<(), String> {
    for (id, vector) in kept.ids.iter().zip(&kept.vectors) {
        let found = api.try_fetch(id)?;
        if found.as_ref() != Some(vector) {
            return Err(format!("WRONG: {id} is {found:?}"));
        }
    }
    let items = api.items();
    if items != kept.ids.len() as u64 {
        return Err(format!("WRONG: {items} items"));
    }
    for row in [3, 1_400] {
        let best = api.try_search(&kept.vectors[row], 1)?.hits;
        if best.first().map(|hit| hit.id.as_str()) != Some(kept.ids[row].as_str()) {
            return Err(format!("WRONG: the nearest of row {row} is {best:?}"));
        }
    }
    Ok(())
}

/// The first file of each kind.
fn one_of_each_kind(kept: &Kept) -> Vec<PathBuf> {
    let mut chosen: Vec<PathBuf> = Vec::new();
    let mut seen: Vec<String> = Vec::new();
    for file in files_under(&kept.intact) {
        let kind = kind(&file, &kept.intact);
        if !seen.contains(&kind) {
            seen.push(kind);
            chosen.push(file);
        }
    }
    chosen
}

/// Bytes of a file up to the last that is not zero: logs are allocated ahead.
fn used_bytes(file: &Path) -> usize {
    let bytes = fs::read(file).expect("the file");
    let last = bytes.iter().rposition(|&byte| byte != 0);
    last.map_or(bytes.len(), |last| last + 1)
}

/// Makes a damaged copy of the intact data; answers where `file` is in it.
fn copy_to_damage(kept: &Kept, file: &Path) -> PathBuf {
    let data = kept.home.path().join("data");
    copy_directory(&kept.intact, &data);
    data.join(file.strip_prefix(&kept.intact).expect("a file of it"))
}

#[test]
fn a_flipped_byte_in_each_kind_of_file() {
    let kept = stopped_server();
    let files = one_of_each_kind(&kept);
    assert!(
        files.len() >= 4,
        "log, manifest, segment and vectors: {files:?}"
    );
    let mut complaints = Vec::new();
    for file in files {
        let used = used_bytes(&file);
        // Short of the very end: there a log's last batch is, and damage to it looks like a write
        // that was cut off by the kill and never acknowledged.
        for position in [0, used / 10, used / 2, used * 9 / 10] {
            let damaged = copy_to_damage(&kept, &file);
            let mut bytes = fs::read(&damaged).expect("the file");
            bytes[position] ^= 0x40;
            fs::write(&damaged, bytes).expect("the file");
            if let Err(complaint) = serve_damaged(&kept, &damaged) {
                complaints.push(format!(
                    "{}, byte {position}: {complaint}",
                    damaged.display()
                ));
            }
        }
    }
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
}

#[test]
fn a_missing_file_is_not_taken_for_an_empty_server() {
    let kept = stopped_server();
    let mut complaints = Vec::new();
    for file in one_of_each_kind(&kept) {
        if file.file_name().is_some_and(|name| name == "LOCK") {
            continue;
        }
        let missing = copy_to_damage(&kept, &file);
        fs::remove_file(&missing).expect("the file");
        if let Err(complaint) = serve_damaged(&kept, &missing) {
            complaints.push(format!("without {}: {complaint}", missing.display()));
        }
    }
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
}

#[test]
fn a_missing_directory_is_not_taken_for_an_empty_server() {
    let kept = stopped_server();
    let mut complaints = Vec::new();
    for directory in ["log", "shards"] {
        let missing = copy_to_damage(&kept, &kept.intact.join(directory));
        fs::remove_dir_all(&missing).expect("a directory of the server");
        if let Err(complaint) = serve_damaged(&kept, &missing) {
            complaints.push(format!("without {}: {complaint}", missing.display()));
        }
    }
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
}
