//! The command line: what was typed, as commands whose values are valid.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use crate::asked::Asked;
use crate::flags::{Flags, Known};
use crate::misuse::Misuse;
use crate::probes::{self, NamedProbe};
use crate::target::{self, Target};
use crate::wait::Patience;

/// A command with its values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Print [`crate::help::HELP`].
    Help,
    /// Print the version.
    Version,
    /// Copy this binary into a directory.
    Install(PathBuf),
    /// Check until guarded.
    Wait(WaitOptions),
    /// Check once.
    Check(CheckOptions),
    /// Check again and again, and answer over HTTP.
    Serve(ServeOptions),
}

/// The flags of `wait`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WaitOptions {
    /// What is asked.
    pub asked: Asked,
    /// The directory to copy this binary to first.
    pub install: Option<PathBuf>,
    /// How often and how long to try.
    pub patience: Patience,
}

/// The flags of `check`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckOptions {
    /// What is asked.
    pub asked: Asked,
    /// The longest the check may take, a wrapped probe that is asked for included.
    pub timeout: Duration,
    /// What follows when the Pod is guarded.
    pub then: Then,
}

/// What follows a check that passed: the probe that was wrapped, if there is one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Then {
    /// Nothing.
    Nothing,
    /// The process becomes this command.
    Become {
        /// The program, looked for along `PATH` unless it has a slash.
        program: OsString,
        /// Its arguments.
        args: Vec<OsString>,
    },
    /// This is asked.
    Ask(Target),
}

/// The flags of `serve`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServeOptions {
    /// What is asked.
    pub asked: Asked,
    /// The port to listen on; 0 is any free one.
    pub port: u16,
    /// The pause between the end of one attempt and the start of the next.
    pub interval: Duration,
    /// The longest that one attempt may take.
    pub attempt: Duration,
    /// The probes that were wrapped.
    pub probes: Vec<NamedProbe>,
}

/// The port of `serve`, out of the way of everything well known.
const SERVE_PORT: u16 = 18085;

const CHECK: Known = Known {
    command: "check",
    flags: &[
        "--ask",
        "--verify",
        "--port",
        "--path",
        "--resource",
        "--expect-identity",
        "--timeout",
        "--then",
        "--header",
    ],
    repeatable: &["--header"],
};

const WAIT: Known = Known {
    command: "wait",
    flags: &[
        "--ask",
        "--verify",
        "--port",
        "--path",
        "--resource",
        "--expect-identity",
        "--timeout",
        "--install",
        "--interval",
        "--attempt-timeout",
    ],
    repeatable: &[],
};

const SERVE: Known = Known {
    command: "serve",
    flags: &[
        "--ask",
        "--verify",
        "--port",
        "--path",
        "--resource",
        "--expect-identity",
        "--listen-port",
        "--interval",
        "--attempt-timeout",
        "--probe",
        "--header",
        "--probe-timeout",
    ],
    repeatable: &["--probe", "--header", "--probe-timeout"],
};

/// Reads the arguments that follow the program's name.
///
/// # Errors
/// [`Misuse`], the first there is.
pub fn parse(args: impl IntoIterator<Item = OsString>) -> Result<Command, Misuse> {
    let mut args: Vec<OsString> = args.into_iter().collect();
    let wrapped = args.iter().position(|arg| arg == "--").map(|at| args.split_off(at));
    // What is not UTF-8 is no valid value of anything but a directory, and directories are chosen by
    // nmi-guard: the replacement character shows up in the message.
    let own: Vec<String> = args.into_iter().map(|arg| arg.to_string_lossy().into_owned()).collect();
    let Some((command, rest)) = own.split_first() else { return Err(Misuse::NoCommand) };
    if own.iter().any(|arg| matches!(arg.as_str(), "--help" | "-h")) {
        return Ok(Command::Help);
    }
    match command.as_str() {
        "check" => parse_check(rest, wrapped).map(Command::Check),
        _ if wrapped.is_some() => Err(Misuse::NotWrapping(command.clone())),
        "wait" => parse_wait(rest).map(Command::Wait),
        "serve" => parse_serve(rest).map(Command::Serve),
        "install" => parse_install(rest).map(Command::Install),
        "--version" | "-V" => Ok(Command::Version),
        other => Err(Misuse::UnknownCommand(other.to_owned())),
    }
}

fn parse_check(args: &[String], wrapped: Option<Vec<OsString>>) -> Result<CheckOptions, Misuse> {
    let flags = Flags::read(&CHECK, args)?;
    Ok(CheckOptions {
        asked: Asked::read(&flags)?,
        timeout: flags.duration("--timeout")?.unwrap_or(Duration::from_millis(2400)),
        then: parse_then(&flags, wrapped)?,
    })
}

fn parse_then(flags: &Flags, wrapped: Option<Vec<OsString>>) -> Result<Then, Misuse> {
    let target = flags.value("--then", target::ALLOWED, Target::parse)?;
    match (target, wrapped) {
        (Some(_), Some(_)) => Err(Misuse::TwoOriginals),
        (None, wrapped) => {
            flags.refuse(&["--header"], "--then=http://...")?;
            wrapped.map_or(Ok(Then::Nothing), parse_wrapped)
        }
        (Some(mut target), None) => {
            for (_, value) in flags.in_order().filter(|(name, _)| *name == "--header") {
                probes::add_header(&mut target, value)?;
            }
            Ok(Then::Ask(target))
        }
    }
}

/// `--`, and what follows it.
fn parse_wrapped(args: Vec<OsString>) -> Result<Then, Misuse> {
    let mut args = args.into_iter().skip(1);
    let program = args.next().filter(|program| !program.is_empty()).ok_or(Misuse::NoWrapped)?;
    Ok(Then::Become { program, args: args.collect() })
}

fn parse_wait(args: &[String]) -> Result<WaitOptions, Misuse> {
    let flags = Flags::read(&WAIT, args)?;
    let asked = Asked::read(&flags)?;
    // NMI holds a request for a token while the identity is being assigned to the node.
    let attempt = Duration::from_secs(if asked.is_for_token() { 30 } else { 3 });
    Ok(WaitOptions {
        asked,
        install: flags.value("--install", "a directory", directory)?,
        patience: Patience {
            interval: flags.duration("--interval")?.unwrap_or(Duration::from_secs(2)),
            attempt: flags.duration("--attempt-timeout")?.unwrap_or(attempt),
            limit: flags.duration("--timeout")?,
        },
    })
}

fn parse_serve(args: &[String]) -> Result<ServeOptions, Misuse> {
    let flags = Flags::read(&SERVE, args)?;
    let asked = Asked::read(&flags)?;
    // A token costs NMI, and at times IMDS, more than a word about their health.
    let (interval, attempt) = if asked.is_for_token() { (5000, 10_000) } else { (500, 1500) };
    Ok(ServeOptions {
        asked,
        port: flags.value("--listen-port", "a port from 0 to 65535", any_port)?.unwrap_or(SERVE_PORT),
        interval: flags.duration("--interval")?.unwrap_or(Duration::from_millis(interval)),
        attempt: flags.duration("--attempt-timeout")?.unwrap_or(Duration::from_millis(attempt)),
        probes: probes::read(&flags)?,
    })
}

fn any_port(text: &str) -> Option<u16> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}

fn parse_install(args: &[String]) -> Result<PathBuf, Misuse> {
    match args {
        [flag, ..] if flag.starts_with('-') => {
            Err(Misuse::UnexpectedArgument { command: "install", argument: flag.clone() })
        }
        [one] => directory(one).ok_or(Misuse::NoDirectory),
        _ => Err(Misuse::NoDirectory),
    }
}

fn directory(text: &str) -> Option<PathBuf> {
    (!text.is_empty()).then(|| PathBuf::from(text))
}

#[cfg(test)]
#[path = "args_tests.rs"]
mod tests;
