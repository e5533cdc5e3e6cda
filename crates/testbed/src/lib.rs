//! A real node: etcd, kube-apiserver, controller-manager, scheduler, kubelet and containerd, with the real NMI
//! beside them, in network, mount and process namespaces of their own ([`enclosure`]), which take everything
//! with them when they end. The only fake is [`imds`], Azure's instance metadata service.

pub mod cgroup;
pub mod command;
pub mod enclosure;
pub mod forward;
pub mod images;
pub mod imds;
pub mod machine;
pub mod nmi;
pub mod node;
mod runtime;

/// The address of the node.
pub const NODE_ADDRESS: &str = "10.200.0.1";
/// The name of the node.
pub const NODE_NAME: &str = "node";
/// Where the first byte of every Pod's address stands: Pods have 10.201.0.2 and following.
pub const POD_SUBNET: &str = "10.201.0.0/24";
