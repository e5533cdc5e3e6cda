//! The rooms are as docs/architecture.md says: each uses the rooms that the table names, all of which stand
//! above it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// A room and the rooms that it uses.
type Row = (String, BTreeSet<String>);

#[test]
fn the_table_of_rooms_is_true() {
    let said: BTreeMap<_, _> = table().into_iter().collect();
    assert_eq!(said, rooms(), "left: docs/architecture.md, right: the code");
}

#[test]
fn arrows_go_one_way() {
    let mut above = BTreeSet::new();
    for (room, uses) in table() {
        assert!(uses.is_subset(&above), "{room} uses {uses:?}, of which only {above:?} stand above it");
        above.insert(room);
    }
}

fn table() -> Vec<Row> {
    let text = fs::read_to_string(source().with_file_name("docs/architecture.md")).unwrap();
    text.lines()
        .filter_map(|line| line.strip_prefix("| `src/")?.strip_suffix('|'))
        .map(|row| {
            let (room, rest) = row.split_once('`').unwrap();
            let uses = rest.rsplit('|').next().unwrap();
            (room.to_owned(), uses.split('`').skip(1).step_by(2).map(str::to_owned).collect())
        })
        .collect()
}

/// The folders of the library, and what of `crate::` their code names.
fn rooms() -> BTreeMap<String, BTreeSet<String>> {
    let folders: BTreeSet<String> = fs::read_dir(source())
        .unwrap()
        .map(|entry| entry.unwrap())
        .filter(|entry| entry.path().join("mod.rs").is_file())
        .map(|entry| entry.file_name().into_string().unwrap())
        // The commands belong to the program, not to the library.
        .filter(|name| name != "cli")
        .collect();
    let uses = |room: &String| {
        let named: BTreeSet<String> =
            files(&source().join(room)).iter().flat_map(|file| named(file)).collect();
        named.into_iter().filter(|name| name != room && folders.contains(name)).collect()
    };
    folders.iter().map(|room| (room.clone(), uses(room))).collect()
}

/// What stands after `crate::` in the code of a file; comments may name anything.
fn named(file: &Path) -> BTreeSet<String> {
    let text = fs::read_to_string(file).unwrap();
    let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
    code.flat_map(|line| line.split("crate::").skip(1))
        .map(|rest| rest.chars().take_while(|c| c.is_ascii_lowercase() || *c == '_').collect())
        .collect()
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

fn source() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}
