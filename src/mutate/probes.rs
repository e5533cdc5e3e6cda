//! The readiness and liveness probes of the guarded containers.

use k8s_openapi::api::core::v1::Probe;

use super::ask;
use super::fragment::{Fragment, Part, Parts};
use super::patch::{Patch, Payload};
use crate::pod::Container;
use crate::policy::{Guarded, InProbe, Plan, ProbeKind, ProbeTiming, Settings, Warning};

/// Adds the probes that the plan asks for, appends to `injected` what was added, and returns whether any
/// of them asks by the method.
pub(super) fn add(
    container: &Container<'_>,
    (index, guarded): (&str, &Guarded),
    plan: &Plan<'_>,
    parts: &Parts,
    patch: &mut Patch,
    warnings: &mut Vec<Warning>,
    injected: &mut Vec<&'static str>,
) -> bool {
    let settings: &Settings = &plan.settings;
    let mut asks = false;
    for kind in [ProbeKind::Readiness, ProbeKind::Liveness] {
        let Some(asked) = guarded.question(kind) else { continue };
        let path = ["spec", "containers", index, kind.field()];
        let is_there = kind.is_in(container);
        if !settings.existing_probes.make_room(is_there) {
            if !plan.is_ready_by_sidecar() {
                let container = container.name.to_string();
                warnings.push(Warning::ProbeKept { container, probe: kind.as_str() });
            }
            continue;
        }
        let probe = Payload::Object(fragment(plan, asked, kind, parts));
        if is_there {
            patch.replace(&path, probe);
        } else {
            patch.add(&path, probe);
        }
        injected.push(kind.as_str());
        asks |= matches!(asked, InProbe::Ask(_));
    }
    asks
}

fn fragment(plan: &Plan<'_>, asked: &InProbe, kind: ProbeKind, parts: &Parts) -> Fragment {
    let settings: &Settings = &plan.settings;
    let (part, timing) = match kind {
        ProbeKind::Readiness => (Part::Readiness, &settings.readiness),
        ProbeKind::Liveness => (Part::Liveness, &settings.liveness),
    };
    match asked {
        InProbe::Ask(_) => parts.get(part, || probe(plan, asked, kind, timing)),
        // Each container may have its own port.
        InProbe::App(_) => Fragment::of(&probe(plan, asked, kind, timing)),
    }
}

fn probe(plan: &Plan<'_>, asked: &InProbe, kind: ProbeKind, timing: &ProbeTiming) -> Probe {
    timed(ask::in_probe(plan, asked, kind, timing.timeout), timing)
}

/// `handler` at these times.
pub(super) fn timed(handler: Probe, timing: &ProbeTiming) -> Probe {
    Probe {
        initial_delay_seconds: Some(timing.initial_delay.as_i32()),
        period_seconds: Some(timing.period.as_i32()),
        timeout_seconds: Some(timing.timeout.as_i32()),
        failure_threshold: Some(timing.failure_threshold.as_i32()),
        success_threshold: Some(timing.success_threshold.as_i32()),
        ..handler
    }
}
