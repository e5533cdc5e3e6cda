//! A probe that a container brings, as it can be handed to the probe binary.

use std::net::IpAddr;

use crate::pod::{Container, HttpGet, PortRef, ProbeRead};
use crate::policy::Port;

/// What a probe asks, in a form that can be handed on.
pub(in crate::mutate) enum Original {
    /// It runs this command.
    Command(Vec<String>),
    /// It asks over the network.
    Target(Target),
}

/// The values of the flags that say where to ask. The kubelet expands `$(NAME)` in commands, but not in what is
/// handed on here, so dollars are doubled.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::mutate) struct Target {
    /// As a URL of `http`, `tcp` or `grpc`.
    pub url: String,
    /// Headers, as `NAME:VALUE`.
    pub headers: Vec<String>,
    /// Whether the host is left out, so that it is the Pod's own address.
    pub is_own: bool,
}

/// Why a probe can't be handed on.
pub(in crate::mutate) type Why = &'static str;

impl Original {
    /// What `probe` of `container` asks.
    pub fn of(probe: &ProbeRead<'_>, container: &Container<'_>) -> Result<Self, Why> {
        if let Some(exec) = &probe.exec {
            Ok(Self::Command(exec.command.iter().map(ToString::to_string).collect()))
        } else if let Some(get) = &probe.http_get {
            http(get, container).map(Self::Target)
        } else if let Some(socket) = &probe.tcp_socket {
            let port = named(&socket.port, container)?;
            target("tcp", &socket.host, port, "", Vec::new()).map(Self::Target)
        } else if let Some(grpc) = &probe.grpc {
            let path = format!("/{}", plain(&grpc.service, "its service is no plain text")?);
            target("grpc", "", numbered(grpc.port)?, &path, Vec::new()).map(Self::Target)
        } else {
            Err("it is of no known kind")
        }
    }
}

fn http(get: &HttpGet<'_>, container: &Container<'_>) -> Result<Target, Why> {
    if !matches!(&*get.scheme, "" | "HTTP") {
        return Err("it asks by HTTPS");
    }
    let path = plain(&get.path, "its path is no plain text")?;
    let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
    let header = |name: &str, value: &str| {
        let is_safe = !name.contains(':') && !value.contains(char::is_control);
        is_safe.then(|| escaped(&format!("{name}:{value}"))).ok_or("it has a header that is no plain text")
    };
    let headers: Result<_, Why> = get.http_headers.iter().map(|one| header(&one.name, &one.value)).collect();
    target("http", &get.host, named(&get.port, container)?, &path, headers?)
}

fn target(scheme: &str, host: &str, port: Port, path: &str, headers: Vec<String>) -> Result<Target, Why> {
    let address = match host.parse() {
        _ if host.is_empty() => String::new(),
        Ok(IpAddr::V4(address)) => address.to_string(),
        Ok(IpAddr::V6(address)) => format!("[{address}]"),
        Err(_) => return Err("its host is a name"),
    };
    Ok(Target {
        url: format!("{scheme}://{address}:{port}{}", escaped(path)),
        headers,
        is_own: host.is_empty(),
    })
}

/// The port, which a container may have given a name.
fn named(port: &PortRef<'_>, container: &Container<'_>) -> Result<Port, Why> {
    match port {
        PortRef::Number(number) => numbered(*number),
        PortRef::Name(name) => {
            let declared = container.ports.iter().find(|declared| *declared.name == **name);
            let number = declared.map(|declared| declared.container_port).or_else(|| name.parse().ok());
            number.ok_or("its port has a name that the container does not declare").and_then(numbered)
        }
    }
}

fn numbered(port: i64) -> Result<Port, Why> {
    u32::try_from(port).ok().and_then(Port::new).ok_or("its port is none")
}

/// Text that needs no escapes in a URL; it may have some.
fn plain(text: &str, why: Why) -> Result<&str, Why> {
    let is_plain = text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#');
    is_plain.then_some(text).ok_or(why)
}

fn escaped(text: &str) -> String {
    text.replace('$', "$$")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::pod;

    const CONTAINER: &str = r#"{"name": "app", "ports": [{"name": "web", "containerPort": 8080}]}"#;

    fn of(probe: &str) -> Result<Original, Why> {
        let probe: pod::Probe<'_> = serde_json::from_str(probe).unwrap();
        Original::of(&probe.read().unwrap(), &serde_json::from_str(CONTAINER).unwrap())
    }

    fn url(probe: &str) -> Result<String, Why> {
        of(probe).map(|original| match original {
            Original::Target(target) => target.url,
            Original::Command(words) => words.join(" "),
        })
    }

    #[test]
    fn what_can_be_handed_on_is_a_url_or_a_command() {
        for (probe, expected) in [
            (r#"{"exec": {"command": ["a", "$(B)"]}}"#, "a $(B)"),
            (r#"{"httpGet": {"port": 80}}"#, "http://:80/"),
            (
                r#"{"httpGet": {"port": "web", "path": "a?b=$(C)", "scheme": "HTTP"}}"#,
                "http://:8080/a?b=$$(C)",
            ),
            (r#"{"httpGet": {"port": "81", "path": "/", "host": "fd00::1"}}"#, "http://[fd00::1]:81/"),
            (r#"{"tcpSocket": {"port": "web", "host": "10.0.0.1"}}"#, "tcp://10.0.0.1:8080"),
            (r#"{"grpc": {"port": 9000}}"#, "grpc://:9000/"),
            (r#"{"grpc": {"port": 9000, "service": "a.B"}}"#, "grpc://:9000/a.B"),
        ] {
            assert_eq!(url(probe).as_deref(), Ok(expected), "{probe}");
        }
    }

    #[test]
    fn what_cannot_be_handed_on_has_a_reason() {
        for (probe, why) in [
            (r#"{"httpGet": {"port": 80, "scheme": "HTTPS"}}"#, "HTTPS"),
            (r#"{"httpGet": {"port": 80, "host": "db.example"}}"#, "host"),
            (r#"{"httpGet": {"port": 80, "path": "/a b"}}"#, "path"),
            (r#"{"httpGet": {"port": 80, "path": "/a#b"}}"#, "path"),
            (r#"{"httpGet": {"port": 80, "httpHeaders": [{"name": "a", "value": "b\nc: d"}]}}"#, "header"),
            (r#"{"httpGet": {"port": "admin"}}"#, "name that"),
            (r#"{"tcpSocket": {"port": 0}}"#, "port"),
            (r#"{"grpc": {"port": 70000}}"#, "port"),
            (r#"{"futureHandler": {}}"#, "kind"),
        ] {
            assert!(url(probe).is_err_and(|reason| reason.contains(why)), "{probe}: {:?}", url(probe));
        }
    }

    #[test]
    fn headers_are_handed_on_as_they_are() {
        let probe = r#"{"httpGet": {"port": 80, "httpHeaders": [{"name": "Host", "value": "a"}, {"name": "X", "value": "$Y: z"}]}}"#;
        let Ok(Original::Target(target)) = of(probe) else { unreachable!() };
        assert_eq!(target.headers, ["Host:a", "X:$$Y: z"]);
        assert!(target.is_own);
    }
}
