//! The machine as the node sees it: mounts and network of the enclosure, made by its process 1.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use nmi_guard_testkit::apiserver::KUBERNETES_ADDRESS;

use crate::command::run;
use crate::{NODE_ADDRESS, imds};

/// What the kubelet wants of the kernel. It would set it for the whole machine, so it is shown files that
/// already say so.
const KERNEL_SETTINGS: [(&str, &str); 6] = [
    ("vm/overcommit_memory", "1"),
    ("vm/panic_on_oom", "0"),
    ("kernel/panic", "10"),
    ("kernel/panic_on_oops", "1"),
    ("kernel/keys/root_maxkeys", "1000000"),
    ("kernel/keys/root_maxbytes", "25000000"),
];

/// Makes `folder` a file system of its own, which holds all that the node writes, and everything else private.
///
/// # Errors
/// When a mount is refused.
pub fn make_private(folder: &Path) -> Result<()> {
    let path = folder.display();
    fs::create_dir_all(folder)?;
    run(&format!("mount -t tmpfs -o mode=0755 nmi-guard-node {path}"))?;
    run("mount -t tmpfs -o mode=0755 run /run")?;
    fs::create_dir_all("/run/lock")?;
    for name in ["var", "var-work", "settings"] {
        fs::create_dir(folder.join(name))?;
    }
    run(&format!("mount -t overlay -o lowerdir=/var,upperdir={path}/var,workdir={path}/var-work var /var"))?;
    for (setting, value) in KERNEL_SETTINGS {
        let file = folder.join("settings").join(setting.replace('/', "-"));
        fs::write(&file, format!("{value}\n"))?;
        run(&format!("mount --bind {} /proc/sys/{setting}", file.display()))?;
    }
    Ok(())
}

/// Gives the network namespace the addresses of the node, of the Service `kubernetes` and of the IMDS.
///
/// # Errors
/// When `ip` fails.
pub fn make_network() -> Result<()> {
    for line in [
        "ip link set lo up",
        "ip link add node0 type veth peer name node1",
        "ip link set node0 up",
        "ip link set node1 up",
        &format!("ip address add {NODE_ADDRESS}/24 dev node0"),
        // There is no kube-proxy: the API server itself listens at the address of its Service.
        &format!("ip address add {KUBERNETES_ADDRESS}/32 dev lo"),
        &format!("ip address add {}/32 dev lo", imds::ADDRESS),
    ] {
        run(line)?;
    }
    // NMI redirects to 127.0.0.1 what comes from Pods.
    for setting in ["ip_forward", "conf/all/route_localnet"] {
        let file = Path::new("/proc/sys/net/ipv4").join(setting);
        fs::write(&file, "1").with_context(|| format!("cannot write {}", file.display()))?;
    }
    Ok(())
}
