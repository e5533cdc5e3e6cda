//! The probe binary asks: copied into the Pod by the init container, run by exec probes.

use k8s_openapi::api::core::v1::{ExecAction, Probe};

use super::{Asker, Needs, Original, Place, Why, Work, Wrapped, limit, milliseconds_for};
use crate::mutate::{MOUNT_PATH, PROBE};
use crate::policy::{HttpPath, Port, ProbeKind, Question, Resource, Seconds, Settings};

/// The probe binary in the image.
pub(super) const BINARY: &str = "/nmi-probe";

/// The method `native`.
pub(super) struct Native;

impl Asker for Native {
    fn runs_binary(&self) -> bool {
        true
    }

    fn wait(&self, settings: &Settings, question: &Question, installs: bool) -> Work {
        let mut command = vec![BINARY.to_owned(), "wait".to_owned()];
        if installs {
            command.push(format!("--install={MOUNT_PATH}"));
        }
        command.extend(flags(question));
        command.push(format!("--interval={}s", settings.init_interval));
        if let Some(seconds) = limit(settings, None) {
            command.push(format!("--timeout={seconds}s"));
        }
        work(settings, command)
    }

    fn idle(&self, settings: &Settings) -> Work {
        let command = vec![BINARY.to_owned(), "install".to_owned(), MOUNT_PATH.to_owned()];
        work(settings, command)
    }

    fn probe(&self, question: &Question, _: ProbeKind, timeout: Seconds) -> Probe {
        let mut command = check(question);
        command.push(format!("--timeout={}ms", milliseconds_for(timeout)));
        exec(command)
    }

    fn wrap(&self, question: &Question, original: Original, place: &Place<'_>) -> Result<Wrapped, Why> {
        let mut command = check(question);
        let asks_own_address = match original {
            Original::Command(words) => {
                // The rest of the time is the command's, into which the process turns.
                let ours = place.ours.get().min(place.both());
                command.push(format!("--timeout={}ms", u64::from(ours) * 800));
                command.push("--".to_owned());
                command.extend(words);
                false
            }
            Original::Target(target) => {
                command.push(format!("--timeout={}ms", u64::from(place.both()) * 1000 - MARGIN));
                command.push(format!("--then={}", target.url));
                command.extend(target.headers.iter().map(|header| format!("--header={header}")));
                target.is_own
            }
        };
        Ok(Wrapped { handler: exec(command), serve: Vec::new(), asks_own_address })
    }
}

/// What is left of the time for both, in milliseconds, to tell why it failed.
const MARGIN: u64 = 100;

/// The command that asks `question` once; its time is still to be added.
fn check(question: &Question) -> Vec<String> {
    let mut command = vec![PROBE.to_owned(), "check".to_owned()];
    command.extend(flags(question));
    command
}

fn exec(command: Vec<String>) -> Probe {
    Probe { exec: Some(ExecAction { command: Some(command) }), ..Probe::default() }
}

pub(super) fn work(settings: &Settings, command: Vec<String>) -> Work {
    Work { image: settings.image.clone(), command, env: Vec::new(), needs: Needs::SMALL, writes: false }
}

/// The flags that say what is asked; what is the probe's own default is left out.
pub(super) fn flags(question: &Question) -> Vec<String> {
    let mut flags = Vec::new();
    match question {
        Question::Nmi(target) => {
            flags.push(format!("--verify={}", target.verify));
            if target.port != Port::of::<8085>() {
                flags.push(format!("--port={}", target.port));
            }
            if target.path != HttpPath::healthz() {
                flags.push(format!("--path={}", target.path));
            }
        }
        Question::Token(request) => {
            flags.push("--ask=token".to_owned());
            if request.resource != Resource::management() {
                flags.push(format!("--resource={}", request.resource));
            }
            if let Some(identity) = &request.expect {
                flags.push(format!("--expect-identity={identity}"));
            }
        }
    }
    flags
}
