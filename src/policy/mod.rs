//! What is to be done with a Pod, and with which settings.

/// The cluster's policy: defaults for every annotation, and what only the cluster decides.
#[derive(Clone, Debug, Default)]
pub struct Policy {}
