//! An application that checks the node's NMI in its own health endpoint, for the strategy `nmi-code`.
//!
//! `GET /healthz` is for the readiness probe: 200 if all that the application needs is there (the NMI, and a service
//! of its own), else 503, with what each check says. `GET /livez` is for the liveness probe and asks nobody: a
//! restart mends neither the NMI nor another service.
//!
//! Environment: `HOST_IP` (nmi-guard injects it), `BACKEND` (host:port of the service), `LISTEN` ([::]:8080).

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use http_body_util::{BodyExt, Empty, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::{Request, Uri};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

/// The longest one check may take: less than the probe's own timeout, so that its reason gets into the answer.
const PATIENCE: Duration = Duration::from_secs(2);
/// More than anything that is asked here says.
const MAX_BODY_BYTES: usize = 4 << 10;
/// What NMI (v1.8.13 and later) answers with this text and the instance metadata service does not.
const INTERCEPTION: &str = "http://169.254.169.254/metadata/identity/health/oauth2/token";

/// Whom to ask.
struct Checks {
    nmi: Uri,
    interception: Uri,
    backend: String,
}

#[tokio::main]
async fn main() -> Result<()> {
    let variable = |name: &str| std::env::var(name).with_context(|| format!("{name} is not set"));
    let host = variable("HOST_IP")?;
    let host = if host.contains(':') { format!("[{host}]") } else { host };
    let checks = Checks {
        nmi: format!("http://{host}:8085/healthz").parse().context("HOST_IP is not an address")?,
        interception: INTERCEPTION.parse()?,
        backend: variable("BACKEND")?,
    };
    let listener = TcpListener::bind(variable("LISTEN").as_deref().unwrap_or("[::]:8080")).await?;
    Ok(axum::serve(listener, router(checks)).await?)
}

fn router(checks: Checks) -> Router {
    Router::new()
        .route("/healthz", get(healthz))
        .route("/livez", get(|| async { "alive" }))
        .with_state(Arc::new(checks))
}

async fn healthz(State(checks): State<Arc<Checks>>) -> (StatusCode, String) {
    let (nmi, backend) = tokio::join!(
        timeout(PATIENCE, nmi_guards(&checks)),
        timeout(PATIENCE, TcpStream::connect(&checks.backend)),
    );
    let nmi = nmi.context("no answer in time").flatten();
    let backend = backend.context("no answer in time").and_then(|connected| Ok(connected.map(drop)?));
    let status =
        if nmi.is_ok() && backend.is_ok() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, format!("nmi: {}\nbackend: {}\n", describe(nmi), describe(backend)))
}

fn describe(outcome: Result<()>) -> String {
    outcome.map_or_else(|error| format!("{error:#}"), |()| "ok".to_owned())
}

/// The NMI is active (the status of its healthz is always 200, so the body counts), and it is the NMI that
/// answers where tokens are asked for.
async fn nmi_guards(checks: &Checks) -> Result<()> {
    let (_, body) = fetch(&checks.nmi).await.context("healthz of the NMI")?;
    ensure!(body == "Active", "healthz of the NMI says {body:?}");
    let (status, body) = fetch(&checks.interception).await.context("the metadata address")?;
    if status != StatusCode::BAD_REQUEST || body.trim_end() != "Invalid request" {
        bail!("the metadata address is not answered by the NMI");
    }
    Ok(())
}

async fn fetch(uri: &Uri) -> Result<(StatusCode, String)> {
    let authority = uri.authority().context("no host")?;
    let stream =
        TcpStream::connect((uri.host().unwrap_or_default().trim_matches(['[', ']']), port(uri))).await?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    let request = Request::get(uri.path()).header("host", authority.as_str()).body(Empty::<Bytes>::new())?;
    let response = sender.send_request(request).await?;
    let status = response.status();
    let body = Limited::new(response.into_body(), MAX_BODY_BYTES).collect().await;
    let body = body.map_err(|error| anyhow::anyhow!("{error}"))?.to_bytes();
    Ok((status, String::from_utf8_lossy(&body).into_owned()))
}

fn port(uri: &Uri) -> u16 {
    uri.port_u16().unwrap_or(80)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use axum::response::IntoResponse as _;
    use tokio::task::JoinHandle;

    /// A server that answers everything so, until its task is aborted.
    async fn fake(status: StatusCode, body: &'static str) -> (String, JoinHandle<()>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let router = Router::new().fallback(move || async move { (status, body).into_response() });
        (address, tokio::spawn(async { axum::serve(listener, router).await.unwrap() }))
    }

    /// What the application says at `path` while its NMI, the metadata address and its backend answer so.
    async fn said(
        path: &str,
        healthz: &'static str,
        metadata: &'static str,
        backend: &str,
    ) -> (StatusCode, String) {
        let (nmi, _) = fake(StatusCode::OK, healthz).await;
        let (interception, _) = fake(StatusCode::BAD_REQUEST, metadata).await;
        let uri = |address: String| format!("http://{address}/healthz").parse().unwrap();
        let checks = Checks { nmi: uri(nmi), interception: uri(interception), backend: backend.to_owned() };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async { axum::serve(listener, router(checks)).await.unwrap() });
        fetch(&format!("http://{address}{path}").parse().unwrap()).await.unwrap()
    }

    const NMI: &str = "Invalid request\n";

    #[tokio::test]
    async fn it_is_ready_while_everything_is_there() {
        let (backend, _) = fake(StatusCode::OK, "").await;
        let (status, text) = said("/healthz", "Active", NMI, &backend).await;
        assert_eq!((status, &*text), (StatusCode::OK, "nmi: ok\nbackend: ok\n"));
    }

    #[tokio::test]
    async fn it_says_what_is_missing() {
        let (backend, _) = fake(StatusCode::OK, "").await;
        let (status, text) = said("/healthz", "Not Active", NMI, &backend).await;
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(text, "nmi: healthz of the NMI says \"Not Active\"\nbackend: ok\n");

        let (status, text) = said("/healthz", "Active", r#"{"error":"invalid_request"}"#, &backend).await;
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(text, "nmi: the metadata address is not answered by the NMI\nbackend: ok\n");

        // Nothing listens on a port that was just given back.
        let gone = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().to_string();
        let (status, text) = said("/healthz", "Active", NMI, &gone).await;
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
        assert!(text.starts_with("nmi: ok\nbackend: ") && text.contains("refused"), "{text}");
    }

    #[tokio::test]
    async fn it_stays_alive_when_everything_is_gone() {
        let (status, _) = said("/livez", "Not Active", "", "127.0.0.1:1").await;
        assert_eq!(status, StatusCode::OK);
    }
}
