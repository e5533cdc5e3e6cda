//! What one client, or all of them together, may take of the server.

use std::time::Duration;

/// Limits of the server. The durations are not part of the configuration: they are fields so that
/// tests don't have to wait.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Longest body of a request, in bytes. An object in etcd has 1.5 MiB at most, and a review holds
    /// one Pod and little else.
    pub max_body_bytes: usize,
    /// Requests being read or reviewed at the same time; those beyond are turned away at once. More than
    /// the 200 mutating requests that a kube-apiserver handles at a time (`--max-mutating-requests-inflight`).
    pub max_in_flight: usize,
    /// Open connections to each listener; those beyond wait until another one is closed.
    pub max_connections: usize,
    /// Longest time for a TLS handshake.
    pub handshake: Duration,
    /// Longest time from a request's first byte (or from the handshake) to the end of its headers.
    pub headers: Duration,
    /// Longest time for a request's body.
    pub body: Duration,
    /// How long a connection may idle between requests. More than the 90 seconds after which Go's
    /// HTTP client, and so kube-apiserver, closes it: closing first could cross a request on its way.
    pub idle: Duration,
    /// How long requests under way may take when everything else has stopped.
    pub finish: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_body_bytes: 3 << 20,
            max_in_flight: 256,
            max_connections: 1024,
            handshake: Duration::from_secs(10),
            headers: Duration::from_secs(10),
            body: Duration::from_secs(10),
            idle: Duration::from_secs(120),
            finish: Duration::from_secs(15),
        }
    }
}
