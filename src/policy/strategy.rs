//! What each strategy asks: before the start, and in the probes of a container.

use super::annotations::PREFIX;
use super::questions::{AppEndpoint, AtStart, InProbe, NmiTarget, ProbeKind, Question, TokenRequest};
use super::refusal::Refusal;
use super::settings::Settings;
use super::values::{Auto, Checks, Port, Strategy, Verify};
use crate::pod::Container;

const ALL: Checks = Checks { init: true, readiness: true, liveness: true };
const INIT: Checks = Checks { init: true, readiness: false, liveness: false };

impl Strategy {
    /// When it asks where nobody says so. A token and a login are dear, so they are asked for once.
    pub(super) fn checks(self) -> Checks {
        match self {
            Self::Nmi | Self::NmiCode | Self::TokenCode => ALL,
            Self::Token | Self::AzLogin => INIT,
        }
    }

    /// Why it is not recommended, if so.
    pub(super) fn drawback(self) -> Option<&'static str> {
        match self {
            Self::Nmi | Self::NmiCode => None,
            Self::Token => Some("a token is dear to ask for, and IMDS may give one where NMI is missing"),
            Self::TokenCode => Some("each check of the app costs a token; nmi-code costs none"),
            Self::AzLogin => Some("the image is large, a login slow, and IMDS may allow it without NMI"),
        }
    }

    /// What is asked before the start.
    pub(super) fn at_start(self, settings: &Settings) -> AtStart {
        match self {
            Self::Nmi | Self::NmiCode => AtStart::Ask(nmi(settings, settings.verify)),
            Self::Token | Self::TokenCode => AtStart::Ask(token(settings)),
            Self::AzLogin => AtStart::AzLogin(settings.expect_identity.clone()),
        }
    }

    /// What a probe of `container` asks, if there is anything to ask.
    pub(super) fn in_probe(
        self,
        settings: &Settings,
        kind: ProbeKind,
        container: &Container<'_>,
    ) -> Result<Option<InProbe>, Refusal> {
        match self {
            Self::Nmi => Ok(Some(InProbe::Ask(nmi(settings, verify_in(kind, settings.verify))))),
            Self::Token => Ok(Some(InProbe::Ask(token(settings)))),
            Self::NmiCode | Self::TokenCode => app(settings, kind, container),
            Self::AzLogin => Err(Refusal {
                message: format!(
                    "{PREFIX}checks: strategy az-login asks at init only: az keeps tokens, a later login proves \
                     nothing"
                ),
                mend: |settings| {
                    settings.checks = Auto::Auto;
                    settings.batch_checks = INIT;
                },
            }),
        }
    }
}

fn nmi(settings: &Settings, verify: Verify) -> Question {
    Question::Nmi(NmiTarget { verify, port: settings.nmi_port, path: settings.nmi_path.clone() })
}

/// Conservative on restarts: a lost rule comes back with NMI's next reconcile, so liveness asks only
/// whether NMI is there, unless that is the one thing that can't be asked.
fn verify_in(kind: ProbeKind, verify: Verify) -> Verify {
    match kind {
        ProbeKind::Liveness if verify.healthz => Verify { healthz: true, interception: false },
        _ => verify,
    }
}

fn token(settings: &Settings) -> Question {
    let (resource, expect) = (settings.resource.clone(), settings.expect_identity.clone());
    Question::Token(TokenRequest { resource, expect })
}

/// A probe that the container has and keeps is the app's own word, which is what is asked for here.
fn app(settings: &Settings, kind: ProbeKind, container: &Container<'_>) -> Result<Option<InProbe>, Refusal> {
    if !settings.existing_probes.make_room(kind.is_in(container)) {
        return Ok(None);
    }
    let port = match settings.app_port {
        Auto::Set(port) => port,
        Auto::Auto => only_port(container).ok_or_else(|| no_port(settings.strategy, container))?,
    };
    Ok(Some(InProbe::App(AppEndpoint { path: settings.app_path.clone(), port })))
}

fn only_port(container: &Container<'_>) -> Option<Port> {
    let mut ports = container.tcp_ports();
    match (ports.next(), ports.next()) {
        (Some(only), None) => u32::try_from(only).ok().and_then(Port::new),
        _ => None,
    }
}

fn no_port(strategy: Strategy, container: &Container<'_>) -> Refusal {
    let ports: Vec<String> = container.tcp_ports().take(8).map(|port| port.to_string()).collect();
    let declared = if ports.is_empty() { "no TCP port".to_owned() } else { ports.join(", ") };
    Refusal {
        message: format!(
            "{PREFIX}app-port: needed, as container {:?} declares {declared}: strategy {strategy} asks the app there",
            &*container.name
        ),
        mend: |settings| settings.strategy = Strategy::Nmi,
    }
}
