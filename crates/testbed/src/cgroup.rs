//! The one control group that everything in an enclosure lies below, in every hierarchy of the machine.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

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

/// The group `name` in the hierarchy that counts CPU time, and whether that is of version 2.
fn accounting(name: &str) -> Result<(PathBuf, bool)> {
    let groups: Vec<_> = hierarchies()?.into_iter().map(|hierarchy| hierarchy.join(name)).collect();
    let with = |file: &str| groups.iter().find(|group| group.join(file).exists()).cloned();
    match (with("cpuacct.usage"), with("cpu.stat")) {
        (Some(group), _) => Ok((group, false)),
        (None, Some(group)) => Ok((group, true)),
        (None, None) => bail!("no control group {name} counts CPU time"),
    }
}

/// Has the CPU time of this process, and of all that it starts from now on, counted for the group `name`.
///
/// # Errors
/// When there is no such group.
pub fn join_accounting(name: &str) -> Result<()> {
    let (mut group, is_version_2) = accounting(name)?;
    if is_version_2 {
        // There, a group has either processes or groups with controllers in it.
        group.push("machine");
        fs::create_dir_all(&group)?;
    }
    Ok(fs::write(group.join("cgroup.procs"), "0")?)
}

/// The CPU time of all processes that have ever been in the group `name` or below it.
///
/// # Errors
/// When there is no such group.
pub fn cpu_time(name: &str) -> Result<Duration> {
    let (group, is_version_2) = accounting(name)?;
    if !is_version_2 {
        let nanoseconds = fs::read_to_string(group.join("cpuacct.usage"))?;
        return Ok(Duration::from_nanos(nanoseconds.trim().parse()?));
    }
    let counters = fs::read_to_string(group.join("cpu.stat"))?;
    let microseconds = counters.lines().find_map(|line| line.strip_prefix("usage_usec "));
    Ok(Duration::from_micros(microseconds.context("no usage_usec in cpu.stat")?.parse()?))
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
