//! However an enclosure ends, nothing of it is left on the machine: no process, mount, namespace, control group,
//! network interface, iptables rule or folder.
//!
//! The program starts itself as what is enclosed: a node, which then ends in one way or another.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use libtest_mimic::{Arguments, Failed, Trial};
use nmi_guard_testbed::command::run;
use nmi_guard_testbed::enclosure::{self, Enclosure};
use nmi_guard_testbed::node::Node;
use nmi_guard_testbed::{cgroup, images};
use nmi_guard_testkit::wait::eventually;
use rustix::process::{Pid, Signal, kill_process};
use tokio::runtime::Runtime;

/// Says how what is enclosed is to end.
const END: &str = "NMI_GUARD_TESTBED_END";
/// How long the end may take to be complete.
const LIMIT: Duration = Duration::from_secs(60);

fn main() -> ExitCode {
    if let Ok(end) = std::env::var(END) {
        return enclosure::run(|enclosure| enclosed(&enclosure, &end)).unwrap_or(ExitCode::from(3));
    }
    if let Some(obstacle) = enclosure::obstacle() {
        println!("skipped: {obstacle}");
        return ExitCode::SUCCESS;
    }
    let mut arguments = Arguments::from_args();
    // Each compares the machine before and after.
    arguments.test_threads = Some(1);
    let trial = |name, check: fn() -> Result<()>| {
        Trial::test(name, move || check().map_err(|error| Failed::from(format!("{error:#}"))))
    };
    let trials = vec![
        trial("nothing_is_left_after_a_success", || after("success", |child, _| exit(child, 0))),
        trial("nothing_is_left_after_a_panic", || after("panic", |child, _| exit(child, 101))),
        trial("nothing_is_left_after_ctrl_c", || {
            after("never", |child, before| signal(child, before, Signal::INT))
        }),
        trial("nothing_is_left_after_sigkill", || {
            after("never", |child, before| signal(child, before, Signal::KILL))
        }),
    ];
    libtest_mimic::run(&arguments, trials).exit_code()
}

/// Inside: a node with a Pod on it, then the end.
fn enclosed(enclosure: &Enclosure, end: &str) -> ExitCode {
    let runtime = Runtime::new().unwrap();
    let node = runtime.block_on(Node::start(enclosure, &images::tars().unwrap(), images::APP)).unwrap();
    let image = format!("--image={}", images::APP);
    node.api.kubectl_text(["run", "pod", &image, "--restart=Always"]).unwrap();
    node.api.kubectl_text(["wait", "pod/pod", "--for=condition=Ready", "--timeout=60s"]).unwrap();
    run("iptables --wait --table nat --append PREROUTING --jump ACCEPT").unwrap();
    fs::write(enclosure.folder.join("up"), "").unwrap();
    match end {
        "success" => ExitCode::SUCCESS,
        "panic" => panic!("on purpose"),
        _ => loop {
            std::thread::park();
        },
    }
}

/// Starts an enclosure, has it end by `finish`, and compares the machine before and after.
fn after(end: &str, finish: impl FnOnce(Child, &Machine) -> Result<()>) -> Result<()> {
    let before = Machine::now()?;
    // In the background of a script SIGINT is ignored, and children inherit that.
    let child = Command::new("env")
        .arg("--default-signal=INT")
        .arg(std::env::current_exe()?)
        .env(END, end)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    finish(child, &before)?;
    Runtime::new()?.block_on(eventually("the machine is as before", LIMIT, async || {
        let now = Machine::now()?;
        ensure!(now == before, "before: {before:#?}\nnow: {now:#?}");
        Ok(())
    }))
}

/// Waits for the end of the program; one that does not end is killed.
fn ended(mut child: Child) -> Result<ExitStatus> {
    let end = eventually("the program ends", LIMIT, async || child.try_wait()?.context("it runs on"));
    Runtime::new()?.block_on(end).inspect_err(|_| {
        let _ = child.kill();
    })
}

/// Waits for the end with this exit code.
fn exit(child: Child, expected: i32) -> Result<()> {
    let status = ended(child)?;
    ensure!(status.code() == Some(expected), "{status}, not {expected}");
    Ok(())
}

/// Waits until the node is up, which must be seen on the machine, and sends `signal` to the program that was started.
fn signal(mut child: Child, before: &Machine, signal: Signal) -> Result<()> {
    let up = eventually("the node is up", LIMIT, async || {
        if let Some(status) = child.try_wait()? {
            bail!("it ended with {status}");
        }
        let folders = folders()?;
        let up = folders.iter().any(|folder| Path::new(folder).join("up").exists());
        up.then_some(()).context("it is not")
    });
    Runtime::new()?.block_on(up)?;
    let now = Machine::now()?;
    ensure!(
        now.processes != before.processes && now.cgroups != before.cgroups,
        "nothing is seen of the node"
    );
    ensure!(
        now.namespaces != before.namespaces && now.folders != before.folders,
        "nothing is seen of the node"
    );
    kill_process(Pid::from_child(&child), signal)?;
    ended(child).map(drop)
}

/// What there is on the machine of the kinds that a node makes.
#[derive(Debug, PartialEq, Eq)]
struct Machine {
    processes: BTreeSet<String>,
    namespaces: BTreeSet<PathBuf>,
    mounts: String,
    cgroups: BTreeSet<String>,
    interfaces: String,
    rules: String,
    folders: BTreeSet<String>,
}

impl Machine {
    fn now() -> Result<Self> {
        let mut cgroups = BTreeSet::new();
        for hierarchy in cgroup::hierarchies()? {
            cgroups.extend(names(&hierarchy)?.into_iter().filter(|name| name.starts_with("nmi-guard")));
        }
        let rules = ["iptables-save", "iptables-legacy-save"].map(|save| run(save).unwrap_or_default());
        // Comments hold the time.
        let rules = rules.iter().flat_map(|rules| rules.lines()).filter(|line| line.starts_with('-'));
        let (processes, namespaces) = processes()?;
        Ok(Self {
            processes,
            namespaces,
            mounts: fs::read_to_string("/proc/self/mounts")?,
            cgroups,
            interfaces: run("ip -brief link")?,
            rules: rules.collect::<Vec<_>>().join("\n"),
            folders: folders()?,
        })
    }
}

/// The processes that an enclosure consists of, and the namespaces that they are in: those in a process namespace
/// other than ours, and what starts them. Others come and go as they like.
fn processes() -> Result<(BTreeSet<String>, BTreeSet<PathBuf>)> {
    let outside = fs::read_link("/proc/self/ns/pid")?;
    let (mut processes, mut namespaces) = (BTreeSet::new(), BTreeSet::new());
    for id in names(Path::new("/proc"))?.into_iter().filter(|name| name.parse::<u32>().is_ok()) {
        let folder = Path::new("/proc").join(&id);
        // Whatever cannot be read has ended meanwhile.
        let Ok(inside) = fs::read_link(folder.join("ns/pid")) else { continue };
        let name = fs::read_to_string(folder.join("comm")).unwrap_or_default();
        let environment = fs::read(folder.join("environ")).unwrap_or_default();
        let role = environment.split(|byte| *byte == 0).any(|pair| pair.starts_with(END.as_bytes()));
        if inside != outside || role {
            processes.insert(format!("{id} {}", name.trim()));
            let kinds = ["net", "mnt", "pid"];
            namespaces.extend(kinds.iter().flat_map(|kind| fs::read_link(folder.join("ns").join(kind))));
        }
    }
    Ok((processes, namespaces))
}

/// The folders of enclosures.
fn folders() -> Result<BTreeSet<String>> {
    let parent = std::env::temp_dir();
    let ours = names(&parent)?.into_iter().filter(|name| name.starts_with("nmi-guard-node-"));
    Ok(ours.map(|name| parent.join(name).display().to_string()).collect())
}

fn names(folder: &Path) -> Result<Vec<String>> {
    let entries = fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?;
    Ok(entries.flatten().filter_map(|entry| entry.file_name().into_string().ok()).collect())
}
