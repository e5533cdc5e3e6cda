//! A fake of Azure's instance metadata service, which records who asked it for tokens.

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use anyhow::{Context, Result};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpListener;

/// Where Azure's service is found.
pub const ADDRESS: &str = "169.254.169.254";

/// The managed identities of the node.
#[derive(Clone, Debug, Default)]
pub struct Identities {
    /// Whether it has one that is its own.
    pub system: bool,
    /// The client ids of those that users have assigned to it.
    pub user: Vec<String>,
}

/// One request that was answered.
#[derive(Clone, Debug)]
pub struct Asked {
    /// The address that it came from: that of a Pod, or of the node itself, that is of NMI.
    pub from: IpAddr,
    /// When it came.
    pub at: Instant,
    /// The path, with the query.
    pub path: String,
    /// The status of the answer; 200 is a token where the path asks for one.
    pub status: u16,
}

impl Asked {
    /// Whether this is a request for a token.
    pub fn is_for_token(&self) -> bool {
        self.path.starts_with(TOKEN_PATH)
    }
}

const TOKEN_PATH: &str = "/metadata/identity/oauth2/token";

/// The service. It runs until it is dropped.
pub struct FakeImds {
    state: Arc<State>,
    server: tokio::task::JoinHandle<()>,
}

#[derive(Default)]
struct State {
    identities: Mutex<Identities>,
    asked: Mutex<Vec<Asked>>,
}

impl FakeImds {
    /// Listens on port 80 of [`ADDRESS`], which must be an address of this network namespace.
    ///
    /// # Errors
    /// When it cannot listen.
    pub async fn start(identities: Identities) -> Result<Self> {
        let listener = TcpListener::bind((ADDRESS, 80)).await.context("cannot listen as the IMDS")?;
        let state = Arc::new(State { identities: Mutex::new(identities), ..State::default() });
        let server = tokio::spawn(serve(listener, Arc::clone(&state)));
        Ok(Self { state, server })
    }

    /// Sets the identities for all answers from now on.
    pub fn set_identities(&self, identities: Identities) {
        *lock(&self.state.identities) = identities;
    }

    /// Everything it has been asked so far, oldest first.
    pub fn asked(&self) -> Vec<Asked> {
        lock(&self.state.asked).clone()
    }
}

impl Drop for FakeImds {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn serve(listener: TcpListener, state: Arc<State>) {
    loop {
        let Ok((stream, peer)) = listener.accept().await else { continue };
        let state = Arc::clone(&state);
        let service = service_fn(move |request| {
            let response = answer(&state, peer, &request);
            async move { response }
        });
        let connection = hyper::server::conn::http1::Builder::new();
        tokio::spawn(connection.serve_connection(TokioIo::new(stream), service));
    }
}

fn answer(
    state: &State,
    peer: SocketAddr,
    request: &Request<Incoming>,
) -> Result<Response<Full<Bytes>>, http::Error> {
    let (status, body) = reply(&lock(&state.identities), request);
    let path = request.uri().path_and_query().map(ToString::to_string).unwrap_or_default();
    lock(&state.asked).push(Asked { from: peer.ip(), at: Instant::now(), path, status: status.as_u16() });
    Response::builder()
        .status(status)
        .header("server", "IMDS/150.870.65.1325")
        .header("content-type", "application/json; charset=utf-8")
        .body(Full::from(body.to_string()))
}

fn reply(identities: &Identities, request: &Request<Incoming>) -> (StatusCode, Value) {
    let bad = |error: &str, text: &str| {
        (StatusCode::BAD_REQUEST, json!({"error": error, "error_description": text}))
    };
    if request.headers().get("metadata").is_none_or(|value| !value.as_bytes().eq_ignore_ascii_case(b"true")) {
        return bad("invalid_request", "Required metadata header not specified");
    }
    if request.method() != Method::GET || request.uri().path().trim_end_matches('/') != TOKEN_PATH {
        return (StatusCode::NOT_FOUND, json!({"error": "Not found"}));
    }
    let query = request.uri().query().unwrap_or_default();
    let client = query.split('&').find_map(|pair| pair.strip_prefix("client_id="));
    let identity = match client {
        Some(client) => identities.user.iter().find(|user| *user == client).map(String::as_str),
        None if identities.system => Some("system"),
        None if identities.user.len() > 1 => {
            return bad(
                "invalid_request",
                "Multiple user assigned identities exist, please specify the clientId / resourceId of the identity in the token request",
            );
        }
        None => identities.user.first().map(String::as_str),
    };
    match identity {
        Some(identity) => (StatusCode::OK, token(identity)),
        None => bad("invalid_request", "Identity not found"),
    }
}

fn token(identity: &str) -> Value {
    // Three parts of which nobody here looks at the first and the last.
    let claims = URL_SAFE_NO_PAD.encode(json!({"appid": identity}).to_string());
    json!({
        "access_token": format!("e30.{claims}.e30"),
        "client_id": identity,
        "expires_in": "86400",
        "expires_on": "4102444800",
        "ext_expires_in": "86400",
        "not_before": "1600000000",
        "resource": "https://management.azure.com/",
        "token_type": "Bearer",
    })
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
