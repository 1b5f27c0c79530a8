//! A byte flipped in any file while the process is stopped: the server names the file and refuses,
//! or still answers right; never a wrong answer, never an empty start over existing data.

use std::fs;
use std::path::{Path, PathBuf};

use vectra_tests::http::Api;
use vectra_tests::process::{Home, Vectra};
use vectra_tests::vectors::{numbered, random_vectors, seeded};
use vectra_tests::wait::eventually;

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

/// Starts a server on the damaged copy and checks what it says or answers.
fn try_to_serve(kept: &Kept, what: &str, file: &Path) {
    let mut server = Vectra::role("serve", "data", &kept.home).set("http.timeout", "3s");
    server.spawn();
    let api = server.api();
    let refused = eventually(&format!("{what}: it serves or ends"), || {
        if server.exited().is_some() {
            return Ok(true);
        }
        // Ready when a search is answered with hits, or refused for good reason.
        match api.try_search(&kept.vectors[0], 1) {
            Ok(_) => Ok(false),
            Err(said) if names_damage(&server.log(), file) => Ok(!said.is_empty()),
            Err(said) => Err(said),
        }
    });
    if refused {
        assert!(
            names_damage(&server.log(), file),
            "{what}: {file:?} is not named"
        );
        server.kill();
        return;
    }
    assert_right_or_refused(&api, kept, what, file, &server);
    server.kill();
}

fn names_damage(log: &str, file: &Path) -> bool {
    let name = file
        .file_name()
        .expect("a name")
        .to_string_lossy()
        .into_owned();
    log.contains(&name)
}

/// Each id is answered with its own vector, or with an error that is in the log; never with
/// something else, and never as if it had not been there.
fn assert_right_or_refused(api: &Api, kept: &Kept, what: &str, file: &Path, server: &Vectra) {
    let mut errors = 0;
    for (id, vector) in kept.ids.iter().zip(&kept.vectors) {
        match api.try_fetch(id) {
            Ok(found) => assert_eq!(found.as_ref(), Some(vector), "{what}: {id}"),
            Err(_) => errors += 1,
        }
        if errors > 3 {
            break;
        }
    }
    let intact = api.try_search(&kept.vectors[3], 1);
    if errors == 0 {
        assert_eq!(api.items(), kept.ids.len() as u64, "{what}: items");
        let best = intact.unwrap_or_else(|error| panic!("{what}: {error}"));
        assert_eq!(best.hits[0].id, "row-3", "{what}");
    } else {
        assert!(
            names_damage(&server.log(), file),
            "{what}: {file:?} is not named"
        );
    }
}

#[test]
fn a_flipped_byte_in_each_kind_of_file() {
    let kept = stopped_server();
    let mut seen: Vec<String> = Vec::new();
    for file in files_under(&kept.intact) {
        let kind = kind(&file, &kept.intact);
        if seen.contains(&kind) {
            continue;
        }
        seen.push(kind.clone());
        let size = fs::metadata(&file).expect("a file").len() as usize;
        for position in [0, size / 3, size - 1] {
            let data = kept.home.path().join("data");
            copy_directory(&kept.intact, &data);
            let damaged = data.join(file.strip_prefix(&kept.intact).expect("a file of it"));
            let mut bytes = fs::read(&damaged).expect("the file");
            bytes[position] ^= 0x40;
            fs::write(&damaged, bytes).expect("the file");
            try_to_serve(
                &kept,
                &format!("{kind}, byte {position} of {size}"),
                &damaged,
            );
        }
    }
    println!("damaged, one at a time: {seen:?}");
    assert!(
        seen.len() >= 4,
        "log, manifest, segment and vectors: {seen:?}"
    );
}

#[test]
fn a_missing_file_is_not_taken_for_an_empty_server() {
    let kept = stopped_server();
    let mut seen: Vec<String> = Vec::new();
    for file in files_under(&kept.intact) {
        let kind = kind(&file, &kept.intact);
        let is_of_store =
            kind.contains("segment") || kind.contains("vectors") || kind.contains("anifest");
        if !is_of_store || seen.contains(&kind) {
            continue;
        }
        seen.push(kind.clone());
        let data = kept.home.path().join("data");
        copy_directory(&kept.intact, &data);
        let missing = data.join(file.strip_prefix(&kept.intact).expect("a file of it"));
        fs::remove_file(&missing).expect("the file");
        try_to_serve(&kept, &format!("{kind} is missing"), &missing);
    }
    assert!(seen.len() >= 3, "manifest, segment and vectors: {seen:?}");
}
