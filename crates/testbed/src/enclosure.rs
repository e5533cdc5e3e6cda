//! Namespaces of our own around this program, and what keeps anything of them from staying behind.
//!
//! The program starts itself twice more:
//! - the **keeper** makes the control group and the folder, starts the rest, and takes both away at the end. It
//!   holds one end of a pipe, so it notices the end of the program that was started first, however that ended;
//!   a terminal's Ctrl-C does not reach it.
//! - the **inside** is process 1 of a process namespace: when it ends, the kernel ends everything in there, and with
//!   the last process go the network and mount namespaces. It dies with `unshare`, which dies with the keeper.

use std::fs;
use std::io::Read;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use rustix::process::{Pid, Signal, geteuid, kill_process};

use crate::cgroup;
use crate::command::run_command;

/// Says which of the three a process is.
const ROLE: &str = "NMI_GUARD_TESTBED_ROLE";
/// The folder that the keeper has made.
const FOLDER: &str = "NMI_GUARD_TESTBED_FOLDER";
/// How long the last processes may take to end.
const END_LIMIT: Duration = Duration::from_secs(60);

/// What the inside is given.
#[derive(Clone, Debug)]
pub struct Enclosure {
    /// The machine's view of it is the same: sockets and files in it can be shared with the outside.
    pub folder: PathBuf,
    /// The name of its control group, below the root of every hierarchy.
    pub cgroup: String,
}

/// What the kernel must allow in new namespaces, and what shows that it does, in an empty folder.
const NEEDED: [(&str, &str); 3] = [
    (
        "overlay mounts",
        "mount -t tmpfs none . && cd \"$PWD\" && mkdir upper work merged && \
            mount -t overlay -o lowerdir=/var,upperdir=upper,workdir=work none merged",
    ),
    ("network interfaces of the kind veth", "ip link add probe0 type veth peer name probe1"),
    ("iptables' table nat", "iptables --wait --table nat --append PREROUTING --jump ACCEPT"),
];

/// Why there can be no enclosure here, if so.
pub fn obstacle() -> Option<String> {
    if !is_outside() {
        return None;
    }
    if !geteuid().is_root() {
        return Some("namespaces, mounts and control groups need root".to_owned());
    }
    ["unshare", "setpriv", "ip", "iptables", "containerd", "runc", "buildah"]
        .into_iter()
        .find(|program| which(program).is_none())
        .map(|program| format!("there is no {program} on PATH"))
        .or_else(|| kernel_obstacle().err().map(|error| format!("{error:#}").trim_end().replace('\n', " ")))
}

/// Tries what [`run`] and the node do with the kernel.
fn kernel_obstacle() -> Result<()> {
    let folder = tempfile::Builder::new().prefix("nmi-guard-obstacle-").tempdir()?;
    let name = name_of(folder.path())?;
    let made = cgroup::create(&name).context("the kernel allows no control groups here");
    cgroup::remove(&name, END_LIMIT)?;
    made?;
    for (what, script) in NEEDED {
        let mut command = Command::new("unshare");
        command.args(["--net", "--mount", "--pid", "--fork", "--mount-proc", "sh", "-ec", script]);
        command.current_dir(folder.path());
        run_command(&mut command).with_context(|| format!("the kernel allows no {what} here"))?;
    }
    Ok(())
}

/// Whether this process is neither keeper nor inside.
pub fn is_outside() -> bool {
    std::env::var_os(ROLE).is_none()
}

fn which(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(program)).find(|file| file.is_file())
}

/// Runs `inside` in an enclosure: in a new process, which has this one's program and arguments. Call it first
/// thing in `main`, from the main thread. Returns the exit code of the inside once nothing is left of it.
///
/// # Errors
/// When the enclosure cannot be made or taken away.
pub fn run(inside: impl FnOnce(Enclosure) -> ExitCode) -> Result<ExitCode> {
    match std::env::var(ROLE).as_deref() {
        Ok("inside") => {
            let folder = PathBuf::from(std::env::var_os(FOLDER).context("no folder given")?);
            let cgroup = name_of(&folder)?;
            Ok(inside(Enclosure { folder, cgroup }))
        }
        Ok("keeper") => keep(),
        _ => begin(),
    }
}

/// Starts the keeper and waits for it.
fn begin() -> Result<ExitCode> {
    let mut keeper = ourselves("keeper")?
        .stdin(Stdio::piped())
        .process_group(0)
        .spawn()
        .context("cannot start the keeper")?;
    // Its end of the pipe is closed when this process ends, in whatever way.
    let _pipe = keeper.stdin.take();
    code(keeper.wait()?)
}

/// Does the keeper's work.
fn keep() -> Result<ExitCode> {
    let folder = tempfile::Builder::new().prefix("nmi-guard-node-").tempdir()?;
    let cgroup = name_of(folder.path())?;
    let outcome = cgroup::create(&cgroup).and_then(|()| enclose(folder.path()));
    cgroup::remove(&cgroup, END_LIMIT)?;
    folder.close().context("cannot remove the folder")?;
    outcome
}

fn enclose(folder: &Path) -> Result<ExitCode> {
    let inside = ourselves("inside")?;
    let mut enclosed = Command::new("setpriv");
    enclosed
        .args(["--pdeathsig=KILL", "--", "unshare", "--net", "--mount", "--pid", "--fork"])
        .args(["--kill-child", "--mount-proc", "--"])
        .arg(inside.get_program())
        .args(inside.get_args())
        .env(ROLE, "inside")
        .env(FOLDER, folder)
        .stdin(Stdio::null());
    let mut enclosed = enclosed.spawn().context("cannot start setpriv")?;
    let id = Pid::from_child(&enclosed);
    std::thread::spawn(move || {
        // Nothing is ever written to the pipe: this returns when the first process ends.
        let _ = std::io::stdin().read(&mut [0]);
        end(id);
    });
    code(enclosed.wait()?)
}

/// Kills process 1 of the enclosure, so that `unshare` returns when the last process in there has ended.
fn end(unshare: Pid) {
    let id = unshare.as_raw_nonzero();
    let children = fs::read_to_string(format!("/proc/{id}/task/{id}/children")).unwrap_or_default();
    let first = children.split_whitespace().next().and_then(|id| Pid::from_raw(id.parse().ok()?));
    // An error means that it has ended already.
    let _ = kill_process(first.unwrap_or(unshare), Signal::KILL);
}

/// This program with its arguments, in another role.
fn ourselves(role: &str) -> Result<Command> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(std::env::args_os().skip(1)).env(ROLE, role);
    Ok(command)
}

fn name_of(folder: &Path) -> Result<String> {
    let name = folder.file_name().and_then(|name| name.to_str()).context("a folder without a name")?;
    Ok(name.to_owned())
}

fn code(status: std::process::ExitStatus) -> Result<ExitCode> {
    let Some(code) = status.code() else { bail!("ended by {status}") };
    ensure!((0..256).contains(&code), "exit code {code}");
    Ok(ExitCode::from(u8::try_from(code)?))
}
