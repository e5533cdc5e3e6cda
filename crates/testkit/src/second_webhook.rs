//! A second mutating webhook beside nmi-guard, as service meshes and secret injectors install one.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::{Context, Result};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use rustls::ServerConfig;
use rustls_pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

/// What the webhook does: given the object under review, the operations of a JSON patch.
type Mutate = dyn Fn(&Value) -> Vec<Value> + Send + Sync;

/// An HTTPS server on loopback that patches whatever it is asked about.
#[derive(Debug)]
pub struct SecondWebhook {
    address: SocketAddr,
    ca_pem: String,
    accepting: JoinHandle<()>,
}

impl SecondWebhook {
    /// Starts a webhook that patches every object with the operations that `mutate` returns for it.
    /// Needs a tokio runtime.
    ///
    /// # Errors
    /// When it cannot listen or make its certificate.
    pub async fn start(mutate: impl Fn(&Value) -> Vec<Value> + Send + Sync + 'static) -> Result<Self> {
        let certificate = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()])?;
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(certificate.signing_key.serialize_der()));
        let config = ServerConfig::builder()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.cert.der().clone()], key)?;
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let accepting = tokio::spawn(accept(listener, acceptor, Arc::new(mutate)));
        Ok(Self { address, ca_pem: certificate.cert.pem(), accepting })
    }

    /// A MutatingWebhookConfiguration `name` that sends every Pod created in a namespace labelled
    /// `kubernetes.io/metadata.name: NAMESPACE` to this webhook and fails without it.
    pub fn configuration(&self, name: &str, namespace: &str) -> Value {
        json!({
            "apiVersion": "admissionregistration.k8s.io/v1",
            "kind": "MutatingWebhookConfiguration",
            "metadata": {"name": name},
            "webhooks": [{
                "name": "pods.second.example",
                "admissionReviewVersions": ["v1"],
                "sideEffects": "None",
                "failurePolicy": "Fail",
                "reinvocationPolicy": "IfNeeded",
                "clientConfig": {
                    "url": format!("https://{}/", self.address),
                    "caBundle": STANDARD.encode(&self.ca_pem),
                },
                "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}},
                "rules": [{
                    "apiGroups": [""],
                    "apiVersions": ["v1"],
                    "operations": ["CREATE"],
                    "resources": ["pods"],
                }],
            }],
        })
    }
}

impl Drop for SecondWebhook {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept(listener: TcpListener, acceptor: TlsAcceptor, mutate: Arc<Mutate>) {
    while let Ok((stream, _)) = listener.accept().await {
        let (acceptor, mutate) = (acceptor.clone(), Arc::clone(&mutate));
        tokio::spawn(async move {
            let stream = acceptor.accept(stream).await?;
            let service = service_fn(move |request| {
                let mutate = Arc::clone(&mutate);
                async move { Ok::<_, Infallible>(answer(request, &*mutate).await) }
            });
            http1::Builder::new().serve_connection(TokioIo::new(stream), service).await?;
            anyhow::Ok(())
        });
    }
}

async fn answer(request: Request<Incoming>, mutate: &Mutate) -> Response<Full<Bytes>> {
    match review(request, mutate).await {
        Ok(review) => Response::new(Full::from(review.to_string())),
        Err(error) => {
            let mut response = Response::new(Full::from(format!("{error:#}")));
            *response.status_mut() = hyper::StatusCode::BAD_REQUEST;
            response
        }
    }
}

async fn review(request: Request<Incoming>, mutate: &Mutate) -> Result<Value> {
    let body = request.into_body().collect().await?.to_bytes();
    let review: Value = serde_json::from_slice(&body).context("not a review")?;
    let patch = mutate(&review["request"]["object"]);
    Ok(json!({
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "response": {
            "uid": review["request"]["uid"],
            "allowed": true,
            "patchType": "JSONPatch",
            "patch": STANDARD.encode(serde_json::to_vec(&patch)?),
        },
    }))
}
