//! The node that the tests share, with NMI, the fake IMDS and nmi-guard, and what the tests do to it.

use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use http::Request;
use nmi_guard_testbed::cgroup;
use nmi_guard_testbed::command::{run, run_command};
use nmi_guard_testbed::enclosure::Enclosure;
use nmi_guard_testbed::images;
use nmi_guard_testbed::imds::{FakeImds, Identities};
use nmi_guard_testbed::nmi::{self, Mode, Nmi};
use nmi_guard_testbed::node::Node;
use nmi_guard_testkit::wait::eventually;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::cohort::Cohort;
use crate::identities::CLIENT_ID;
use crate::report::Report;
use crate::watch::Watch;

/// How long to wait for what takes a few seconds on an idle machine.
pub const SOON: Duration = Duration::from_secs(60);

/// The install that the tests begin with.
const DEFAULT_INSTALL: &str = "base";

/// The node with everything on it. Tests that run side by side share it.
pub struct World {
    pub node: Node,
    pub imds: FakeImds,
    pub watch: Watch,
    pub report: Report,
    /// The control group of everything that runs here.
    pub cgroup: String,
    nmi: Mutex<Option<RunningNmi>>,
    build: nmi::Build,
    /// The namespaces that are there, and how many there have been.
    namespaces: Mutex<(Vec<String>, usize)>,
    /// Pods that a test has left to the next one of its module.
    kept: Mutex<Option<(&'static str, Cohort)>>,
    /// Which of the installs in `manifests/` was applied last.
    installed: Mutex<&'static str>,
}

/// NMI, in which mode it runs, and since when.
struct RunningNmi {
    nmi: Nmi,
    mode: Mode,
    since: Instant,
}

impl World {
    /// Starts the node, and installs nmi-guard as its README says.
    pub async fn start(enclosure: &Enclosure) -> Result<Self> {
        let build = nmi::Build::get()?;
        let start = Instant::now();
        cgroup::join_accounting(&enclosure.cgroup)?;
        let node = Node::start(enclosure, &images::tars()?, images::APP).await?;
        let report = Report::default();
        report.say(format!("node Ready after {:.1} s", start.elapsed().as_secs_f64()));
        let imds = FakeImds::start(identities_of_node()).await?;
        build.install_resources(&node)?;
        let watch = Watch::start(node.api.client());
        let world = Self {
            node,
            imds,
            watch,
            report,
            cgroup: enclosure.cgroup.clone(),
            nmi: Mutex::default(),
            build,
            namespaces: Mutex::default(),
            kept: Mutex::default(),
            installed: Mutex::default(),
        };
        world.install(DEFAULT_INSTALL).await.context("installing nmi-guard")?;
        Ok(world)
    }

    /// Applies one of the installs in `manifests/` and waits until both replicas are ready.
    pub async fn install(&self, folder: &'static str) -> Result<()> {
        *locked(&self.installed) = folder;
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("manifests").join(folder);
        let folder = folder.to_str().context("a path that is not UTF-8")?.to_owned();
        self.kubectl(&["apply", "-k", &folder]).await?;
        self.until_rolled_out().await
    }

    /// Waits until all replicas of nmi-guard are of the newest version, and ready.
    pub async fn until_rolled_out(&self) -> Result<()> {
        let rollout = ["rollout", "status", "deployment/nmi-guard", "-n", "nmi-guard", "--timeout=120s"];
        self.kubectl(&rollout).await.map(drop)
    }

    /// Runs `kubectl` beside everything else.
    pub async fn kubectl(&self, args: &[&str]) -> Result<String> {
        let mut command = self.node.api.kubectl();
        command.args(args);
        tokio::task::spawn_blocking(move || run_command(&mut command)).await?
    }

    /// Undoes what the last test did, for one of `module`: Pods are gone but those kept for it, nmi-guard is installed
    /// by default, the node has its identities, and NMI is Active.
    pub async fn restore(&self, module: &str) -> Result<()> {
        self.imds.set_identities(identities_of_node());
        let kept = locked(&self.kept).take_if(|kept| kept.0 == module);
        let kept_namespace = kept.as_ref().map(|kept| kept.1.namespace.clone());
        *locked(&self.kept) = kept;
        let namespaces = locked(&self.namespaces).0.clone();
        for namespace in namespaces.iter().filter(|namespace| kept_namespace.as_ref() != Some(*namespace)) {
            self.delete_namespace(namespace).await?;
        }
        self.until_only_pods_of(kept_namespace.as_deref()).await?;
        let installed = *locked(&self.installed);
        if installed != DEFAULT_INSTALL {
            self.install(DEFAULT_INSTALL).await?;
        }
        self.start_nmi(Mode::Managed).await.map(drop)
    }

    /// Waits until all Pods are gone but nmi-guard's own and those of `namespace`.
    pub async fn until_only_pods_of(&self, namespace: Option<&str>) -> Result<()> {
        let stay = [Some("nmi-guard"), namespace];
        eventually("the other Pods are gone", SOON, async || {
            let pods = self.get("/api/v1/pods").await?;
            let pods = pods["items"].as_array().context("no list")?;
            let mut left = pods.iter().map(|pod| &pod["metadata"]);
            let left = left.find(|pod| !stay.contains(&pod["namespace"].as_str()));
            ensure!(left.is_none(), "this one is left: {left:?}");
            Ok(())
        })
        .await
    }

    /// Leaves Pods, which are as they were created, to the next test of `module`.
    pub fn keep(&self, module: &'static str, cohort: Cohort) {
        *locked(&self.kept) = Some((module, cohort));
    }

    /// The Pods that the last test of this module has left.
    pub fn take_kept(&self) -> Option<Cohort> {
        locked(&self.kept).take().map(|kept| kept.1)
    }

    /// Has NMI run in this mode, and waits until it is Active. Returns the moment.
    pub async fn start_nmi(&self, mode: Mode) -> Result<Instant> {
        if locked(&self.nmi).as_ref().is_some_and(|running| running.mode != mode) {
            self.remove_nmi()?;
        }
        let is_away = locked(&self.nmi).is_none();
        if is_away {
            let nmi = self.build.start(&self.node, mode)?;
            *locked(&self.nmi) = Some(RunningNmi { nmi, mode, since: Instant::now() });
        }
        self.until_active().await
    }

    /// How long ago NMI was started; none where it does not run.
    pub fn age_of_nmi(&self) -> Option<Duration> {
        locked(&self.nmi).as_ref().map(|running| running.since.elapsed())
    }

    /// Waits until NMI is Active and its rule is there. Returns the moment.
    pub async fn until_active(&self) -> Result<Instant> {
        // A rule that was flushed is back within a minute.
        eventually("NMI is Active", 2 * SOON, async || {
            let body = healthz().await?;
            ensure!(body == "Active", "healthz says {body:?}");
            ensure!(nmi::has_rule()?, "there is no rule");
            Ok(Instant::now())
        })
        .await
    }

    /// Makes the node one on which NMI has never run.
    pub fn remove_nmi(&self) -> Result<()> {
        if let Some(nmi) = self.take_nmi() {
            nmi.kill();
        }
        run("iptables --wait --table nat --flush")?;
        run("iptables --wait --table nat --delete-chain")?;
        Ok(())
    }

    /// Takes NMI, to end it; none where it does not run.
    pub fn take_nmi(&self) -> Option<Nmi> {
        locked(&self.nmi).take().map(|running| running.nmi)
    }

    /// A new namespace that opts in, with these labels besides.
    pub async fn namespace(&self, labels: &[(&str, &str)]) -> Result<String> {
        let name = {
            let mut namespaces = locked(&self.namespaces);
            namespaces.1 += 1;
            format!("test-{}", namespaces.1)
        };
        let mut all = json!({"nmi-guard.io/injection": "enabled"});
        labels.iter().for_each(|(key, value)| all[*key] = json!(value));
        let namespace = json!({"metadata": {"name": name, "labels": all}});
        self.post("/api/v1/namespaces", &namespace).await?;
        locked(&self.namespaces).0.push(name.clone());
        eventually("the namespace has its ServiceAccount", SOON, async || {
            self.get(&format!("/api/v1/namespaces/{name}/serviceaccounts/default")).await
        })
        .await?;
        self.bind_identity(&name).await?;
        Ok(name)
    }

    /// Has a namespace of [`World::namespace`] deleted, without waiting for that.
    pub async fn delete_namespace(&self, name: &str) -> Result<()> {
        let request = Request::delete(format!("/api/v1/namespaces/{name}")).body(Vec::new())?;
        self.node.api.client().request::<Value>(request).await?;
        locked(&self.namespaces).0.retain(|other| other != name);
        Ok(())
    }

    /// Creates a Pod, and returns its uid.
    pub async fn create(&self, namespace: &str, pod: &Value) -> Result<String> {
        let created = self.post(&format!("/api/v1/namespaces/{namespace}/pods"), pod).await?;
        Ok(created["metadata"]["uid"].as_str().context("no uid")?.to_owned())
    }

    /// POSTs `object` to `path` of the API server.
    pub async fn post(&self, path: &str, object: &Value) -> Result<Value> {
        let request = Request::post(path).header("content-type", "application/json");
        let request = request.body(object.to_string().into_bytes())?;
        Ok(self.node.api.client().request(request).await?)
    }

    /// Merges `patch` into the object at `path` of the API server.
    pub async fn patch(&self, path: &str, patch: &Value) -> Result<()> {
        let request = Request::patch(path).header("content-type", "application/merge-patch+json");
        let request = request.body(patch.to_string().into_bytes())?;
        self.node.api.client().request::<Value>(request).await.map(drop).map_err(Into::into)
    }

    /// GETs `path` of the API server.
    pub async fn get(&self, path: &str) -> Result<Value> {
        Ok(self.node.api.client().request(Request::get(path).body(Vec::new())?).await?)
    }

    /// The messages of the warnings in the events of `namespace`.
    pub async fn warnings(&self, namespace: &str) -> Result<Vec<String>> {
        let events = self.get(&format!("/api/v1/namespaces/{namespace}/events")).await?;
        let events = events["items"].as_array().context("no list")?;
        let warnings = events.iter().filter(|event| event["type"] == "Warning");
        Ok(warnings.filter_map(|event| event["message"].as_str()).map(str::to_owned).collect())
    }

    /// What there is to see after a failure.
    pub fn logs(&self) -> String {
        let nmi = locked(&self.nmi).as_ref().map(|running| running.nmi.log_tail()).unwrap_or_default();
        let kubectl = |line: &str| {
            self.node.api.kubectl_text(line.split(' ')).unwrap_or_else(|error| format!("{error:#}"))
        };
        format!(
            "pods:\n{}\nwarnings:\n{}\nNMI:\n{nmi}\nkubelet:\n{}",
            kubectl("get pods -A -o wide"),
            kubectl("get events -A --field-selector type=Warning"),
            self.node.log_tail(),
        )
    }
}

/// A system-assigned one, and that of the Pods.
fn identities_of_node() -> Identities {
    Identities { system: true, user: vec![CLIENT_ID.to_owned()] }
}

/// What `mutex` holds, also after a test has panicked.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The body of NMI's healthz.
async fn healthz() -> Result<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", nmi::HEALTH_PORT)).await?;
    stream.write_all(b"GET /healthz HTTP/1.0\r\n\r\n").await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    let (_, body) = answer.split_once("\r\n\r\n").context("no body")?;
    Ok(body.to_owned())
}
