//! The one control group that everything in an enclosure lies below, in every hierarchy of the machine.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

/// The mounted hierarchies, of either version.
///
/// # Errors
/// When the list of mounts cannot be read.
pub fn hierarchies() -> Result<Vec<PathBuf>> {
    let mounts = fs::read_to_string("/proc/self/mounts").context("cannot read /proc/self/mounts")?;
    let fields = mounts.lines().map(|line| line.split(' ').collect::<Vec<_>>());
    let cgroups = fields.filter(|fields| matches!(fields.as_slice(), [_, _, "cgroup" | "cgroup2", ..]));
    Ok(cgroups.map(|fields| PathBuf::from(fields[1])).collect())
}

/// Makes the group `name` in every hierarchy.
///
/// # Errors
/// When it cannot be made, for want of rights.
pub fn create(name: &str) -> Result<()> {
    for hierarchy in hierarchies()? {
        let group = hierarchy.join(name);
        fs::create_dir(&group).with_context(|| format!("cannot make {}", group.display()))?;
        // A version 1 cpuset takes no process before it has processors and memory nodes.
        for file in ["cpuset.cpus", "cpuset.mems"] {
            if hierarchy.ends_with("cpuset") {
                fs::write(group.join(file), fs::read(hierarchy.join(file))?)?;
            }
        }
    }
    Ok(())
}

/// The group `name` in the hierarchy that counts CPU time.
fn accounting(name: &str) -> Result<PathBuf> {
    let groups = hierarchies()?.into_iter().map(|hierarchy| hierarchy.join(name));
    let mut accounting = groups.filter(|group| group.join("cpuacct.usage").exists());
    accounting.next().context("CPU time is measured where there are control groups of version 1 only")
}

/// Has the CPU time of this process, and of all that it starts from now on, counted for the group `name`.
///
/// # Errors
/// When there is no such group, or version 2 only.
pub fn join_accounting(name: &str) -> Result<()> {
    Ok(fs::write(accounting(name)?.join("cgroup.procs"), "0")?)
}

/// The CPU time of all processes that have ever been in the group `name` or below it.
///
/// # Errors
/// When there is no such group, or version 2 only.
pub fn cpu_time(name: &str) -> Result<Duration> {
    let nanoseconds = fs::read_to_string(accounting(name)?.join("cpuacct.usage"))?;
    Ok(Duration::from_nanos(nanoseconds.trim().parse()?))
}

/// Removes the group `name`, with all below it, from every hierarchy, waiting for its last processes to end.
///
/// # Errors
/// When a group is still in use after `limit`.
pub fn remove(name: &str, limit: Duration) -> Result<()> {
    let end = Instant::now() + limit;
    for hierarchy in hierarchies()? {
        let group = hierarchy.join(name);
        while let Err(error) = remove_tree(&group) {
            if Instant::now() > end {
                return Err(error).with_context(|| format!("cannot remove {}", group.display()));
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }
    Ok(())
}

fn remove_tree(group: &Path) -> std::io::Result<()> {
    let entries = match fs::read_dir(group) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            remove_tree(&entry.path())?;
        }
    }
    fs::remove_dir(group)
}
