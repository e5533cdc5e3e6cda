//! Who asks. An asker knows how a question is asked in a Pod: by the command of an init container, and by the
//! handler of a probe. It does not know why it is asked, which is the strategy's business.

mod azure_cli;
mod kubelet;
mod native;
mod original;
mod shell;
mod sidecar;

use k8s_openapi::api::core::v1::{EnvVar, Probe};

use crate::policy::{
    AtStart, Image, InProbe, InitTimeout, Method, Plan, ProbeKind, Question, Seconds, Settings, Within,
};

pub(super) use kubelet::get;
pub(super) use original::{Original, Why};
pub(super) use sidecar::{path, serve};

/// What is run in the init container.
pub(super) struct Work {
    /// The image.
    pub image: Image,
    /// The command.
    pub command: Vec<String>,
    /// Variables beside `HOST_IP`.
    pub env: Vec<EnvVar>,
    /// The resources, where nobody has chosen others.
    pub needs: Needs,
    /// Whether it writes outside of volumes.
    pub writes: bool,
}

/// Resources as Kubernetes quantities.
pub(super) struct Needs {
    pub cpu_request: &'static str,
    pub cpu_limit: &'static str,
    pub memory_request: &'static str,
    pub memory_limit: &'static str,
}

impl Needs {
    /// Of a small program.
    const SMALL: Self =
        Self { cpu_request: "10m", cpu_limit: "100m", memory_request: "32Mi", memory_limit: "32Mi" };
}

/// A method, as the one who asks.
pub(super) trait Asker {
    /// Whether its probes run the probe binary.
    fn runs_binary(&self) -> bool;

    /// Asks `question` until the answer is right, after installing the probe binary if it `installs`.
    fn wait(&self, settings: &Settings, question: &Question, installs: bool) -> Work;

    /// Asks nothing before the start.
    fn idle(&self, settings: &Settings) -> Work;

    /// Asks `question` once, within `timeout`, as a probe of this `kind`, of which only the handler is set.
    fn probe(&self, question: &Question, kind: ProbeKind, timeout: Seconds) -> Probe;

    /// Asks `question`, and then what a container's own probe asked.
    ///
    /// # Errors
    /// Why it can't.
    fn wrap(&self, question: &Question, original: Original, place: &Place<'_>) -> Result<Wrapped, Why>;
}

/// The place of a container's own probe.
pub(super) struct Place<'a> {
    /// The container.
    pub container: &'a str,
    /// Which probe of it.
    pub kind: ProbeKind,
    /// Its time in seconds, where it says one. The API server has put in its default before we see a probe, so that
    /// counts as none.
    pub theirs: Option<u32>,
    /// The time of ours.
    pub ours: Seconds,
}

impl Place<'_> {
    /// The time for both in seconds: what the probe says, else Kubernetes' default and ours.
    pub fn both(&self) -> u32 {
        self.theirs.unwrap_or(KUBERNETES_TIMEOUT + self.ours.get())
    }
}

/// `timeoutSeconds` of a probe that says none, in seconds.
pub(super) const KUBERNETES_TIMEOUT: u32 = 1;

/// A probe that asks twice.
pub(super) struct Wrapped {
    /// A probe of which only the handler is set.
    pub handler: Probe,
    /// Further flags of the sidecar.
    pub serve: Vec<String>,
    /// Whether who asks has to know the Pod's own address.
    pub asks_own_address: bool,
}

/// Who asks by the method of `plan`.
pub(super) fn asker(plan: &Plan<'_>) -> Box<dyn Asker> {
    match plan.chosen.method {
        Method::Native => Box::new(native::Native),
        Method::Sidecar => Box::new(sidecar::InSidecar::of(plan)),
        Method::Wget => Box::new(shell::WGET),
        Method::Curl => Box::new(shell::CURL),
    }
}

/// Whether the init container installs the probe binary. `for_probes` tells whether probes by the plan's method
/// follow. Where there is nothing to ask before the start, it is all there is to do.
pub(super) fn installs(plan: &Plan<'_>, for_probes: bool) -> bool {
    let nothing_else = plan.at_start.is_none();
    asker(plan).runs_binary() && (for_probes || nothing_else)
}

/// What `plan` lets the init container do.
pub(super) fn at_start(plan: &Plan<'_>, installs: bool) -> Work {
    let settings: &Settings = &plan.settings;
    match &plan.at_start {
        Some(AtStart::Ask(question)) => asker(plan).wait(settings, question, installs),
        Some(AtStart::AzLogin(identity)) => azure_cli::login(settings, identity.as_ref()),
        None => asker(plan).idle(settings),
    }
}

/// A probe of this `kind` that asks what is `asked`, of which only the handler is set.
pub(super) fn in_probe(plan: &Plan<'_>, asked: &InProbe, kind: ProbeKind, timeout: Seconds) -> Probe {
    match asked {
        InProbe::Ask(question) => asker(plan).probe(question, kind, timeout),
        InProbe::App(endpoint) => kubelet::get(&endpoint.path, endpoint.port),
    }
}

/// The limit of the init container's waiting in seconds; `suits` where nobody has chosen one.
fn limit(settings: &Settings, suits: Option<Within<1, 86400>>) -> Option<Within<1, 86400>> {
    settings.init_timeout.or(InitTimeout(suits)).0
}

/// Four fifths of `timeout`: who asks ends before the kubelet would end it, so that the reason gets into the
/// Pod's events.
fn milliseconds_for(timeout: Seconds) -> u32 {
    timeout.get() * 800
}
