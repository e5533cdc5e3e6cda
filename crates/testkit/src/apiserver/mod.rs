//! A real kube-apiserver with its own etcd, on loopback, in a folder of its own.

mod binaries;
mod credentials;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::process::{Process, free_port};
use crate::wait::eventually_while;
pub use binaries::program;
pub use credentials::Credentials;

/// The controllers that do something where there are no nodes.
const ONLY_WHAT_NEEDS_NO_NODE: &str = "--controllers=serviceaccount-controller,\
    root-ca-certificate-publisher-controller,namespace-controller,resourcequota-controller,\
    garbage-collector-controller,deployment-controller,replicaset-controller,daemonset-controller,\
    job-controller,cronjob-controller";

/// How long a program may take to be ready: seconds where it is alone, longer on a busy machine.
const START_LIMIT: Duration = Duration::from_secs(120);

/// Where an API server is reached, and what of Kubernetes runs with it.
#[derive(Debug, Default)]
pub struct Options {
    /// The folder that its own is made in; none stands for the one for temporary files.
    pub parent: Option<PathBuf>,
    /// A port of 127.0.0.1; none stands for one that is free.
    pub port: Option<u16>,
    /// The address that Pods and kubelets reach it at; none where there are none.
    pub node_address: Option<String>,
}

/// The Service `kubernetes`, the first address of its range.
pub const KUBERNETES_ADDRESS: &str = "10.0.0.1";

/// An API server and its etcd. Dropping it ends both and removes their folder.
pub struct ApiServer {
    // Fields are dropped in this order: clients before servers before the folder.
    controller_manager: Option<Process>,
    apiserver: Option<Process>,
    _etcd: Process,
    client: Client,
    kubeconfig: PathBuf,
    port: u16,
    etcd_port: u16,
    node_address: Option<String>,
    kubectl: PathBuf,
    credentials: Credentials,
    folder: TempDir,
}

impl ApiServer {
    /// Starts etcd and kube-apiserver (RBAC on, Pods' creation audited) and waits until it is ready.
    ///
    /// # Errors
    /// When a program is missing, ends, or is not ready in time; the end of its log is in the message.
    pub async fn start() -> Result<Self> {
        Self::start_with(Options::default()).await
    }

    /// Like [`ApiServer::start`], with these options.
    ///
    /// # Errors
    /// Those of [`ApiServer::start`].
    pub async fn start_with(options: Options) -> Result<Self> {
        let parent = options.parent.unwrap_or_else(std::env::temp_dir);
        let folder = tempfile::Builder::new().prefix("nmi-guard-apiserver-").tempdir_in(parent)?;
        std::fs::write(folder.path().join("audit-policy.yaml"), include_str!("audit-policy.yaml"))?;
        let mut addresses = vec![KUBERNETES_ADDRESS.to_owned()];
        addresses.extend(options.node_address.clone());
        let credentials = Credentials::create(folder.path(), &addresses)?;
        let (etcd_port, etcd_peer_port) = (free_port()?, free_port()?);
        let port = options.port.map_or_else(free_port, Ok)?;
        let etcd = start_etcd(folder.path(), etcd_port, etcd_peer_port)?;
        let user = credentials.client("admin", "system:masters")?;
        let kubeconfig = credentials.kubeconfig("admin.kubeconfig", port, &user)?;
        let client = client(&kubeconfig).await?;
        let mut server = Self {
            controller_manager: None,
            apiserver: None,
            _etcd: etcd,
            client,
            kubeconfig,
            port,
            etcd_port,
            node_address: options.node_address,
            kubectl: program("kubectl")?,
            credentials,
            folder,
        };
        server.start_apiserver().await?;
        Ok(server)
    }

    /// A client with all rights.
    pub fn client(&self) -> Client {
        self.client.clone()
    }

    /// The kubeconfig file of [`ApiServer::client`].
    pub fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    /// The folder of this server, for files that are to go with it.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The authority that everything here trusts, and its files.
    pub fn credentials(&self) -> &Credentials {
        &self.credentials
    }

    /// Writes a kubeconfig file `NAME.kubeconfig` for the bearer of `token`.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn kubeconfig_for_token(&self, name: &str, token: &str) -> Result<PathBuf> {
        self.credentials.kubeconfig(&format!("{name}.kubeconfig"), self.port, &json!({"token": token}))
    }

    /// `kubectl`, set up for this server with all rights.
    pub fn kubectl(&self) -> Command {
        let mut command = Command::new(&self.kubectl);
        command.env("KUBECONFIG", &self.kubeconfig).env("HOME", self.folder.path());
        command
    }

    /// Runs `kubectl` and returns what it wrote, whatever its exit status.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn kubectl_output<S: AsRef<std::ffi::OsStr>>(
        &self,
        args: impl IntoIterator<Item = S>,
    ) -> Result<Output> {
        self.kubectl().args(args).output().context("cannot start kubectl")
    }

    /// Runs `kubectl` and returns its standard output.
    ///
    /// # Errors
    /// When it fails: with its standard error.
    pub fn kubectl_text<S: AsRef<std::ffi::OsStr>>(
        &self,
        args: impl IntoIterator<Item = S>,
    ) -> Result<String> {
        let args: Vec<S> = args.into_iter().collect();
        let output = self.kubectl_output(&args)?;
        if !output.status.success() {
            let args: Vec<_> = args.iter().map(|arg| arg.as_ref().to_string_lossy()).collect();
            let stderr = String::from_utf8_lossy(&output.stderr);
            bail!("kubectl {}: {}\n{stderr}", args.join(" "), output.status);
        }
        Ok(String::from_utf8(output.stdout)?)
    }

    /// Kills the API server; etcd stays.
    pub fn stop_apiserver(&mut self) {
        self.apiserver = None;
    }

    /// Starts the API server, on the same port and etcd as ever, and waits until it is ready. Does
    /// nothing while it runs.
    ///
    /// # Errors
    /// When it ends or is not ready in time.
    pub async fn start_apiserver(&mut self) -> Result<()> {
        if self.apiserver.is_some() {
            return Ok(());
        }
        let process = Process::start(self.apiserver_command()?, &self.log("kube-apiserver"))?;
        let process = self.apiserver.insert(process);
        let client = &self.client;
        eventually_while(
            "kube-apiserver is ready",
            START_LIMIT,
            || process.check_running(),
            async || {
                client.request_text(http::Request::get("/readyz").body(Vec::new())?).await?;
                Ok(())
            },
        )
        .await
        .map_err(|error| error.context(format!("the end of its log:\n{}", process.log_tail())))
    }

    /// Starts the controller-manager with the controllers that make Pods from workloads, default
    /// ServiceAccounts, the usage of ResourceQuotas, and that empty deleted namespaces; returns once
    /// the namespace `default` has its ServiceAccount.
    ///
    /// # Errors
    /// When the program is missing, ends, or is not ready in time.
    pub async fn start_controller_manager(&mut self) -> Result<()> {
        let process = Process::start(self.controller_manager_command()?, &self.log("controller-manager"))?;
        let process = self.controller_manager.insert(process);
        let client = &self.client;
        eventually_while(
            "the controller-manager has made a ServiceAccount",
            START_LIMIT,
            || process.check_running(),
            async || {
                let path = "/api/v1/namespaces/default/serviceaccounts/default";
                client.request_text(http::Request::get(path).body(Vec::new())?).await?;
                Ok(())
            },
        )
        .await
        .map_err(|error| error.context(format!("the end of its log:\n{}", process.log_tail())))
    }

    /// The audit events so far, oldest first: one for each Pod whose creation was asked for, and one for
    /// each request of nmi-guard's ServiceAccount. They are written before the API server answers.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub fn audit_events(&self) -> Result<Vec<Value>> {
        let log = std::fs::read_to_string(self.folder.path().join("audit.log"))?;
        Ok(log.lines().map(serde_json::from_str).collect::<Result<_, _>>()?)
    }

    fn log(&self, program: &str) -> PathBuf {
        self.folder.path().join(format!("{program}.log"))
    }

    fn apiserver_command(&self) -> Result<Command> {
        let file = |name: &str| self.credentials.path(name).display().to_string();
        let mut command = Command::new(program("kube-apiserver")?);
        command
            .arg(format!("--etcd-servers=http://127.0.0.1:{}", self.etcd_port))
            .arg(format!("--secure-port={}", self.port))
            .arg(format!("--tls-cert-file={}", file("server.crt")))
            .arg(format!("--tls-private-key-file={}", file("server.key")))
            .arg(format!("--client-ca-file={}", file("ca.crt")))
            .arg(format!("--service-account-key-file={}", file("service-accounts.pub")))
            .arg(format!("--service-account-signing-key-file={}", file("service-accounts.key")))
            .arg(format!("--audit-policy-file={}", file("audit-policy.yaml")))
            .arg(format!("--audit-log-path={}", file("audit.log")))
            .args([
                "--audit-log-mode=blocking-strict",
                "--authorization-mode=Node,RBAC",
                "--service-account-issuer=https://kubernetes.default.svc.cluster.local",
                "--service-cluster-ip-range=10.0.0.0/24",
                "--allow-privileged=true",
            ]);
        match &self.node_address {
            None => command.args([
                "--bind-address=127.0.0.1",
                "--advertise-address=127.0.0.1",
                // Loopback cannot be an endpoint of the Service `kubernetes`.
                "--endpoint-reconciler-type=none",
            ]),
            Some(address) => {
                let (certificate, key) = self.kubelet_client()?;
                command
                    .arg(format!("--advertise-address={address}"))
                    .arg(format!("--kubelet-client-certificate={}", certificate.display()))
                    .arg(format!("--kubelet-client-key={}", key.display()))
                    .args([
                        "--bind-address=0.0.0.0",
                        "--kubelet-preferred-address-types=InternalIP",
                        // Webhooks are called at the addresses of their Pods: there is no kube-proxy.
                        "--enable-aggregator-routing=true",
                    ])
            }
        };
        Ok(command)
    }

    /// The files of a certificate that kubelets let do anything.
    fn kubelet_client(&self) -> Result<(PathBuf, PathBuf)> {
        let mut params = rcgen::CertificateParams::default();
        params.distinguished_name.push(rcgen::DnType::CommonName, "kube-apiserver");
        params.distinguished_name.push(rcgen::DnType::OrganizationName, "system:masters");
        let usage = rcgen::ExtendedKeyUsagePurpose::ClientAuth;
        let (certificate, key) = self.credentials.issue(params, usage)?;
        let paths = ["kubelet-client.crt", "kubelet-client.key"].map(|name| self.credentials.path(name));
        std::fs::write(&paths[0], certificate)?;
        std::fs::write(&paths[1], key)?;
        Ok(paths.into())
    }

    fn controller_manager_command(&self) -> Result<Command> {
        let mut command = Command::new(program("kube-controller-manager")?);
        command
            .arg(format!("--kubeconfig={}", self.kubeconfig.display()))
            .arg(format!(
                "--service-account-private-key-file={}",
                self.credentials.path("service-accounts.key").display()
            ))
            .arg(format!("--root-ca-file={}", self.credentials.path("ca.crt").display()))
            .arg(format!("--flex-volume-plugin-dir={}", self.folder.path().join("volumes").display()))
            .arg(match self.node_address {
                Some(_) => "--controllers=*",
                None => ONLY_WHAT_NEEDS_NO_NODE,
            })
            .args([
                "--leader-elect=false",
                "--secure-port=0",
                // The defaults make a new namespace wait seconds for its ServiceAccount.
                "--kube-api-qps=500",
                "--kube-api-burst=1000",
            ]);
        Ok(command)
    }
}

/// A client that uses the kubeconfig file at `path`.
///
/// # Errors
/// When the file cannot be read or is wrong.
pub async fn client(path: &Path) -> Result<Client> {
    let kubeconfig = Kubeconfig::read_from(path)?;
    let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await?;
    Client::try_from(config).map_err(|error| anyhow!(error).context("cannot make a client"))
}

fn start_etcd(folder: &Path, port: u16, peer_port: u16) -> Result<Process> {
    let (url, peer_url) = (format!("http://127.0.0.1:{port}"), format!("http://127.0.0.1:{peer_port}"));
    let mut command = Command::new(program("etcd")?);
    command
        .arg(format!("--data-dir={}", folder.join("etcd").display()))
        .arg(format!("--listen-client-urls={url}"))
        .arg(format!("--advertise-client-urls={url}"))
        .arg(format!("--listen-peer-urls={peer_url}"))
        .arg(format!("--initial-advertise-peer-urls={peer_url}"))
        .arg(format!("--initial-cluster=default={peer_url}"))
        // The data is thrown away at the end, so it need not reach the disk.
        .arg("--unsafe-no-fsync");
    Process::start(command, &folder.join("etcd.log"))
}
