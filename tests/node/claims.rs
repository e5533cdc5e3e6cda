//! What the experiment's tests claim of every strategy, by hand and by nmi-guard.
//!
//! The same Pods go through it all: NMI is absent when they start, first with several user-assigned identities on the
//! node, so that IMDS does not know whose token to give, then with a system-assigned one; NMI comes, and is lost
//! again, with several identities and with a system-assigned one. A check that waits or repeats itself has no memory,
//! so what it says under the second of two settings is what it says where there has never been the first.

use std::fmt;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use nmi_guard_testbed::images;
use nmi_guard_testbed::imds::Identities;
use nmi_guard_testbed::nmi::Mode;
use nmi_guard_testkit::wait::eventually;
use serde_json::{Value, json};

use crate::documented;
use crate::identities::CLIENT_ID;
use crate::pods::{annotated, guarded};
use crate::world::{SOON, World};

/// Whether a Pod is kept from serving, under each of the two settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Kept {
    with_several: bool,
    with_system: bool,
}

const ALWAYS: Kept = Kept { with_several: true, with_system: true };
const NEVER: Kept = Kept { with_several: false, with_system: false };
const IF_SEVERAL: Kept = Kept { with_several: true, with_system: false };

impl Kept {
    fn under(self, setting: Setting) -> bool {
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
enum Setting {
    /// Several user-assigned ones: M.
    Several,
    /// A system-assigned one, beside one that is user-assigned: S.
    System,
}

impl Setting {
    const BOTH: [Self; 2] = [Self::Several, Self::System];

    fn identities(self) -> Identities {
        let user = |count: usize| [CLIENT_ID, "99999999-2222-3333-4444-555555555555"][..count].to_vec();
        let (system, count) = match self {
            Self::Several => (false, 2),
            Self::System => (true, 1),
        };
        Identities { system, user: user(count).into_iter().map(str::to_owned).collect() }
    }
}

/// One row of the table.
struct Strategy {
    name: &'static str,
    /// What is claimed, NMI absent at start, and lost at run time.
    claimed: [Kept; 2],
    /// The same of a Pod without the label, while NMI is not there; where NMI is, it is always kept.
    unlabelled: Option<Kept>,
    /// What nmi-guard is to come to.
    ours: [Kept; 2],
    by_hand: fn(&mut Value),
    settings: &'static [(&'static str, &'static str)],
    app: App,
}

/// The application of nmi-guard's Pod, that by hand being given.
#[derive(Clone, Copy, PartialEq, Eq)]
enum App {
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
const STRATEGIES: [Strategy; 7] = [
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

pub async fn every_strategy_does_what_is_claimed(world: &World) -> Result<()> {
    world.remove_nmi()?;
    world.imds.set_identities(Setting::Several.identities());
    let labelled = Pods::create(world, &[Who::ByHand, Who::Ours]).await?;
    let unlabelled = Pods::create(world, &[Who::Unlabelled]).await?;
    let mut since = labelled.created;
    for setting in Setting::BOTH {
        world.imds.set_identities(setting.identities());
        labelled.check(world, setting, since, Pod::kept_at_start).await?;
        unlabelled.check(world, setting, since, Pod::kept_at_start).await?;
        since = Instant::now();
    }

    let active = world.start_nmi(Mode::Managed).await?;
    let asking = Pods::create(world, &[Who::Unlabelled]).await?;
    labelled.check(world, Setting::System, active, |_| NEVER).await.context("NMI is there")?;
    asking.check(world, Setting::System, active, |_| ALWAYS).await.context("NMI is there")?;

    world.imds.set_identities(Setting::Several.identities());
    let mut since = Instant::now();
    let nmi = world.take_nmi().context("NMI does not run")?;
    tokio::task::spawn_blocking(|| nmi.end()).await??;
    for setting in Setting::BOTH {
        world.imds.set_identities(setting.identities());
        labelled.check(world, setting, since, Pod::kept_at_run_time).await.context("NMI is lost")?;
        since = Instant::now();
    }
    STRATEGIES.iter().for_each(|strategy| strategy.report(world));
    Ok(())
}

impl Strategy {
    fn report(&self, world: &World) {
        let event = |number: usize| {
            let (claimed, ours) = (self.claimed[number], self.ours[number]);
            [claimed.to_string(), claimed.to_string(), ours.to_string()].join(" / ")
        };
        let unlabelled = |kept: Kept| format!("{kept} / {kept}");
        let [up, down] = [Some(ALWAYS).filter(|_| self.unlabelled.is_some()), self.unlabelled]
            .map(|kept| kept.map(unlabelled).unwrap_or_default());
        world.report.claim(self.name, [event(0), event(1), up, down]);
    }

    /// Whether its checks go on after the start.
    fn goes_on(&self) -> bool {
        !self.name.ends_with("init container")
    }
}

/// Which Pod of a strategy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Who {
    ByHand,
    Ours,
    /// By hand, and without the label.
    Unlabelled,
}

struct Pod {
    strategy: &'static Strategy,
    who: Who,
    uid: String,
}

impl Pod {
    fn kept_at_start(&self) -> Kept {
        match (self.who, self.strategy.unlabelled) {
            (Who::Ours, _) => self.strategy.ours[0],
            (Who::Unlabelled, Some(kept)) => kept,
            _ => self.strategy.claimed[0],
        }
    }

    fn kept_at_run_time(&self) -> Kept {
        if self.who == Who::Ours { self.strategy.ours[1] } else { self.strategy.claimed[1] }
    }
}

/// Pods of all strategies, side by side.
struct Pods {
    created: Instant,
    pods: Vec<Pod>,
}

impl Pods {
    async fn create(world: &World, whose: &[Who]) -> Result<Self> {
        let namespace = world.namespace(&[]).await?;
        let (created, mut pods) = (Instant::now(), Vec::new());
        for (number, strategy) in STRATEGIES.iter().enumerate() {
            for who in whose {
                if *who == Who::Unlabelled && strategy.unlabelled.is_none() {
                    continue;
                }
                let name = format!("{who:?}-{number}").to_lowercase();
                let uid = world.create(&namespace, &pod(strategy, *who, &name)).await?;
                pods.push(Pod { strategy, who: *who, uid });
            }
        }
        Ok(Self { created, pods })
    }

    /// That each of them is kept from serving as it should under this setting, which began at `since`. Those that
    /// are not have to be Ready; those whose probes keep them have to be restarted, and by then to have been
    /// Ready only if they were at `since`.
    async fn check(
        &self,
        world: &World,
        setting: Setting,
        since: Instant,
        kept: impl Fn(&Pod) -> Kept,
    ) -> Result<()> {
        let watch = &world.watch;
        let is_kept = |pod: &&Pod| kept(pod).under(setting);
        let what =
            |pod: &Pod, what: &str| format!("{what}: {}, {:?}, {setting:?}", pod.strategy.name, pod.who);
        for pod in self.pods.iter().filter(is_kept) {
            watch.until(&what(pod, "not Ready"), &pod.uid, since, 2 * SOON, |state| !state.ready).await?;
        }
        let unready = Instant::now();
        for pod in self.pods.iter().filter(is_kept).filter(|pod| pod.strategy.goes_on()) {
            let started = watch.state(&pod.uid).started;
            eventually(&what(pod, "restarted"), 2 * SOON, async || {
                let restarted = watch.restarted(&pod.uid, since).is_some();
                // nmi-guard's init container may wait as well: then nothing is there to be restarted.
                ensure!(restarted || !started, "it is {:?}", watch.state(&pod.uid));
                Ok(())
            })
            .await?;
        }
        for pod in self.pods.iter().filter(is_kept) {
            let ready = watch.first(&pod.uid, unready, |state| state.ready);
            ensure!(ready.is_none(), "{}", what(pod, "Ready all the same"));
        }
        for pod in self.pods.iter().filter(|pod| !is_kept(pod)) {
            watch.until(&what(pod, "Ready"), &pod.uid, Instant::now(), 2 * SOON, |state| state.ready).await?;
        }
        Ok(())
    }
}

/// The Pod of a strategy, with probes that are quick to begin and to give up.
fn pod(strategy: &Strategy, who: Who, name: &str) -> Value {
    let mut pod = guarded(name);
    pod["spec"]["containers"][0]["args"] = json!(["pause"]);
    if who == Who::Ours {
        add_app(strategy.app, &mut pod);
        let pod = annotated(pod, strategy.settings);
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
    (strategy.by_hand)(&mut pod);
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
