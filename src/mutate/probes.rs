//! The readiness and liveness probes of the guarded containers.

use k8s_openapi::api::core::v1::Probe;
use serde_json::{Map, Value};

use super::ask::{self, KUBERNETES_TIMEOUT, Original, Place, Why, Wrapped};
use super::env;
use super::fragment::{Fragment, Part, Parts};
use super::patch::{Patch, Payload};
use super::sidecar::Further;
use super::status::Status;
use crate::pod::Container;
use crate::policy::{
    ExistingProbes, Guarded, InProbe, Plan, ProbeKind, ProbeTiming, Question, Settings, Warning,
};

/// Everything that the probes of one Pod add to.
pub(super) struct Probes<'g, 'a> {
    pub plan: &'g Plan<'g>,
    pub parts: &'g Parts,
    pub patch: &'g mut Patch,
    pub warnings: &'g mut Vec<Warning>,
    pub status: &'g mut Status<'a>,
    /// What the sidecar is to ask for containers.
    pub further: &'g mut Further,
}

/// A guarded container.
#[derive(Clone, Copy)]
pub(super) struct Of<'g, 'a> {
    pub container: &'g Container<'a>,
    pub guarded: &'g Guarded,
    /// Its index in `spec.containers`.
    pub index: &'g str,
}

impl<'a> Probes<'_, 'a> {
    /// Adds the probes that the plan asks for, appends to `injected` what was added, and returns whether any
    /// of them asks by the method.
    pub fn add(&mut self, of: Of<'_, 'a>, injected: &mut Vec<&'static str>) -> bool {
        let mut asks = false;
        for kind in ProbeKind::ALL {
            let Some(asked) = of.guarded.question(kind) else { continue };
            let is_placed = match (kind.is_in(of.container), self.plan.settings.existing_probes, asked) {
                (false, _, _) | (true, ExistingProbes::Replace, _) => self.place(of, kind, asked),
                (true, ExistingProbes::Wrap, InProbe::Ask(question)) => {
                    self.wrap(of, kind, question, injected)
                }
                (true, ExistingProbes::Wrap | ExistingProbes::Keep, _) => {
                    self.kept(of, kind, |container, probe| Warning::ProbeKept { container, probe });
                    false
                }
            };
            if is_placed {
                injected.push(kind.as_str());
                asks |= matches!(asked, InProbe::Ask(_));
            }
        }
        asks
    }

    /// Puts a probe of ours where there is none, or in the place of one.
    fn place(&mut self, of: Of<'_, 'a>, kind: ProbeKind, asked: &InProbe) -> bool {
        let probe = fragment(self.plan, asked, kind, self.parts);
        self.put(of, kind, probe);
        true
    }

    fn put(&mut self, of: Of<'_, 'a>, kind: ProbeKind, probe: Fragment) {
        let path = ["spec", "containers", of.index, kind.field()];
        match kind.of(of.container).raw() {
            None => self.patch.add(&path, Payload::Object(probe)),
            Some(original) => {
                self.status.keep(&of.container.name, kind.field(), original);
                self.patch.replace(&path, Payload::Object(probe));
            }
        }
    }

    /// Puts a probe that asks `question` and what the container's own asks in the place of that, if it can.
    fn wrap(
        &mut self,
        of: Of<'_, 'a>,
        kind: ProbeKind,
        question: &Question,
        injected: &mut Vec<&'static str>,
    ) -> bool {
        match wrapped(self.plan, of.container, kind, question) {
            Ok((probe, Wrapped { serve, asks_own_address, .. })) => {
                self.put(of, kind, probe);
                if !serve.is_empty() {
                    self.further.flags.extend(serve);
                    self.further.asks_own_address |= asks_own_address;
                } else if asks_own_address
                    && !injected.contains(&env::POD_IP)
                    && env::add_pod_ip(of.container, of.index, self.parts, self.patch)
                {
                    injected.push(env::POD_IP);
                }
                true
            }
            Err(why) => {
                self.kept(of, kind, |container, probe| Warning::ProbeNotWrapped { container, probe, why });
                false
            }
        }
    }

    /// Tells of a probe that is kept, unless the sidecar's readiness makes up for it.
    fn kept(
        &mut self,
        of: Of<'_, 'a>,
        kind: ProbeKind,
        warning: impl FnOnce(String, &'static str) -> Warning,
    ) {
        if !self.plan.is_ready_by_sidecar() {
            self.warnings.push(warning(of.container.name.to_string(), kind.as_str()));
        }
    }
}

/// The container's own probe with another handler; every other field stays.
fn wrapped(
    plan: &Plan<'_>,
    container: &Container<'_>,
    kind: ProbeKind,
    question: &Question,
) -> Result<(Fragment, Wrapped), Why> {
    const UNREADABLE: Why = "it can't be read";
    let own = kind.of(container);
    let read = own.read().ok_or(UNREADABLE)?;
    let raw = own.raw().ok_or(UNREADABLE)?;
    let mut probe: Map<String, Value> = serde_json::from_str(raw.get()).map_err(|_| UNREADABLE)?;
    let place = Place {
        container: &container.name,
        kind,
        theirs: u32::try_from(read.timeout_seconds).ok().filter(|seconds| *seconds > KUBERNETES_TIMEOUT),
        ours: timing(&plan.settings, kind).timeout,
    };
    let wrapped = ask::asker(plan).wrap(question, Original::of(&read, container)?, &place)?;
    probe.retain(|field, _| !matches!(&field[..], "exec" | "httpGet" | "tcpSocket" | "grpc"));
    let Ok(Value::Object(handler)) = serde_json::to_value(&wrapped.handler) else { return Err(UNREADABLE) };
    probe.extend(handler);
    probe.insert("timeoutSeconds".to_owned(), place.both().into());
    Ok((Fragment::of(&probe), wrapped))
}

fn fragment(plan: &Plan<'_>, asked: &InProbe, kind: ProbeKind, parts: &Parts) -> Fragment {
    let part = match kind {
        ProbeKind::Readiness => Part::Readiness,
        ProbeKind::Liveness => Part::Liveness,
    };
    let timing = timing(&plan.settings, kind);
    let probe = || timed(ask::in_probe(plan, asked, kind, timing.timeout), timing);
    match asked {
        InProbe::Ask(_) => parts.get(part, probe),
        // Each container may have its own port.
        InProbe::App(_) => Fragment::of(&probe()),
    }
}

fn timing(settings: &Settings, kind: ProbeKind) -> &ProbeTiming {
    match kind {
        ProbeKind::Readiness => &settings.readiness,
        ProbeKind::Liveness => &settings.liveness,
    }
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
