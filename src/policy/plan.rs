//! What is to be injected into a Pod: which questions, in which containers.

use std::borrow::Cow;

use super::Policy;
use super::messages::Warning;
use super::method::Chosen;
use super::questions::{AtStart, InProbe, ProbeKind, Question};
use super::refusal::Refusal;
use super::settings::Settings;
use super::values::{Checks, ContainerName, Method, Port};
use crate::pod::Pod;

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
    /// The method.
    pub chosen: Chosen,
    /// The sidecar, where there is anything for one to ask.
    pub sidecar: Option<Sidecar>,
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

    /// The same, if it is for the method to ask.
    fn asked(&self, kind: ProbeKind) -> Option<&Question> {
        match self.question(kind)? {
            InProbe::Ask(question) => Some(question),
            InProbe::App(_) => None,
        }
    }
}

/// The container that asks for the whole Pod.
#[derive(Clone, Debug)]
pub struct Sidecar {
    /// The port that it answers at.
    pub port: Port,
    /// What it asks.
    pub question: Question,
    /// Whether it is itself asked for its readiness, which counts for the Pod's.
    pub readiness: bool,
}

/// More than the settings that can stand in each other's way.
const MOST_REFUSALS: usize = 8;

impl<'p> Plan<'p> {
    /// The plan that `settings` ask for. What can't be together is told in `problems` and mended, one thing
    /// after the other, so that as much as possible is named at once.
    pub(super) fn possible(
        pod: &Pod<'_>,
        policy: &'p Policy,
        mut settings: Cow<'p, Settings>,
        problems: &mut Vec<String>,
    ) -> Option<Self> {
        for _ in 0..MOST_REFUSALS {
            let Refusal { message, mend } = match Asked::of(pod, policy, &settings) {
                Ok(asked) => return Some(Self::with(asked, pod, policy, settings)),
                Err(refusal) => refusal,
            };
            problems.push(message);
            mend(settings.to_mut());
        }
        None
    }

    fn with(asked: Asked, pod: &Pod<'_>, policy: &Policy, settings: Cow<'p, Settings>) -> Self {
        let Asked { checks, at_start, guarded, chosen } = asked;
        let question = match chosen.method {
            Method::Sidecar => questions(&guarded).next().cloned(),
            Method::Native | Method::Wget | Method::Curl => None,
        };
        let sidecar = question.map(|question| {
            let port = free_port(pod, settings.sidecar_port);
            Sidecar { port, question, readiness: checks.readiness }
        });
        let mut plan = Self { settings, checks, at_start, guarded, chosen, sidecar, warnings: Vec::new() };
        plan.warnings = plan.told(pod, policy.advice);
        plan
    }

    /// Whether a sidecar speaks for the Pod, also where a container keeps a probe of its own.
    pub fn is_ready_by_sidecar(&self) -> bool {
        self.sidecar.as_ref().is_some_and(|sidecar| sidecar.readiness)
    }

    /// What the author should know of this plan.
    fn told(&self, pod: &Pod<'_>, advice: bool) -> Vec<Warning> {
        let (strategy, method) = (self.settings.strategy, self.chosen.method);
        let mut told = Vec::new();
        if let (true, Some(drawback)) = (advice, strategy.drawback()) {
            told.push(Warning::NotRecommended { strategy, drawback });
        }
        let mut asked =
            self.at_start.as_ref().and_then(AtStart::question).into_iter().chain(self.asked_in_probes(pod));
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

    /// What the method will be asking in probes.
    fn asked_in_probes(&self, pod: &Pod<'_>) -> impl Iterator<Item = &Question> {
        let existing = self.settings.existing_probes;
        let asked = self.guarded.iter().flat_map(|guarded| ProbeKind::ALL.map(|kind| (guarded, kind)));
        asked.filter_map(move |(guarded, kind)| {
            let container = pod.spec.containers.get(guarded.index)?;
            guarded.asked(kind).filter(|_| existing.make_room(kind.is_in(container)))
        })
    }
}

/// What is for a method to ask in probes, whether they are there already or not; readiness first.
fn questions(guarded: &[Guarded]) -> impl Iterator<Item = &Question> {
    ProbeKind::ALL.into_iter().flat_map(|kind| guarded.iter().filter_map(move |guarded| guarded.asked(kind)))
}

/// What is asked, and by which method.
struct Asked {
    checks: Checks,
    at_start: Option<AtStart>,
    guarded: Vec<Guarded>,
    chosen: Chosen,
}

impl Asked {
    fn of(pod: &Pod<'_>, policy: &Policy, settings: &Settings) -> Result<Self, Refusal> {
        let strategy = settings.strategy;
        let checks =
            if is_batch(pod) { settings.batch_checks } else { settings.checks.or(strategy.checks()) };
        let at_start = checks.init.then(|| strategy.at_start(settings));
        let mut guarded = Vec::new();
        for (index, container) in pod.spec.containers.iter().enumerate() {
            if is_guarded(&container.name, settings, policy) {
                let question = |wanted: bool, kind| {
                    if wanted { strategy.in_probe(settings, kind, container) } else { Ok(None) }
                };
                let readiness = question(checks.readiness, ProbeKind::Readiness)?;
                let liveness = question(checks.liveness, ProbeKind::Liveness)?;
                guarded.push(Guarded { index, readiness, liveness });
            }
        }
        let for_probes = questions(&guarded).next().is_some();
        let chosen = Chosen::of(settings.method, policy.version(), for_probes)?;
        let before = at_start.as_ref().and_then(AtStart::question);
        let refusal = before.into_iter().chain(questions(&guarded)).find_map(|q| chosen.method.refusal(q));
        refusal.map_or(Ok(()), Err)?;
        Ok(Self { checks, at_start, guarded, chosen })
    }
}

/// The first port from `wanted` on that no container of the Pod declares: they share the network.
fn free_port(pod: &Pod<'_>, wanted: Port) -> Port {
    let containers = || pod.spec.containers.iter().chain(pod.spec.init_containers.iter());
    let is_taken = |port: &u32| {
        containers().any(|container| container.tcp_ports().any(|taken| taken == i64::from(*port)))
    };
    (wanted.get()..=u32::from(u16::MAX)).find(|port| !is_taken(port)).and_then(Port::new).unwrap_or(wanted)
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
