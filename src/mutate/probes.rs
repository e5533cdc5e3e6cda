//! The readiness and liveness probes of the guarded containers.

use k8s_openapi::api::core::v1::{ExecAction, Probe};

use super::PROBE;
use super::fragment::{Fragment, Part, Parts};
use super::patch::{Patch, Payload};
use crate::pod::Container;
use crate::policy::{ExistingProbes, HttpPath, Plan, Port, ProbeTiming, Settings, Verify, Warning};

/// Adds the probes that the plan asks for, appends to `injected` what was added, and returns whether any
/// was.
pub(super) fn add(
    container: &Container<'_>,
    index: &str,
    plan: &Plan<'_>,
    parts: &Parts,
    patch: &mut Patch,
    warnings: &mut Vec<Warning>,
    injected: &mut Vec<&'static str>,
) -> bool {
    let settings: &Settings = &plan.settings;
    let readiness = Wanted {
        name: "readiness",
        field: "readinessProbe",
        is_there: container.has_readiness_probe,
        probe: || parts.get(Part::Readiness, || probe(settings, &settings.readiness, settings.verify)),
    };
    let liveness = Wanted {
        name: "liveness",
        field: "livenessProbe",
        is_there: container.has_liveness_probe,
        probe: || {
            let verify = liveness_verify(settings.verify);
            parts.get(Part::Liveness, || probe(settings, &settings.liveness, verify))
        },
    };
    let before = injected.len();
    if plan.checks.readiness {
        readiness.add(container, index, settings.existing_probes, patch, warnings, injected);
    }
    if plan.checks.liveness {
        liveness.add(container, index, settings.existing_probes, patch, warnings, injected);
    }
    injected.len() > before
}

/// One kind of probe for one container.
struct Wanted<F> {
    name: &'static str,
    field: &'static str,
    is_there: bool,
    probe: F,
}

impl<F: Fn() -> Fragment> Wanted<F> {
    fn add(
        &self,
        container: &Container<'_>,
        index: &str,
        existing: ExistingProbes,
        patch: &mut Patch,
        warnings: &mut Vec<Warning>,
        injected: &mut Vec<&'static str>,
    ) {
        let path = ["spec", "containers", index, self.field];
        match (self.is_there, existing) {
            (false, _) => patch.add(&path, Payload::Object((self.probe)())),
            (true, ExistingProbes::Replace) => patch.replace(&path, Payload::Object((self.probe)())),
            (true, ExistingProbes::Keep) => {
                warnings.push(Warning::ProbeKept { container: container.name.to_string(), probe: self.name });
                return;
            }
        }
        injected.push(self.name);
    }
}

/// The flags that say what is checked and where; what is the probe's own default is left out.
pub(super) fn target_flags(settings: &Settings, verify: Verify) -> Vec<String> {
    let mut flags = vec![format!("--verify={verify}")];
    if settings.nmi_port != Port::of::<8085>() {
        flags.push(format!("--port={}", settings.nmi_port));
    }
    if settings.nmi_path != HttpPath::healthz() {
        flags.push(format!("--path={}", settings.nmi_path));
    }
    flags
}

/// Conservative on restarts: a lost rule comes back with NMI's next reconcile, so liveness asks only
/// whether NMI is there, unless that is the one thing that can't be asked.
fn liveness_verify(verify: Verify) -> Verify {
    if verify.healthz { Verify { healthz: true, interception: false } } else { verify }
}

fn probe(settings: &Settings, timing: &ProbeTiming, verify: Verify) -> Probe {
    let mut command = vec![PROBE.to_owned(), "check".to_owned()];
    command.extend(target_flags(settings, verify));
    // Ends before the kubelet would kill it, so that the reason gets into the Pod's events.
    command.push(format!("--timeout={}ms", timing.timeout.get() * 800));
    Probe {
        exec: Some(ExecAction { command: Some(command) }),
        initial_delay_seconds: Some(timing.initial_delay.as_i32()),
        period_seconds: Some(timing.period.as_i32()),
        timeout_seconds: Some(timing.timeout.as_i32()),
        failure_threshold: Some(timing.failure_threshold.as_i32()),
        success_threshold: Some(timing.success_threshold.as_i32()),
        ..Probe::default()
    }
}
