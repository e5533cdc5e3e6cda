//! The strategies of the documents: what the experiment claims of each, and their Pods by hand and by nmi-guard.

use std::fmt;

use nmi_guard_testbed::images;
use nmi_guard_testbed::imds::Identities;
use serde_json::{Value, json};

use crate::documented;
use crate::identities::CLIENT_ID;
use crate::pods::{annotated, guarded};

/// Whether a Pod is kept from serving, under each of the two settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kept {
    with_several: bool,
    with_system: bool,
}

pub const ALWAYS: Kept = Kept { with_several: true, with_system: true };
pub const NEVER: Kept = Kept { with_several: false, with_system: false };
const IF_SEVERAL: Kept = Kept { with_several: true, with_system: false };

impl Kept {
    /// The same under one of them.
    pub fn under(self, setting: Setting) -> bool {
        match setting {
            Setting::Several => self.with_several,
            Setting::System => self.with_system,
        }
    }
}

impl fmt::Display for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match (self.with_several, self.with_system) {
            (true, true) => "B",
            (true, false) => "B iff M",
            (false, true) => "B iff S",
            (false, false) => "–",
        })
    }
}

/// The identities of the node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Setting {
    /// Several user-assigned ones: M.
    Several,
    /// A system-assigned one, beside one that is user-assigned: S.
    System,
}

impl Setting {
    pub const BOTH: [Self; 2] = [Self::Several, Self::System];

    pub fn identities(self) -> Identities {
        let user = |count: usize| [CLIENT_ID, "99999999-2222-3333-4444-555555555555"][..count].to_vec();
        let (system, count) = match self {
            Self::Several => (false, 2),
            Self::System => (true, 1),
        };
        Identities { system, user: user(count).into_iter().map(str::to_owned).collect() }
    }
}

/// One row of the table.
pub struct Strategy {
    pub name: &'static str,
    /// What is claimed, NMI absent at start, and lost at run time.
    pub claimed: [Kept; 2],
    /// The same of a Pod without the label, while NMI is not there; where NMI is, it is always kept.
    pub unlabelled: Option<Kept>,
    /// What nmi-guard is to come to.
    pub ours: [Kept; 2],
    by_hand: fn(&mut Value),
    settings: &'static [(&'static str, &'static str)],
    app: App,
}

/// The application of nmi-guard's Pod, that by hand being given.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum App {
    /// Nothing that is asked.
    Silent,
    /// The project's example, which checks NMI.
    ChecksNmi,
    /// One that checks for a token.
    ChecksToken,
}

/// The first annotation of nmi-guard's `token` strategies: whose token it has to be.
const EXPECTED: (&str, &str) = ("expect-identity", CLIENT_ID);

/// The rows, in the order of the document's table.
pub const STRATEGIES: [Strategy; 7] = [
    Strategy {
        name: "NMI in an init container",
        claimed: [ALWAYS, NEVER],
        unlabelled: None,
        ours: [ALWAYS, NEVER],
        by_hand: documented::add_init_container,
        settings: &[("checks", "init")],
        app: App::Silent,
    },
    Strategy {
        name: "NMI in probes",
        claimed: [ALWAYS, ALWAYS],
        unlabelled: None,
        ours: [ALWAYS, ALWAYS],
        by_hand: documented::add_probes,
        settings: &[("checks", "readiness,liveness")],
        app: App::Silent,
    },
    Strategy {
        name: "NMI in the app's own health endpoint",
        claimed: [ALWAYS, ALWAYS],
        unlabelled: None,
        ours: [ALWAYS, ALWAYS],
        by_hand: |pod| documented::add_probes_of_code(pod, "nmi"),
        settings: &[("strategy", "nmi-code")],
        app: App::ChecksNmi,
    },
    Strategy {
        name: "token in an init container",
        claimed: [IF_SEVERAL, NEVER],
        unlabelled: Some(IF_SEVERAL),
        ours: [ALWAYS, NEVER],
        by_hand: documented::add_token_init_container,
        settings: &[("strategy", "token"), EXPECTED],
        app: App::Silent,
    },
    Strategy {
        name: "`az login` in an init container",
        claimed: [ALWAYS, NEVER],
        unlabelled: Some(ALWAYS),
        // It is asked to log in also where there are no subscriptions.
        ours: [IF_SEVERAL, NEVER],
        by_hand: documented::add_login,
        settings: &[("strategy", "az-login"), ("az-image", images::DOCUMENTED)],
        app: App::Silent,
    },
    Strategy {
        name: "token in probes",
        claimed: [IF_SEVERAL, IF_SEVERAL],
        unlabelled: Some(IF_SEVERAL),
        ours: [ALWAYS, ALWAYS],
        by_hand: documented::add_token_probes,
        settings: &[("strategy", "token"), ("checks", "readiness,liveness"), EXPECTED],
        app: App::Silent,
    },
    Strategy {
        name: "token in the app's own health endpoint",
        claimed: [IF_SEVERAL, IF_SEVERAL],
        unlabelled: Some(IF_SEVERAL),
        // The init container waits for the right token; the application takes any.
        ours: [ALWAYS, IF_SEVERAL],
        by_hand: |pod| documented::add_probes_of_code(pod, "token"),
        settings: &[("strategy", "token-code"), EXPECTED],
        app: App::ChecksToken,
    },
];

/// Which Pod of a strategy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    ByHand,
    Ours,
    /// By hand, and without the label.
    Unlabelled,
}

impl Strategy {
    /// Whether an init container of this Pod waits.
    pub fn waits(&self, who: Who) -> bool {
        // nmi-guard's does so for applications that check for themselves as well.
        self.name.ends_with("init container") || (who == Who::Ours && self.app != App::Silent)
    }

    /// One of its Pods, with probes that are quick to begin and to give up.
    pub fn pod(&self, who: Who, name: &str) -> Value {
        let mut pod = guarded(name);
        pod["spec"]["containers"][0]["args"] = json!(["pause"]);
        if who == Who::Ours {
            add_app(self.app, &mut pod);
            let pod = annotated(pod, self.settings);
            return annotated(
                pod,
                &[
                    ("init-interval", "1"),
                    ("readiness-period-seconds", "2"),
                    ("liveness-period-seconds", "2"),
                    ("liveness-initial-delay-seconds", "5"),
                    ("liveness-failure-threshold", "3"),
                ],
            );
        }
        (self.by_hand)(&mut pod);
        let container = &mut pod["spec"]["containers"][0];
        for probe in ["readinessProbe", "livenessProbe"] {
            if let Some(probe) = container.get_mut(probe) {
                probe["periodSeconds"] = json!(2);
                // Left out in the document: a second, in which a busy machine may not have started a shell.
                probe["timeoutSeconds"] = json!(3);
            }
        }
        if let Some(probe) = container.get_mut("livenessProbe") {
            probe["initialDelaySeconds"] = json!(5);
            probe["failureThreshold"] = json!(3);
        }
        if who == Who::Unlabelled {
            pod["metadata"]["labels"] = json!({});
        }
        annotated(pod, &[("inject", "false")])
    }
}

fn add_app(app: App, pod: &mut Value) {
    let container = &mut pod["spec"]["containers"][0];
    match app {
        App::Silent => return,
        App::ChecksNmi => {
            // Its other check is of a service of its own: here, of itself.
            container["image"] = json!(images::HEALTH);
            container["args"] = json!([]);
            container["env"] = json!([{"name": "BACKEND", "value": "127.0.0.1:8080"}]);
        }
        App::ChecksToken => container["args"] = json!(["health", "token", "8080"]),
    }
    container["ports"] = json!([{"containerPort": 8080}]);
}
