//! The probe binary asks: copied into the Pod by the init container, run by exec probes.

use k8s_openapi::api::core::v1::{ExecAction, Probe};

use super::{Asker, Needs, Work, limit, milliseconds_for};
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
        let mut command = vec![PROBE.to_owned(), "check".to_owned()];
        command.extend(flags(question));
        command.push(format!("--timeout={}ms", milliseconds_for(timeout)));
        Probe { exec: Some(ExecAction { command: Some(command) }), ..Probe::default() }
    }
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
