//! What is to be injected into a Pod: which questions, in which containers.

use std::borrow::Cow;

use super::Policy;
use super::messages::Warning;
use super::questions::{AtStart, InProbe, ProbeKind, Question};
use super::refusal::Refusal;
use super::settings::Settings;
use super::values::{Checks, ContainerName};
use crate::pod::{Container, Pod};

/// What is to be injected.
#[derive(Clone, Debug)]
pub struct Plan<'p> {
    /// The effective settings.
    pub settings: Cow<'p, Settings>,
    /// The checks for this Pod, which depend on the strategy and on its being a batch Pod.
    pub checks: Checks,
    /// What is asked before the start.
    pub at_start: Option<AtStart>,
    /// The containers to guard.
    pub guarded: Vec<Guarded>,
    /// What the author is to be told.
    pub warnings: Vec<Warning>,
}

/// A container to guard.
#[derive(Clone, Debug)]
pub struct Guarded {
    /// Its index in `spec.containers`.
    pub index: usize,
    /// What its readiness probe is to ask.
    pub readiness: Option<InProbe>,
    /// What its liveness probe is to ask.
    pub liveness: Option<InProbe>,
}

impl Guarded {
    /// What its probe of this kind is to ask.
    pub fn question(&self, kind: ProbeKind) -> Option<&InProbe> {
        match kind {
            ProbeKind::Readiness => self.readiness.as_ref(),
            ProbeKind::Liveness => self.liveness.as_ref(),
        }
    }
}

/// More than the settings that can stand in each other's way.
const MOST_REFUSALS: usize = 8;

impl<'p> Plan<'p> {
    /// The plan that `settings` ask for. What can't be together is told in `problems` and mended, one thing
    /// after the other, so that all of them are named at once.
    pub(super) fn possible(
        pod: &Pod<'_>,
        policy: &'p Policy,
        mut settings: Cow<'p, Settings>,
        problems: &mut Vec<String>,
    ) -> Option<Self> {
        for _ in 0..MOST_REFUSALS {
            match Self::of(pod, policy, &settings) {
                Ok((checks, at_start, guarded)) => {
                    let mut plan = Self { settings, checks, at_start, guarded, warnings: Vec::new() };
                    plan.warnings = plan.told(pod, policy.advice);
                    return Some(plan);
                }
                Err(Refusal { message, mend }) => {
                    problems.push(message);
                    mend(settings.to_mut());
                }
            }
        }
        None
    }

    fn of(
        pod: &Pod<'_>,
        policy: &Policy,
        settings: &Settings,
    ) -> Result<(Checks, Option<AtStart>, Vec<Guarded>), Refusal> {
        let checks = if is_batch(pod) {
            settings.batch_checks
        } else {
            settings.checks.or(settings.strategy.checks())
        };
        let at_start = checks.init.then(|| settings.strategy.at_start(settings));
        if let Some(AtStart::Ask(question)) = &at_start {
            can_ask(settings, question)?;
        }
        let mut guarded = Vec::new();
        for (index, container) in pod.spec.containers.iter().enumerate() {
            if is_guarded(&container.name, settings, policy) {
                guarded.push(Guarded {
                    index,
                    readiness: in_probe(settings, checks.readiness, ProbeKind::Readiness, container)?,
                    liveness: in_probe(settings, checks.liveness, ProbeKind::Liveness, container)?,
                });
            }
        }
        Ok((checks, at_start, guarded))
    }

    /// What the author should know of this plan.
    fn told(&self, pod: &Pod<'_>, advice: bool) -> Vec<Warning> {
        let (strategy, method) = (self.settings.strategy, self.settings.method);
        let mut told = Vec::new();
        if let (true, Some(drawback)) = (advice, strategy.drawback()) {
            told.push(Warning::NotRecommended { strategy, drawback });
        }
        let mut asked = self.asked_at_start().into_iter().chain(self.asked_in_probes(pod));
        if asked.any(|question| method.leaves_out_interception(question)) {
            told.push(Warning::InterceptionNotChecked { method });
        }
        if let (Some(programs), Some(_)) = (method.programs(), self.asked_in_probes(pod).next()) {
            told.push(Warning::NeedsPrograms { method, programs });
        }
        if self.guarded.is_empty() && (self.checks.readiness || self.checks.liveness) {
            told.push(Warning::NothingToGuard);
        }
        told
    }

    /// What the method will be asking before the start.
    fn asked_at_start(&self) -> Option<&Question> {
        match &self.at_start {
            Some(AtStart::Ask(question)) => Some(question),
            Some(AtStart::AzLogin(_)) | None => None,
        }
    }

    /// What the method will be asking in probes.
    fn asked_in_probes(&self, pod: &Pod<'_>) -> impl Iterator<Item = &Question> {
        let existing = self.settings.existing_probes;
        let kinds = [ProbeKind::Readiness, ProbeKind::Liveness];
        let asked = self.guarded.iter().flat_map(move |guarded| kinds.map(|kind| (guarded, kind)));
        asked.filter_map(move |(guarded, kind)| {
            let container = pod.spec.containers.get(guarded.index)?;
            match guarded.question(kind)? {
                InProbe::Ask(question) if existing.make_room(kind.is_in(container)) => Some(question),
                InProbe::Ask(_) | InProbe::App(_) => None,
            }
        })
    }
}

fn can_ask(settings: &Settings, question: &Question) -> Result<(), Refusal> {
    settings.method.refusal(question).map_or(Ok(()), Err)
}

fn in_probe(
    settings: &Settings,
    wanted: bool,
    kind: ProbeKind,
    container: &Container<'_>,
) -> Result<Option<InProbe>, Refusal> {
    if !wanted {
        return Ok(None);
    }
    let asked = settings.strategy.in_probe(settings, kind, container)?;
    if let Some(InProbe::Ask(question)) = &asked {
        can_ask(settings, question)?;
    }
    Ok(asked)
}

/// A Pod that ends by itself: restarting it loses its work, and nothing waits for its readiness. Deployments
/// and their like allow no other restartPolicy than Always.
fn is_batch(pod: &Pod<'_>) -> bool {
    pod.metadata.owner_references.iter().any(|owner| *owner.kind == *"Job")
        || matches!(&*pod.spec.restart_policy, "Never" | "OnFailure")
}

fn is_guarded(name: &str, settings: &Settings, policy: &Policy) -> bool {
    let is_in = |names: &[ContainerName]| names.iter().any(|listed| listed.as_str() == name);
    let chosen = if settings.containers.is_empty() {
        !policy.sidecars.iter().any(|sidecar| sidecar == name)
    } else {
        is_in(&settings.containers)
    };
    chosen && !is_in(&settings.exclude_containers)
}
