//! The kubelet asks over the network.

use k8s_openapi::api::core::v1::{HTTPGetAction, Probe};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use crate::policy::Port;

/// A probe of `path` at `port` of the Pod, of which only the handler is set.
pub(in crate::mutate) fn get(path: &impl ToString, port: Port) -> Probe {
    Probe {
        http_get: Some(HTTPGetAction {
            path: Some(path.to_string()),
            port: IntOrString::Int(port.as_i32()),
            ..HTTPGetAction::default()
        }),
        ..Probe::default()
    }
}
