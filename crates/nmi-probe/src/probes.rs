//! The wrapped probes of `serve`, as the command line gives them.

use std::time::Duration;

use crate::duration;
use crate::flags::{Flags, read_value};
use crate::misuse::Misuse;
use crate::target::{self, Header, Target};

/// A wrapped probe that `serve` asks when it is asked itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedProbe {
    /// `CONTAINER/readiness` or `CONTAINER/liveness`.
    pub name: String,
    /// What it asks.
    pub target: Target,
    /// The longest it may take.
    pub timeout: Duration,
}

impl NamedProbe {
    /// Whether it is a liveness probe; else it is a readiness probe.
    pub fn is_liveness(&self) -> bool {
        self.name.ends_with(LIVENESS)
    }
}

const LIVENESS: &str = "/liveness";
const READINESS: &str = "/readiness";

const ALLOWED: &str = "CONTAINER/readiness=TARGET or CONTAINER/liveness=TARGET; see --help for TARGET";

/// Reads the probes of `serve`. `--header` and `--probe-timeout` belong to the `--probe` before them.
///
/// # Errors
/// [`Misuse`], the first there is.
pub fn read(flags: &Flags) -> Result<Vec<NamedProbe>, Misuse> {
    let mut probes: Vec<NamedProbe> = Vec::new();
    for (flag, value) in flags.in_order() {
        let last = || Misuse::Misplaced { flag, wants: "a --probe before it" };
        match flag {
            "--probe" => {
                let probe = read_value(flag, value, ALLOWED, parse_probe)?;
                if probes.iter().any(|earlier| earlier.name == probe.name) {
                    return Err(Misuse::ProbeTwice(probe.name));
                }
                probes.push(probe);
            }
            "--header" => add_header(&mut probes.last_mut().ok_or_else(last)?.target, value)?,
            "--probe-timeout" => {
                let timeout = read_value(flag, value, duration::ALLOWED, duration::parse)?;
                probes.last_mut().ok_or_else(last)?.timeout = timeout;
            }
            _ => {}
        }
    }
    Ok(probes)
}

fn parse_probe(text: &str) -> Option<NamedProbe> {
    let (name, target) = text.split_once('=')?;
    let container = name.strip_suffix(READINESS).or_else(|| name.strip_suffix(LIVENESS))?;
    let of_label = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let fit = (1..=63).contains(&container.len()) && container.bytes().all(of_label);
    let target = Target::parse(target)?;
    // The kubelet's own default.
    fit.then(|| NamedProbe { name: name.to_owned(), target, timeout: Duration::from_secs(1) })
}

/// Adds the header of a `--header` to the target it belongs to.
///
/// # Errors
/// [`Misuse`] when it is none, or the target takes none.
pub fn add_header(target: &mut Target, value: &str) -> Result<(), Misuse> {
    let header = read_value("--header", value, target::HEADER_ALLOWED, Header::parse)?;
    let misplaced = Misuse::Misplaced { flag: "--header", wants: "a target that begins with http://" };
    if target.add_header(header) { Ok(()) } else { Err(misplaced) }
}
