//! A cluster for a person to try things on: `testbed up` and `testbed down`; `testbed obstacle` says why there can be none.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use nmi_guard_testbed::enclosure::{self, Enclosure};
use nmi_guard_testbed::imds::{FakeImds, Identities};
use nmi_guard_testbed::node::Node;
use nmi_guard_testbed::{forward, images, nmi};
use nmi_guard_testkit::process::free_port;
use nmi_guard_testkit::wait::{eventually, eventually_while};
use rustix::process::{Pid, Signal, kill_process, test_kill_process};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

const USAGE: &str = "usage: testbed up | down | obstacle";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let outcome = match arguments.as_slice() {
        ["up"] => up(),
        ["down"] => down(),
        // Says why there can be no cluster here, if so.
        ["obstacle"] => {
            println!("{}", enclosure::obstacle().unwrap_or_default());
            Ok(ExitCode::SUCCESS)
        }
        // What `up` leaves running.
        ["run", port] => run(port),
        _ => Err(anyhow::anyhow!(USAGE)),
    };
    outcome.unwrap_or_else(|error| {
        eprintln!("{error:#}");
        ExitCode::FAILURE
    })
}

/// What is known of the cluster: `pid`, `log`, `kubeconfig` and `socket`.
fn state() -> PathBuf {
    std::env::temp_dir().join("nmi-guard-cluster")
}

fn up() -> Result<ExitCode> {
    if let Some(obstacle) = enclosure::obstacle() {
        bail!("no cluster can be started: {obstacle}");
    }
    let state = state();
    ensure!(running(&state).is_none(), "it is up: KUBECONFIG={}", state.join("kubeconfig").display());
    if state.exists() {
        std::fs::remove_dir_all(&state)?;
    }
    std::fs::create_dir(&state)?;
    let log = File::create(state.join("log"))?;
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["run", &free_port()?.to_string()]).stdin(Stdio::null());
    let mut cluster = std::os::unix::process::CommandExt::process_group(&mut command, 0)
        .stdout(log.try_clone()?)
        .stderr(log)
        .spawn()?;
    std::fs::write(state.join("pid"), cluster.id().to_string())?;
    let kubeconfig = state.join("kubeconfig");
    Runtime::new()?.block_on(eventually_while(
        "the cluster is up",
        Duration::from_secs(180),
        || match cluster.try_wait()? {
            Some(status) => bail!("it ended with {status}: {}", std::fs::read_to_string(state.join("log"))?),
            None => Ok(()),
        },
        async || kubeconfig.exists().then_some(()).context("no kubeconfig yet"),
    ))?;
    println!("export KUBECONFIG={}", kubeconfig.display());
    Ok(ExitCode::SUCCESS)
}

fn down() -> Result<ExitCode> {
    let state = state();
    if let Some(id) = running(&state) {
        kill_process(id, Signal::TERM)?;
    }
    let left = || -> Result<()> {
        let name = std::fs::read_to_string(state.join("cgroup")).unwrap_or_default();
        for hierarchy in nmi_guard_testbed::cgroup::hierarchies()? {
            let group = hierarchy.join(&name);
            ensure!(name.is_empty() || !group.exists(), "{} is still there", group.display());
        }
        Ok(())
    };
    let runtime = Runtime::new()?;
    runtime.block_on(eventually("it is gone", Duration::from_secs(60), async || left()))?;
    if state.exists() {
        std::fs::remove_dir_all(&state)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The process of `up`'s, if it is still there.
fn running(state: &Path) -> Option<Pid> {
    let id = std::fs::read_to_string(state.join("pid")).ok()?.parse().ok()?;
    let name = std::fs::read_to_string(format!("/proc/{id}/cmdline")).ok()?;
    let id = Pid::from_raw(id)?;
    (name.contains("testbed\0run\0") && test_kill_process(id).is_ok()).then_some(id)
}

fn run(port: &str) -> Result<ExitCode> {
    let port: u16 = port.parse().context("not a port")?;
    let socket = state().join("socket");
    if enclosure::is_outside() {
        let runtime = Runtime::new()?;
        let listener = runtime.block_on(TcpListener::bind(("127.0.0.1", port)))?;
        runtime.spawn(async move { forward::to_socket(listener, &socket).await });
        return enclosure::run(|_| ExitCode::FAILURE);
    }
    enclosure::run(|enclosure| {
        let outcome =
            Runtime::new().map_err(Into::into).and_then(|runtime| runtime.block_on(serve(&enclosure, port)));
        eprintln!("{:#}", outcome.err().unwrap_or_else(|| anyhow::anyhow!("it ended")));
        ExitCode::FAILURE
    })
}

/// Inside: the node, NMI and IMDS, until something ends them.
async fn serve(enclosure: &Enclosure, port: u16) -> Result<()> {
    std::fs::write(state().join("cgroup"), &enclosure.cgroup)?;
    let node = Node::start(enclosure, &images::tars()?, images::APP).await?;
    let _imds = FakeImds::start(Identities { system: true, user: Vec::new() }).await?;
    let build = nmi::Build::get()?;
    build.install_resources(&node)?;
    let _nmi = build.start(&node, nmi::Mode::Standard)?;
    let user = node.api.credentials().client("admin", "system:masters")?;
    let kubeconfig = node.api.credentials().kubeconfig("outside.kubeconfig", port, &user)?;
    let (socket, ready) = (state().join("socket"), state().join("kubeconfig"));
    let listening = tokio::spawn(async move { forward::from_socket(&socket, "127.0.0.1:443").await });
    std::fs::copy(kubeconfig, ready)?;
    listening.await?
}
