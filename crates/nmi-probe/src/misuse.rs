//! What was asked for wrongly: exit status 2.

use std::fmt;

use crate::text;

/// How the program was misused. Displayed as a sentence that says what would have been right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Misuse {
    /// No command was given.
    NoCommand,
    /// There is no such command.
    UnknownCommand(String),
    /// The command has no such flag, but these.
    UnknownFlag {
        /// The command.
        command: &'static str,
        /// What was given for a flag.
        flag: String,
        /// The flags there are.
        known: &'static [&'static str],
    },
    /// The command takes no such argument.
    UnexpectedArgument {
        /// The command.
        command: &'static str,
        /// The argument.
        argument: String,
    },
    /// The flag needs a value.
    MissingValue(&'static str),
    /// The flag was given twice.
    Repeated(&'static str),
    /// A flag or an environment variable has a value that is not allowed.
    BadValue {
        /// The flag or variable.
        name: &'static str,
        /// Its value.
        value: String,
        /// What is allowed.
        allowed: &'static str,
    },
    /// A flag has no meaning without something else.
    Misplaced {
        /// The flag.
        flag: &'static str,
        /// What it needs.
        wants: &'static str,
    },
    /// Two probes of `serve` have this name.
    ProbeTwice(String),
    /// This command, which is not `check`, is followed by `--` and a command.
    NotWrapping(String),
    /// No command follows `--`.
    NoWrapped,
    /// Both `--then` and a command after `--` are given.
    TwoOriginals,
    /// `install` needs one directory.
    NoDirectory,
    /// The node's address is needed and not in the environment.
    NoHostIp,
    /// The Pod's address is needed and not in the environment.
    NoPodIp,
}

const COMMANDS: &str = "there are check, wait, serve and install";

/// The longest quotation of what was typed.
const QUOTATION: usize = 60;

impl fmt::Display for Misuse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let quote = |typed: &str| text::quote(typed.as_bytes(), QUOTATION);
        match self {
            Self::NoCommand => write!(f, "no command given; {COMMANDS}"),
            Self::UnknownCommand(command) => {
                write!(f, "unknown command {}; {COMMANDS}", quote(command))
            }
            Self::UnknownFlag { command, flag, known } => {
                write!(f, "unknown flag {}; {command} has {}", quote(flag), known.join(", "))
            }
            Self::UnexpectedArgument { command, argument } => {
                write!(f, "unexpected argument {} of {command}", quote(argument))
            }
            Self::MissingValue(flag) => write!(f, "{flag} needs a value"),
            Self::Repeated(flag) => write!(f, "{flag} is given twice"),
            Self::BadValue { name, value, allowed } => {
                write!(f, "{name} is {}; allowed is {allowed}", quote(value))
            }
            Self::Misplaced { flag, wants } => write!(f, "{flag} needs {wants}"),
            Self::ProbeTwice(name) => write!(f, "--probe {} is given twice", quote(name)),
            Self::NotWrapping(command) => {
                write!(f, "{} takes no command after --; only check does", quote(command))
            }
            Self::NoWrapped => f.write_str("-- needs a command after it"),
            Self::TwoOriginals => f.write_str("--then and a command after -- exclude each other"),
            Self::NoDirectory => f.write_str("install needs one directory"),
            Self::NoHostIp => f.write_str(
                "neither NMI_GUARD_HOST_IP nor HOST_IP is set; healthz needs the node's IP address there",
            ),
            Self::NoPodIp => f.write_str(
                "NMI_GUARD_POD_IP is not set; a target without a host needs the Pod's IP address there",
            ),
        }
    }
}
