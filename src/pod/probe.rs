//! A probe that a container brings. Most are kept as they are, so it is skipped over, and read only where it is
//! to be asked by somebody else.

use std::borrow::Cow;

use serde::Deserialize;
use serde::de::Deserializer;
use serde_json::value::RawValue;

use super::borrowed::{List, Text, or_default};

/// A container's `readinessProbe` or `livenessProbe`, unread.
#[derive(Clone, Copy, Debug, Default)]
pub struct Probe<'a>(Option<&'a RawValue>);

impl<'a> Probe<'a> {
    /// Whether there is one.
    pub fn is_present(&self) -> bool {
        self.0.is_some()
    }

    /// The probe as it stands in the document.
    pub fn raw(&self) -> Option<&'a RawValue> {
        self.0
    }

    /// What it asks, and how long that may take; `None` if it can't be read as a probe.
    pub fn read(&self) -> Option<ProbeRead<'a>> {
        serde_json::from_str(self.0?.get()).ok()
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Probe<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Option::deserialize(deserializer).map(Self)
    }
}

/// A probe as far as it is read: one of the handlers is there (k8s.io/api core/v1 `Probe`).
#[derive(Clone, Debug, Deserialize)]
#[serde(bound(deserialize = "'de: 'a"), rename_all = "camelCase")]
pub struct ProbeRead<'a> {
    /// `exec`
    #[serde(default)]
    pub exec: Option<Exec<'a>>,
    /// `httpGet`
    #[serde(default)]
    pub http_get: Option<HttpGet<'a>>,
    /// `tcpSocket`
    #[serde(default)]
    pub tcp_socket: Option<TcpSocket<'a>>,
    /// `grpc`
    #[serde(default)]
    pub grpc: Option<Grpc<'a>>,
    /// `timeoutSeconds`, 0 where it is left out.
    #[serde(default, deserialize_with = "or_default")]
    pub timeout_seconds: i64,
}

/// `exec` of a probe.
#[derive(Clone, Debug, Deserialize)]
#[serde(bound(deserialize = "'de: 'a"))]
pub struct Exec<'a> {
    /// `command`
    #[serde(default)]
    pub command: List<Text<'a>>,
}

/// `httpGet` of a probe.
#[derive(Clone, Debug, Deserialize)]
#[serde(bound(deserialize = "'de: 'a"), rename_all = "camelCase")]
pub struct HttpGet<'a> {
    /// `scheme`, empty where it is left to the default `HTTP`.
    #[serde(default)]
    pub scheme: Text<'a>,
    /// `host`, empty for the Pod's own address.
    #[serde(default)]
    pub host: Text<'a>,
    /// `port`
    pub port: PortRef<'a>,
    /// `path`, with the query; empty for `/`.
    #[serde(default)]
    pub path: Text<'a>,
    /// `httpHeaders`
    #[serde(default)]
    pub http_headers: List<HttpHeader<'a>>,
}

/// One of `httpHeaders`.
#[derive(Clone, Debug, Deserialize)]
#[serde(bound(deserialize = "'de: 'a"))]
pub struct HttpHeader<'a> {
    /// `name`
    #[serde(default)]
    pub name: Text<'a>,
    /// `value`
    #[serde(default)]
    pub value: Text<'a>,
}

/// `tcpSocket` of a probe.
#[derive(Clone, Debug, Deserialize)]
#[serde(bound(deserialize = "'de: 'a"))]
pub struct TcpSocket<'a> {
    /// `host`, empty for the Pod's own address.
    #[serde(default)]
    pub host: Text<'a>,
    /// `port`
    pub port: PortRef<'a>,
}

/// `grpc` of a probe.
#[derive(Clone, Debug, Deserialize)]
#[serde(bound(deserialize = "'de: 'a"))]
pub struct Grpc<'a> {
    /// `port`
    pub port: i64,
    /// `service`, empty for the server as a whole.
    #[serde(default)]
    pub service: Text<'a>,
}

/// A port by its number, or by the name that the container gives it.
#[derive(Clone, Debug, Deserialize)]
#[serde(bound(deserialize = "'de: 'a"), untagged)]
pub enum PortRef<'a> {
    /// Its number.
    Number(i64),
    /// Its name, or its number as text, which Kubernetes takes as well.
    Name(Cow<'a, str>),
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn read(text: &str) -> Option<ProbeRead<'_>> {
        serde_json::from_str::<Probe<'_>>(text).unwrap().read()
    }

    #[test]
    fn every_kind_of_probe_is_read() {
        let exec = read(r#"{"exec": {"command": ["a", "\"b\""]}, "timeoutSeconds": null}"#).unwrap();
        assert_eq!(exec.exec.unwrap().command.iter().map(|word| &**word).collect::<Vec<_>>(), ["a", "\"b\""]);
        assert_eq!(exec.timeout_seconds, 0);
        let http = read(r#"{"httpGet": {"port": "web", "host": null}, "timeoutSeconds": 5}"#).unwrap();
        assert!(matches!(http.http_get.unwrap().port, PortRef::Name(name) if name == "web"));
        assert_eq!(http.timeout_seconds, 5);
        assert!(matches!(
            read(r#"{"tcpSocket": {"port": 1}}"#).unwrap().tcp_socket.unwrap().port,
            PortRef::Number(1)
        ));
        assert_eq!(read(r#"{"grpc": {"port": 1, "service": null}}"#).unwrap().grpc.unwrap().port, 1);
        assert!(read("null").is_none());
    }

    #[test]
    fn what_is_no_probe_is_still_there() {
        let probe: Probe<'_> = serde_json::from_str("7").unwrap();
        assert!(probe.is_present() && probe.read().is_none());
    }
}
