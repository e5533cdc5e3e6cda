//! The command line: what was typed, as commands whose values are valid.

use std::ffi::OsString;
use std::num::NonZeroU16;
use std::path::PathBuf;
use std::time::Duration;

use crate::duration;
use crate::misuse::Misuse;
use crate::wait::Patience;

/// What `--help` prints.
pub const HELP: &str = "\
Checks whether the node's NMI (AAD Pod Identity) guards this Pod.

Usage:
  nmi-probe check [FLAGS]               check once
  nmi-probe wait [FLAGS]                check until guarded
  nmi-probe install DIR                 copy this binary to DIR/nmi-probe

Flags of check and wait (--flag=value or --flag value):
  --verify=healthz,interception         what to check: either or both      [both]
  --port=PORT                           port of the NMI's health endpoint  [8085]
  --path=PATH                           path of the NMI's health endpoint  [/healthz]
  --timeout=TIME                        check: the longest it may take     [2400ms]
                                        wait: give up after this time      [never]
Flags of wait:
  --install=DIR                         first copy this binary to DIR/nmi-probe
  --interval=TIME                       pause between attempts             [2s]
  --attempt-timeout=TIME                the longest one attempt may take   [3s]

TIME is 2400ms, 3s or 3 (seconds).

Environment:
  NMI_GUARD_HOST_IP, else HOST_IP       the node's IP address, for healthz
  NMI_GUARD_METADATA_ADDRESS            IP:PORT of the metadata service, for tests [169.254.169.254:80]
  NMI_GUARD_TERMINATION_LOG             where wait leaves its last words [/dev/termination-log]

Exit status: 0 guarded, 1 not guarded or failed, 2 misused, 128+N ended by signal N.
";

/// A command with its values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Print [`HELP`].
    Help,
    /// Print the version.
    Version,
    /// Copy this binary into a directory.
    Install(PathBuf),
    /// Check until guarded.
    Wait(WaitOptions),
    /// Check once.
    Check(CheckOptions),
}

/// The flags of `wait`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WaitOptions {
    /// What is asked for.
    pub asked: Asked,
    /// The directory to copy this binary to first.
    pub install: Option<PathBuf>,
    /// How often and how long to try.
    pub patience: Patience,
}

/// The flags of `check`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckOptions {
    /// What is asked for.
    pub asked: Asked,
    /// The longest the check may take.
    pub timeout: Duration,
}

/// What to check, as far as the command line says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// Which checks.
    pub verify: Verify,
    /// The port of the health endpoint.
    pub port: NonZeroU16,
    /// The path of the health endpoint.
    pub path: HealthPath,
}

/// Which checks: one of them at least.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verify {
    /// The health endpoint only.
    Healthz,
    /// Interception only.
    Interception,
    /// Both.
    Both,
}

impl Verify {
    /// Whether the health endpoint is asked.
    pub fn healthz(self) -> bool {
        self != Self::Interception
    }

    /// Whether interception is checked.
    pub fn interception(self) -> bool {
        self != Self::Healthz
    }

    fn parse(text: &str) -> Option<Self> {
        text.split(',')
            .map(Self::parse_one)
            .reduce(|sum, one| if sum? == one? { one } else { Some(Self::Both) })?
    }

    fn parse_one(text: &str) -> Option<Self> {
        match text {
            "healthz" => Some(Self::Healthz),
            "interception" => Some(Self::Interception),
            _ => None,
        }
    }
}

/// A path fit to be written into a request as it is: from `/`, visible ASCII, no `#`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HealthPath(String);

impl HealthPath {
    fn parse(text: &str) -> Option<Self> {
        let fit = text.starts_with('/') && text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#');
        fit.then(|| Self(text.to_owned()))
    }

    /// The path.
    pub fn into_string(self) -> String {
        self.0
    }
}

/// Reads the arguments that follow the program's name.
///
/// # Errors
/// [`Misuse`], the first there is.
pub fn parse(args: impl IntoIterator<Item = OsString>) -> Result<Command, Misuse> {
    // What is not UTF-8 is no valid value of anything but a directory, and directories are chosen by
    // nmi-guard: the replacement character shows up in the message.
    let args: Vec<String> = args.into_iter().map(|arg| arg.to_string_lossy().into_owned()).collect();
    let Some((command, rest)) = args.split_first() else { return Err(Misuse::NoCommand) };
    if args.iter().any(|arg| matches!(arg.as_str(), "--help" | "-h")) {
        return Ok(Command::Help);
    }
    match command.as_str() {
        "check" => parse_check(rest).map(Command::Check),
        "wait" => parse_wait(rest).map(Command::Wait),
        "install" => parse_install(rest).map(Command::Install),
        "--version" | "-V" => Ok(Command::Version),
        other => Err(Misuse::UnknownCommand(other.to_owned())),
    }
}

fn parse_check(args: &[String]) -> Result<CheckOptions, Misuse> {
    let flags = Flags::read("check", &["--verify", "--port", "--path", "--timeout"], args)?;
    Ok(CheckOptions {
        asked: parse_asked(&flags)?,
        timeout: flags.duration("--timeout")?.unwrap_or(Duration::from_millis(2400)),
    })
}

fn parse_wait(args: &[String]) -> Result<WaitOptions, Misuse> {
    let known =
        &["--verify", "--port", "--path", "--timeout", "--install", "--interval", "--attempt-timeout"];
    let flags = Flags::read("wait", known, args)?;
    Ok(WaitOptions {
        asked: parse_asked(&flags)?,
        install: flags.value("--install", "a directory", directory)?,
        patience: Patience {
            interval: flags.duration("--interval")?.unwrap_or(Duration::from_secs(2)),
            attempt: flags.duration("--attempt-timeout")?.unwrap_or(Duration::from_secs(3)),
            limit: flags.duration("--timeout")?,
        },
    })
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

fn parse_asked(flags: &Flags) -> Result<Asked, Misuse> {
    let port = flags.value("--port", "a port from 1 to 65535", parse_port)?;
    let path = flags.value("--path", "a path from / of visible ASCII without #", HealthPath::parse)?;
    let verify = flags.value("--verify", "healthz, interception or healthz,interception", Verify::parse)?;
    Ok(Asked {
        verify: verify.unwrap_or(Verify::Both),
        port: port.unwrap_or(DEFAULT_PORT),
        path: path.unwrap_or_else(|| HealthPath("/healthz".to_owned())),
    })
}

/// The port that the chart and the manifests of AAD Pod Identity give the NMI's `--http-probe-port`.
const DEFAULT_PORT: NonZeroU16 = NonZeroU16::MIN.saturating_add(8084);

/// Digits only: the number parsers of std take a sign as well.
fn parse_port(text: &str) -> Option<NonZeroU16> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}

/// The flags given, each known and given once, their values not yet looked at.
struct Flags(Vec<(&'static str, String)>);

impl Flags {
    fn read(command: &'static str, known: &'static [&'static str], args: &[String]) -> Result<Self, Misuse> {
        let mut given: Vec<(&'static str, String)> = Vec::new();
        let mut args = args.iter();
        while let Some(arg) = args.next() {
            if !arg.starts_with('-') {
                return Err(Misuse::UnexpectedArgument { command, argument: arg.clone() });
            }
            let (typed, attached) = match arg.split_once('=') {
                Some((name, value)) => (name, Some(value)),
                None => (arg.as_str(), None),
            };
            let unknown = || Misuse::UnknownFlag { command, flag: typed.to_owned(), known };
            let name = known.iter().copied().find(|name| *name == typed).ok_or_else(unknown)?;
            if given.iter().any(|(earlier, _)| *earlier == name) {
                return Err(Misuse::Repeated(name));
            }
            let next = || args.next().map(String::as_str).filter(|next| !next.starts_with("--"));
            let value = attached.or_else(next).ok_or(Misuse::MissingValue(name))?;
            given.push((name, value.to_owned()));
        }
        Ok(Self(given))
    }

    fn value<T>(
        &self,
        name: &'static str,
        allowed: &'static str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Result<Option<T>, Misuse> {
        let Some((_, value)) = self.0.iter().find(|(given, _)| *given == name) else { return Ok(None) };
        let bad = || Misuse::BadValue { name, value: value.clone(), allowed };
        parse(value).map(Some).ok_or_else(bad)
    }

    fn duration(&self, name: &'static str) -> Result<Option<Duration>, Misuse> {
        self.value(name, duration::ALLOWED, duration::parse)
    }
}

#[cfg(test)]
#[path = "args_tests.rs"]
mod tests;
