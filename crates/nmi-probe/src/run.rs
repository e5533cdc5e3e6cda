//! Carries out a command and says how it went.

use std::ffi::{OsStr, OsString};
use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use crate::args::{self, CheckOptions, Command, ServeOptions, Then, WaitOptions};
use crate::board::Matter;
use crate::deadline::Deadline;
use crate::guard::{self, Guard};
use crate::help::HELP;
use crate::misuse::Misuse;
use crate::original::{self, Original};
use crate::probes::NamedProbe;
use crate::serve::{self, Probe, Service};
use crate::{duration, install, text, wait};

/// The environment variable that moves the file for last words. For tests.
pub const TERMINATION_LOG: &str = "NMI_GUARD_TERMINATION_LOG";

/// Where Kubernetes looks for a container's last words unless its `terminationMessagePath` says otherwise.
const DEFAULT_TERMINATION_LOG: &str = "/dev/termination-log";

/// The longest quotation of a program's name.
const PROGRAM: usize = 200;

/// The exit status: guarded, or done.
pub const SUCCESS: u8 = 0;
/// The exit status: not guarded, or failed.
pub const FAILURE: u8 = 1;
/// The exit status: the command line or the environment is wrong.
pub const MISUSED: u8 = 2;

/// Carries out the command of `args` (without the program's name) and returns the exit status. Environment
/// variables are looked up with `variable`. `exec` is to replace the process by a program with arguments, and
/// returns, with the reason, only if that fails.
pub fn run(
    args: impl IntoIterator<Item = OsString>,
    variable: impl Fn(&str) -> Option<OsString>,
    exec: impl Fn(&OsStr, &[OsString]) -> io::Error,
) -> u8 {
    let ended = args::parse(args).and_then(|command| match command {
        Command::Help => Ok(print(HELP.trim_end())),
        Command::Version => Ok(print(concat!("nmi-probe ", env!("CARGO_PKG_VERSION")))),
        Command::Install(directory) => Ok(run_install(&directory).unwrap_or_else(|words| fail(&words))),
        Command::Check(options) => run_check(options, &variable, exec),
        Command::Wait(options) => run_wait(options, &variable),
        Command::Serve(options) => run_serve(options, &variable),
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

fn run_check(
    options: CheckOptions,
    variable: impl Fn(&str) -> Option<OsString>,
    exec: impl Fn(&OsStr, &[OsString]) -> io::Error,
) -> Result<u8, Misuse> {
    let guard = Guard::new(options.asked, &variable)?;
    // Before the question: misuse is told whatever the answer.
    let original = match options.then {
        Then::Ask(ref target) => Some(Original::new(target, guard::pod_ip(&variable)?)?),
        Then::Nothing | Then::Become { .. } => None,
    };
    let deadline = Deadline::after(options.timeout);
    if let Err(unguarded) = guard.check(deadline) {
        print(&format!("not guarded: {unguarded}"));
        return Ok(FAILURE);
    }
    if let Then::Become { program, args } = options.then {
        // Becoming it keeps its output, its exit status and the kubelet's timeout.
        let error = exec(&program, &args);
        let program = text::quote(program.as_bytes(), PROGRAM);
        return Ok(fail(&format!("guarded, but the original probe cannot be run: {program}: {error}")));
    }
    Ok(match original.map(|original| original.ask(deadline)) {
        None => print("guarded"),
        Some(Ok(words)) => print(&original::passed(&words)),
        Some(Err(words)) => {
            print(&original::failed(&words));
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

fn run_serve(options: ServeOptions, variable: impl Fn(&str) -> Option<OsString>) -> Result<u8, Misuse> {
    let guard = Guard::new(options.asked, &variable)?;
    let own = guard::pod_ip(&variable)?;
    let probe = |named: NamedProbe| {
        let matter = if named.is_liveness() { Matter::Live } else { Matter::Ready };
        let original = Original::new(&named.target, own)?;
        Ok(Probe { name: named.name, matter, original, timeout: named.timeout })
    };
    let probes = options.probes.into_iter().map(probe).collect::<Result<_, _>>()?;
    let service = Service { guard, interval: options.interval, attempt: options.attempt, probes };
    let served = serve::listen(options.port).and_then(|listener| {
        print(&format!("serving on {}", listener.local_addr()?));
        serve::serve(&service, &listener, |state| {
            print(state);
        })
    });
    Ok(served
        .map_or_else(|error| fail(&format!("cannot serve on port {}: {error}", options.port)), |()| SUCCESS))
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
