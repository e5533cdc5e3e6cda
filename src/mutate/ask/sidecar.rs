//! A sidecar asks for the whole Pod, and the kubelet asks the sidecar.

use k8s_openapi::api::core::v1::Probe;

use super::native::{BINARY, Native, flags, work};
use super::{Asker, Work, kubelet};
use crate::policy::{Plan, Port, ProbeKind, Question, Seconds, Settings, Sidecar};

/// Where the sidecar listens unless it is told otherwise.
const DEFAULT_PORT: Port = Port::of::<18085>();

/// The method `sidecar`.
pub(super) struct InSidecar {
    port: Port,
}

impl InSidecar {
    /// The asker of `plan`.
    pub(super) fn of(plan: &Plan<'_>) -> Self {
        Self { port: plan.sidecar.as_ref().map_or(plan.settings.sidecar_port, |sidecar| sidecar.port) }
    }
}

impl Asker for InSidecar {
    fn runs_binary(&self) -> bool {
        false
    }

    fn wait(&self, settings: &Settings, question: &Question, installs: bool) -> Work {
        Native.wait(settings, question, installs)
    }

    fn idle(&self, settings: &Settings) -> Work {
        work(settings, vec![BINARY.to_owned(), "--version".to_owned()])
    }

    fn probe(&self, _: &Question, kind: ProbeKind, _: Seconds) -> Probe {
        kubelet::get(&path(kind), self.port)
    }
}

/// Where the sidecar tells whether its question is answered as this `kind` of probe wants it.
pub(in crate::mutate) fn path(kind: ProbeKind) -> &'static str {
    match kind {
        ProbeKind::Readiness => "/ready",
        ProbeKind::Liveness => "/live",
    }
}

/// The command of the sidecar.
pub(in crate::mutate) fn serve(sidecar: &Sidecar) -> Vec<String> {
    let mut command = vec![BINARY.to_owned(), "serve".to_owned()];
    command.extend(flags(&sidecar.question));
    if sidecar.port != DEFAULT_PORT {
        command.push(format!("--listen-port={}", sidecar.port));
    }
    command
}
