//! `install`.

use std::fs::{self, File, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::thread;

use tempfile::{TempDir, tempdir};

use crate::process::{Outcome, PROBE, probe, run};

fn install(directory: &Path) -> Outcome {
    let mut command = probe("install", &[]);
    command.arg(directory);
    run(command)
}

#[track_caller]
fn assert_installed(directory: &TempDir) {
    let names: Vec<_> = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, ["nmi-probe"]);
    let copy = directory.path().join("nmi-probe");
    assert_eq!(fs::metadata(&copy).unwrap().permissions().mode() & 0o7777, 0o755);
    assert!(fs::read(copy).unwrap() == fs::read(PROBE).unwrap(), "the copy differs");
}

#[test]
fn the_copy_is_whole_and_everyone_may_run_it_whatever_the_umask() {
    let directory = tempdir().unwrap();
    let script = r#"umask 077; exec "$0" install "$1""#;
    let mut command = Command::new("sh");
    command.args(["-c", script, PROBE]).arg(directory.path());
    let outcome = run(command);
    assert_eq!((outcome.code, outcome.stdout.as_str(), outcome.stderr.as_str()), (Some(0), "", ""));
    assert_installed(&directory);
}

#[test]
fn installing_again_replaces_what_is_there() {
    let directory = tempdir().unwrap();
    let copy = directory.path().join("nmi-probe");
    fs::write(&copy, "of an older version").unwrap();
    let older = File::open(&copy).unwrap();
    assert_eq!(install(directory.path()).code, Some(0));
    assert_eq!(install(directory.path()).code, Some(0));
    assert_installed(&directory);
    // Who runs the older one keeps it: it was not written over in place.
    assert_eq!(io::read_to_string(older).unwrap(), "of an older version");
}

#[test]
fn an_attempt_that_was_interrupted_is_no_obstacle() {
    let directory = tempdir().unwrap();
    let leftover = directory.path().join(".nmi-probe.new");
    fs::write(&leftover, "half a bin").unwrap();
    fs::set_permissions(&leftover, Permissions::from_mode(0o000)).unwrap();
    assert_eq!(install(directory.path()).code, Some(0));
    assert_installed(&directory);
}

#[test]
fn the_copy_can_install_itself_over_itself() {
    let directory = tempdir().unwrap();
    assert_eq!(install(directory.path()).code, Some(0));
    let mut command = Command::new(directory.path().join("nmi-probe"));
    command.arg("install").arg(directory.path());
    assert_eq!(run(command).code, Some(0));
    assert_installed(&directory);
}

#[test]
fn at_every_moment_the_copy_is_whole() {
    let directory = tempdir().unwrap();
    assert_eq!(install(directory.path()).code, Some(0));
    thread::scope(|scope| {
        let installing = scope.spawn(|| (0..20).all(|_| install(directory.path()).code == Some(0)));
        let mut runs = 0;
        while !installing.is_finished() || runs == 0 {
            let mut command = Command::new(directory.path().join("nmi-probe"));
            command.arg("--version");
            assert_eq!(run(command).code, Some(0));
            runs += 1;
        }
        assert!(installing.join().unwrap());
    });
    assert_installed(&directory);
}

#[test]
fn what_cannot_be_done_is_said_and_leaves_nothing_behind() {
    let directory = tempdir().unwrap();
    let missing = directory.path().join("missing");
    let outcome = install(&missing);
    let words = format!("cannot install nmi-probe in {}: No such file or directory", missing.display());
    assert_eq!(outcome.code, Some(1));
    assert!(outcome.stderr.starts_with(&words), "{outcome:?}");

    fs::create_dir(directory.path().join("nmi-probe")).unwrap();
    let outcome = install(directory.path());
    assert_eq!(outcome.code, Some(1));
    assert!(outcome.stderr.contains("Is a directory"), "{outcome:?}");
    assert!(!directory.path().join(".nmi-probe.new").exists());
}
