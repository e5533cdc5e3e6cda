//! Carries out a command and says how it went.

use std::ffi::OsString;
use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::Path;

use crate::args::{self, CheckOptions, Command, WaitOptions};
use crate::deadline::Deadline;
use crate::guard::Guard;
use crate::help::HELP;
use crate::misuse::Misuse;
use crate::{duration, install, wait};

/// The environment variable that moves the file for last words. For tests.
pub const TERMINATION_LOG: &str = "NMI_GUARD_TERMINATION_LOG";

/// Where Kubernetes looks for a container's last words unless its `terminationMessagePath` says otherwise.
const DEFAULT_TERMINATION_LOG: &str = "/dev/termination-log";

/// The exit status: guarded, or done.
pub const SUCCESS: u8 = 0;
/// The exit status: not guarded, or failed.
pub const FAILURE: u8 = 1;
/// The exit status: the command line or the environment is wrong.
pub const MISUSED: u8 = 2;

/// Carries out the command of `args` (without the program's name), looking up environment variables with
/// `variable`, and returns the exit status.
pub fn run(args: impl IntoIterator<Item = OsString>, variable: impl Fn(&str) -> Option<OsString>) -> u8 {
    let ended = args::parse(args).and_then(|command| match command {
        Command::Help => Ok(print(HELP.trim_end())),
        Command::Version => Ok(print(concat!("nmi-probe ", env!("CARGO_PKG_VERSION")))),
        Command::Install(directory) => Ok(run_install(&directory).unwrap_or_else(|words| fail(&words))),
        Command::Check(options) => run_check(options, &variable),
        Command::Wait(options) => run_wait(options, &variable),
        Command::Serve(_) => Ok(MISUSED),
    });
    ended.unwrap_or_else(|misuse| {
        complain(&format!("misused: {misuse}"));
        MISUSED
    })
}

fn run_install(directory: &Path) -> Result<u8, String> {
    match install::install(directory) {
        Ok(()) => Ok(SUCCESS),
        Err(error) => Err(format!("cannot install {} in {}: {error}", install::NAME, directory.display())),
    }
}

fn run_check(options: CheckOptions, variable: impl Fn(&str) -> Option<OsString>) -> Result<u8, Misuse> {
    let guard = Guard::new(options.asked, variable)?;
    Ok(match guard.check(Deadline::after(options.timeout)) {
        Ok(()) => print("guarded"),
        Err(unguarded) => {
            print(&format!("not guarded: {unguarded}"));
            FAILURE
        }
    })
}

fn run_wait(options: WaitOptions, variable: impl Fn(&str) -> Option<OsString>) -> Result<u8, Misuse> {
    let guard = Guard::new(options.asked, &variable)?;
    let last_words = |words: String| {
        leave(&words, variable(TERMINATION_LOG));
        fail(&words)
    };
    if let Some(directory) = &options.install
        && let Err(words) = run_install(directory)
    {
        return Ok(last_words(words));
    }
    let waited = wait::wait(
        options.patience,
        |deadline| guard.check(deadline),
        |unguarded| {
            print(&format!("not guarded: {unguarded}"));
        },
    );
    Ok(match waited {
        Ok(time) => print(&format!("guarded after {}", duration::show(time))),
        Err(wait::GaveUp { after, reason }) => {
            last_words(format!("gave up after {}: {reason}", duration::show(after)))
        }
    })
}

/// Leaves `words` where Kubernetes finds them as the container's termination message. The kubelet makes
/// the file; where there is none, as when run by hand, none is made.
fn leave(words: &str, path: Option<OsString>) {
    let path = path.unwrap_or_else(|| DEFAULT_TERMINATION_LOG.into());
    let written = OpenOptions::new()
        .write(true)
        .truncate(true)
        .open(&path)
        .and_then(|mut file| file.write_all(words.as_bytes()));
    match written {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            complain(&format!("cannot write to {}: {error}", path.display()));
        }
        _ => {}
    }
}

/// A result, for stdout. That nobody reads it is no failure: the exit status tells as well.
fn print(line: &str) -> u8 {
    let _ = io::stdout().write_all(format!("{line}\n").as_bytes());
    SUCCESS
}

fn fail(line: &str) -> u8 {
    complain(line);
    FAILURE
}

fn complain(line: &str) {
    let _ = io::stderr().write_all(format!("{line}\n").as_bytes());
}
