//! A sidecar asks for the whole Pod, and the kubelet asks the sidecar.

use k8s_openapi::api::core::v1::Probe;

use super::native::{BINARY, Native, flags, work};
use super::{Asker, KUBERNETES_TIMEOUT, Original, Place, Why, Work, Wrapped, kubelet};
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

    fn wrap(&self, _: &Question, original: Original, place: &Place<'_>) -> Result<Wrapped, Why> {
        let Original::Target(target) = original else {
            return Err("a sidecar can't run its command");
        };
        let name = format!("{}/{}", place.container, place.kind.as_str());
        let mut serve = vec![format!("--probe={name}={}", target.url)];
        serve.extend(target.headers.iter().map(|header| format!("--header={header}")));
        serve.push(format!("--probe-timeout={}s", place.theirs.unwrap_or(KUBERNETES_TIMEOUT)));
        let handler = kubelet::get(&format!("/probe/{name}"), self.port);
        Ok(Wrapped { handler, serve, asks_own_address: target.is_own })
    }
}

/// Where the sidecar tells whether its question is answered as this `kind` of probe wants it.
pub(in crate::mutate) fn path(kind: ProbeKind) -> &'static str {
    match kind {
        ProbeKind::Readiness => "/ready",
        ProbeKind::Liveness => "/live",
    }
}

/// The command of the sidecar, which asks `further` probes of containers.
pub(in crate::mutate) fn serve(sidecar: &Sidecar, further: &[String]) -> Vec<String> {
    let mut command = vec![BINARY.to_owned(), "serve".to_owned()];
    command.extend(flags(&sidecar.question));
    if sidecar.port != DEFAULT_PORT {
        command.push(format!("--listen-port={}", sidecar.port));
    }
    command.extend_from_slice(further);
    command
}
