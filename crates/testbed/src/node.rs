//! The cluster of one node, started and ready.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use nmi_guard_testkit::apiserver::{ApiServer, Options, program};
use nmi_guard_testkit::process::Process;
use nmi_guard_testkit::wait::eventually_while;
use serde_json::{Value, json};

use crate::enclosure::Enclosure;
use crate::runtime::Runtime;
use crate::{NODE_ADDRESS, NODE_NAME, machine};

/// How long the node may take to be ready: 10 s where the machine is idle.
const START_LIMIT: Duration = Duration::from_secs(120);
/// The API server listens at the port of its Service, since nothing redirects the one to the other.
const API_PORT: u16 = 443;

/// A running cluster. It ends with the enclosure, so there is no need to stop it.
pub struct Node {
    // Fields are dropped in this order.
    kubelet: Process,
    _scheduler: Process,
    runtime: Runtime,
    /// Its API server.
    pub api: ApiServer,
    folder: PathBuf,
}

impl Node {
    /// Makes the machine of `enclosure` a node and waits until Pods can run on it. The images in `images`, tar
    /// files, are imported; `sandbox_image` is one of them.
    ///
    /// # Errors
    /// When a program is missing, ends, or is not ready in time; the end of its log is in the message.
    pub async fn start(enclosure: &Enclosure, images: &[PathBuf], sandbox_image: &str) -> Result<Self> {
        let folder = enclosure.folder.join("node");
        machine::make_private(&folder)?;
        machine::make_network()?;
        let log = |name: &str| folder.join(format!("{name}.log"));

        let options = Options {
            parent: Some(folder.clone()),
            port: Some(API_PORT),
            node_address: Some(NODE_ADDRESS.to_owned()),
        };
        let (api, runtime) = tokio::join!(
            async {
                let mut api = ApiServer::start_with(options).await?;
                api.start_controller_manager().await?;
                anyhow::Ok(api)
            },
            async {
                let runtime = Runtime::start(&folder, &log("containerd"), sandbox_image).await?;
                images.iter().try_for_each(|tar| runtime.import(tar))?;
                anyhow::Ok(runtime)
            }
        );
        let (api, runtime) = (api?, runtime?);
        let scheduler = Process::start(scheduler(&api)?, &log("kube-scheduler"))?;
        let command = kubelet(&api, &runtime, &folder, &enclosure.cgroup)?;
        let kubelet = Process::start(command, &log("kubelet"))?;
        let mut node = Self { kubelet, _scheduler: scheduler, runtime, api, folder };
        node.until_ready().await?;
        Ok(node)
    }

    /// The folder of the node's logs and files.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Imports all images of a tar file.
    ///
    /// # Errors
    /// When containerd refuses it.
    pub fn import(&self, tar: &Path) -> Result<()> {
        self.runtime.import(tar)
    }

    /// The end of the kubelet's log.
    pub fn log_tail(&self) -> String {
        self.kubelet.log_tail()
    }

    async fn until_ready(&mut self) -> Result<()> {
        let client = self.api.client();
        let kubelet = &mut self.kubelet;
        eventually_while(
            "the node is ready",
            START_LIMIT,
            || kubelet.check_running(),
            async || {
                let path = format!("/api/v1/nodes/{NODE_NAME}");
                let node: Value = client.request(http::Request::get(path).body(Vec::new())?).await?;
                let conditions = node["status"]["conditions"].as_array().context("no conditions")?;
                let ready = conditions.iter().find(|condition| condition["type"] == "Ready");
                let ready = ready.context("no condition Ready")?;
                ensure!(ready["status"] == "True", "{}", ready["message"]);
                let taints = &node["spec"]["taints"];
                ensure!(taints.is_null(), "it still has taints: {taints}");
                Ok(())
            },
        )
        .await
        .map_err(|error| error.context(format!("the kubelet's log:\n{}", kubelet.log_tail())))
    }
}

fn scheduler(api: &ApiServer) -> Result<Command> {
    let mut command = Command::new(program("kube-scheduler")?);
    command
        .arg(format!("--kubeconfig={}", api.kubeconfig().display()))
        .args(["--leader-elect=false", "--secure-port=0"])
        .args(["--kube-api-qps=500", "--kube-api-burst=1000"]);
    Ok(command)
}

fn kubelet(api: &ApiServer, runtime: &Runtime, folder: &Path, cgroup: &str) -> Result<Command> {
    let user = api.credentials().client(&format!("system:node:{NODE_NAME}"), "system:nodes")?;
    let kubeconfig = api.credentials().kubeconfig("kubelet.kubeconfig", API_PORT, &user)?;
    let config = folder.join("kubelet.json");
    let authority = api.credentials().path("ca.crt");
    let socket = format!("unix://{}", runtime.socket.display());
    let settings = kubelet_configuration(folder, &socket, &authority, cgroup);
    std::fs::write(&config, serde_json::to_vec_pretty(&settings)?)?;
    let mut command = Command::new(program("kubelet")?);
    command
        .arg(format!("--config={}", config.display()))
        .arg(format!("--kubeconfig={}", kubeconfig.display()))
        .arg(format!("--root-dir={}", folder.join("kubelet").display()))
        .arg(format!("--cert-dir={}", folder.join("kubelet-certificates").display()))
        .arg(format!("--hostname-override={NODE_NAME}"))
        .arg(format!("--node-ip={NODE_ADDRESS}"));
    Ok(command)
}

fn kubelet_configuration(folder: &Path, socket: &str, authority: &Path, cgroup: &str) -> Value {
    json!({
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "containerRuntimeEndpoint": socket,
        "authentication": {"anonymous": {"enabled": false}, "x509": {"clientCAFile": authority}},
        "authorization": {"mode": "AlwaysAllow"},
        "failCgroupV1": false,
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": format!("/{cgroup}"),
        "failSwapOn": false,
        // What the kubelet would change of the machine, or cannot where rights are few.
        "oomScoreAdj": 0,
        "maxOpenFiles": 20000,
        "makeIPTablesUtilChains": false,
        "localStorageCapacityIsolation": false,
        // A full disk of the machine is none of the tests' business.
        "evictionHard": {
            "memory.available": "0%", "nodefs.available": "0%", "nodefs.inodesFree": "0%",
            "imagefs.available": "0%", "imagefs.inodesFree": "0%",
        },
        "imageGCHighThresholdPercent": 100,
        "volumePluginDir": folder.join("volume-plugins"),
        "podLogsDir": folder.join("pod-logs"),
        "resolvConf": "",
        // Nobody is there; it keeps the kubelet from complaining in every Pod's events.
        "clusterDNS": ["10.0.0.10"],
        "maxPods": 250,
        "registryPullQPS": 0,
        "eventRecordQPS": 0,
        "kubeAPIQPS": 500,
        "kubeAPIBurst": 1000,
        "syncFrequency": "10s",
        "fileCheckFrequency": "10s",
        "nodeStatusUpdateFrequency": "5s",
        "crashLoopBackOff": {"maxContainerRestartPeriod": "5s"},
    })
}
