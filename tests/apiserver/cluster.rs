//! The cluster that the tests share, and what they do to it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use http::Request;
use nmi_guard_testkit::apiserver::ApiServer;
use nmi_guard_testkit::balancer::Balancer;
use nmi_guard_testkit::wait::eventually;
use serde_json::{Value, json};

use crate::replica::Replica;

/// How long to wait for what takes a fraction of a second on an idle machine.
pub const SOON: Duration = Duration::from_secs(30);

/// An API server with nmi-guard installed, and two replicas of it running.
pub struct Cluster {
    pub api: ApiServer,
    pub replicas: Vec<Replica>,
    balancer: Balancer,
    service_account: PathBuf,
    namespaces: usize,
    disturbed: bool,
}

impl Cluster {
    /// Starts the API server and registers the default install. [`Cluster::restore`] does the rest.
    pub async fn start() -> Result<Self> {
        let mut api = ApiServer::start().await?;
        api.start_controller_manager().await?;
        let balancer = Balancer::start().await?;
        let mut cluster = Self {
            service_account: api.folder().join("unset"),
            api,
            replicas: Vec::new(),
            balancer,
            namespaces: 0,
            disturbed: true,
        };
        cluster.install("base").await?;
        cluster.service_account = cluster.service_account_kubeconfig().await?;
        Ok(cluster)
    }

    /// Undoes what the last test did: API server up, default install, two replicas, webhook in force.
    pub async fn restore(&mut self) -> Result<()> {
        if !self.disturbed {
            return Ok(());
        }
        self.api.start_apiserver().await?;
        self.install("base").await?;
        self.run_replicas(2, &[]).await?;
        self.until_in_force().await?;
        self.disturbed = false;
        Ok(())
    }

    /// Ends all replicas and starts `count` new ones with additional `arguments`.
    pub async fn run_replicas(&mut self, count: usize, arguments: &[&str]) -> Result<()> {
        self.disturbed = true;
        self.stop_replicas();
        for number in 0..count {
            let log = self.api.folder().join(format!("nmi-guard-{number}.log"));
            self.replicas.push(Replica::start(&self.service_account, &log, arguments).await?);
        }
        self.balancer.set_backends(self.replicas.iter().map(|replica| replica.webhook));
        Ok(())
    }

    /// Ends all replicas at once, as a node failure would.
    pub fn stop_replicas(&mut self) {
        self.disturbed = true;
        self.balancer.set_backends([]);
        self.replicas.clear();
    }

    /// Takes one replica out of the Service, as happens when it is not ready any more, and gives it back.
    pub fn take_replica(&mut self) -> Option<Replica> {
        self.disturbed = true;
        let replica = self.replicas.pop();
        self.balancer.set_backends(self.replicas.iter().map(|replica| replica.webhook));
        replica
    }

    /// Kills the API server and starts it again.
    pub async fn restart_apiserver(&mut self) -> Result<()> {
        self.disturbed = true;
        self.api.stop_apiserver();
        self.api.start_apiserver().await
    }

    /// Applies what `folder` of `manifests/` renders to, with the webhook's Service replaced by the
    /// address of the load balancer, since nothing here routes Services.
    pub async fn install(&mut self, folder: &str) -> Result<()> {
        self.disturbed = true;
        let mut objects = self.render(&manifests().join(folder))?;
        for object in &mut objects {
            if object["kind"] == "MutatingWebhookConfiguration" {
                let url = format!("https://{}/mutate", self.balancer.address());
                object["webhooks"][0]["clientConfig"] = json!({"url": url});
            }
        }
        let list = json!({"apiVersion": "v1", "kind": "List", "items": objects});
        let file = self.api.folder().join("install.json");
        std::fs::write(&file, serde_json::to_vec(&list)?)?;
        self.api.kubectl_text(["apply", "--validate=strict", "-f", path(&file)?])?;
        Ok(())
    }

    /// The objects that `kubectl kustomize` makes of `folder`.
    pub fn render(&self, folder: &Path) -> Result<Vec<Value>> {
        let text = self.api.kubectl_text(["kustomize", path(folder)?])?;
        Ok(serde_saphyr::from_multiple(&text)?)
    }

    /// Changes fields of the registered webhook, by a strategic merge patch.
    pub async fn change_webhook(&mut self, fields: &Value) -> Result<()> {
        self.disturbed = true;
        let mut webhook = fields.clone();
        webhook["name"] = json!("pods.nmi-guard.io");
        let patch = json!({"webhooks": [webhook]}).to_string();
        let configuration = "mutatingwebhookconfiguration/nmi-guard";
        self.api.kubectl_text(["patch", configuration, "--type=strategic", "-p", &patch])?;
        Ok(())
    }

    /// Empties the Secret, so that the next replica starts with certificates of its own lifetimes.
    pub fn forget_certificates(&self) -> Result<()> {
        let secret = ["patch", "secret", "nmi-guard-certs", "-n", "nmi-guard"];
        let data = ["--type=merge", "-p", r#"{"data":null}"#];
        self.api.kubectl_text(secret.into_iter().chain(data))?;
        Ok(())
    }

    /// Says that the next test needs [`Cluster::restore`] to do its work.
    pub fn disturb(&mut self) {
        self.disturbed = true;
    }

    /// Waits until the API server calls the webhook as it is configured now.
    pub async fn until_in_force(&mut self) -> Result<()> {
        let namespace = self.opted_in().await?;
        self.until_guarded(&namespace).await
    }

    /// Waits until Pods in `namespace` are guarded.
    pub async fn until_guarded(&self, namespace: &str) -> Result<()> {
        eventually("Pods are guarded", SOON, async || {
            let created = self.dry_run(namespace, &pod("try")).await?;
            ensure!(is_guarded(&created), "not guarded: {created}");
            Ok(())
        })
        .await
    }

    /// Waits until Pods in `namespace` are refused because nmi-guard cannot be reached.
    pub async fn until_refused(&self, namespace: &str) -> Result<()> {
        eventually("Pods are refused", SOON, async || match self.dry_run(namespace, &pod("try")).await {
            Err(kube::Error::Api(status)) => {
                let text = "failed calling webhook \"pods.nmi-guard.io\"";
                ensure!(status.message.contains(text), "{}", status.message);
                Ok(())
            }
            other => bail!("{other:?}"),
        })
        .await
    }

    /// Waits until every replica has answered a review.
    pub async fn until_all_replicas_review(&self) -> Result<()> {
        eventually("every replica has answered a review", SOON, async || {
            for replica in &self.replicas {
                let (_, metrics) = replica.get("/metrics").await?;
                let reviews =
                    |line: &&str| line.starts_with("nmi_guard_reviews_total{") && !line.ends_with(" 0");
                ensure!(metrics.lines().any(|line| reviews(&line)), "none in:\n{metrics}");
            }
            Ok(())
        })
        .await
    }

    /// A new namespace with these labels, ready for Pods.
    pub async fn namespace(&mut self, labels: &[(&str, &str)]) -> Result<String> {
        self.namespaces += 1;
        let name = format!("test-{}", self.namespaces);
        let labels: serde_json::Map<String, Value> =
            labels.iter().map(|(key, value)| ((*key).to_owned(), json!(value))).collect();
        let namespace = json!({"metadata": {"name": name, "labels": labels}});
        self.post("/api/v1/namespaces", &namespace).await?;
        eventually("the namespace has its ServiceAccount", SOON, async || {
            self.get(&format!("/api/v1/namespaces/{name}/serviceaccounts/default")).await
        })
        .await?;
        Ok(name)
    }

    /// A new namespace that opts in as the default install wants it.
    pub async fn opted_in(&mut self) -> Result<String> {
        self.namespace(&[("nmi-guard.io/injection", "enabled")]).await
    }

    /// Creates a Pod: what the API server made of it, or its refusal.
    pub async fn create(&self, namespace: &str, pod: &Value) -> Result<Value, kube::Error> {
        self.post(&format!("/api/v1/namespaces/{namespace}/pods"), pod).await
    }

    /// Like [`Cluster::create`], without keeping the Pod.
    pub async fn dry_run(&self, namespace: &str, pod: &Value) -> Result<Value, kube::Error> {
        self.post(&format!("/api/v1/namespaces/{namespace}/pods?dryRun=All"), pod).await
    }

    /// POSTs `object` to `path` of the API server.
    pub async fn post(&self, path: &str, object: &Value) -> Result<Value, kube::Error> {
        let request = Request::post(path).header("content-type", "application/json");
        let request = request.body(object.to_string().into_bytes()).map_err(kube::Error::HttpError)?;
        self.api.client().request(request).await
    }

    /// GETs `path` of the API server.
    pub async fn get(&self, path: &str) -> Result<Value> {
        Ok(self.api.client().request(Request::get(path).body(Vec::new())?).await?)
    }

    /// The calls of nmi-guard's webhook for all Pods created in `namespace`, oldest first, by the audit
    /// log: for each, whether it changed the Pod.
    pub fn reviews(&self, namespace: &str) -> Result<Vec<bool>> {
        calls(self.audit_events(namespace)?)
    }

    /// Like [`Cluster::reviews`], for the Pod `name` alone.
    pub fn reviews_of(&self, namespace: &str, name: &str) -> Result<Vec<bool>> {
        let mut events = self.audit_events(namespace)?;
        events.retain(|event| event["objectRef"]["name"] == name);
        calls(events)
    }

    /// The audit events of Pods whose creation was asked for in `namespace`.
    pub fn audit_events(&self, namespace: &str) -> Result<Vec<Value>> {
        let mut events = self.api.audit_events()?;
        events.retain(|event| {
            event["objectRef"]["resource"] == "pods" && event["objectRef"]["namespace"] == namespace
        });
        Ok(events)
    }

    /// Writes `object` to a file that `kubectl` can be given.
    pub fn file(&self, object: &Value) -> Result<String> {
        let file = self.api.folder().join("object.json");
        std::fs::write(&file, serde_json::to_vec_pretty(object)?)?;
        Ok(path(&file)?.to_owned())
    }

    /// A kubeconfig with a token of the installed ServiceAccount.
    async fn service_account_kubeconfig(&self) -> Result<PathBuf> {
        let request = json!({"spec": {"audiences": [], "expirationSeconds": 86400}});
        let path = "/api/v1/namespaces/nmi-guard/serviceaccounts/nmi-guard/token";
        let answer = self.post(path, &request).await?;
        let token = answer["status"]["token"].as_str().context("no token")?;
        self.api.kubeconfig_for_token("nmi-guard", token)
    }
}

/// The calls of nmi-guard's webhook in `events`: whether each changed the object.
fn calls(events: Vec<Value>) -> Result<Vec<bool>> {
    let mut calls = Vec::new();
    for event in events {
        let annotations = event["annotations"].as_object().cloned().unwrap_or_default();
        for (key, value) in annotations {
            if !key.starts_with("mutation.webhook.admission.k8s.io/") {
                continue;
            }
            let call: Value = serde_json::from_str(value.as_str().context("not a string")?)?;
            if call["configuration"] == "nmi-guard" {
                calls.push(call["mutated"].as_bool().context("no mutated")?);
            }
        }
    }
    Ok(calls)
}

/// The project's manifests.
pub fn manifests() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("manifests")
}

/// `path` as `kubectl` takes it.
pub fn path(path: &Path) -> Result<&str> {
    path.to_str().context("a path that is not UTF-8")
}

/// A Pod that uses AAD Pod Identity.
pub fn pod(name: &str) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": {"aadpodidbinding": "app"}},
        "spec": {"containers": [{"name": "app", "image": "registry.k8s.io/pause:3.10"}]},
    })
}

/// Whether nmi-guard's init container is the first of the Pod's and its status annotation is there.
pub fn is_guarded(pod: &Value) -> bool {
    pod["spec"]["initContainers"][0]["name"] == "nmi-guard-init"
        && pod["metadata"]["annotations"]["nmi-guard.io/status"].is_string()
}
