//! The server under load: reviews of a typical Pod over HTTPS with keep-alive, against the same server with
//! a reviewer that reads the uid, which the answer must repeat, and allows (*null*), and one that reads the uid and gives
//! the real one's answer, made beforehand (*canned*): no injector can be cheaper than that. They run as processes of
//! their own, side by side, and are loaded in turn, so that the ratios hold whatever the machine is doing.
//!
//! `cargo bench --bench http [-- --seconds N]` prints the rates, the ratios, and the memory of the real one;
//! then the time from the start of the real binary to readiness.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used)]

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use hyper::body::Bytes;
use nmi_guard::admission::{self, Record, ReviewError, Reviewed};
use nmi_guard::mutate::Injector;
use nmi_guard::observe::{Conditions, LogFilter, LogFormat, Metrics, init_logs};
use nmi_guard::pki::{CertificateStore, Lifetimes, Material, ServingNames, development_set};
use nmi_guard::server::{Limits, Options, Parts, Reviewer, Server};
use nmi_guard_testkit::https::ClientTls;

#[path = "support/pods.rs"]
mod pods;

/// The uid of the reviews, which the testkit makes.
const UID: &str = "test-uid";
/// About the size of the reviews.
const BYTES: usize = 12_000;
const ROUNDS: usize = 7;
const CONNECTIONS: usize = 4;
const SERVE: &str = "--serve";

fn main() {
    let args: Vec<String> = std::env::args().collect();
    let value = |flag: &str| args.iter().position(|arg| arg == flag).and_then(|at| args.get(at + 1));
    if let Some(kind) = value(SERVE) {
        return serve(kind);
    }
    let seconds = value("--seconds").map_or(2.0, |text| text.parse().expect("seconds"));
    let set = certificates();
    compare(Duration::from_secs_f64(seconds), &set);
    start_to_ready(&set);
}

fn certificates() -> Material {
    let names = ServingNames::for_service("nmi-guard", "nmi-guard", &["localhost".to_owned()]).unwrap();
    development_set(&names, &Lifetimes::default(), SystemTime::now()).unwrap()
}

fn entry<'a>(set: &'a Material, name: &str) -> &'a [u8] {
    set.entries().into_iter().find(|(key, _)| *key == name).unwrap().1
}

// The servers.

/// Serves until it is killed. The certificate comes by environment, the address goes to standard output.
fn serve(kind: &str) {
    init_logs(LogFormat::Json, &LogFilter::default()).unwrap();
    let injector = Injector::default();
    let reviewer: Arc<Reviewer> = match kind {
        "real" => Arc::new(move |body| admission::review(body, &injector)),
        "canned" => {
            let reviewed = admission::review(&pods::review_of_size(BYTES, true), &injector).unwrap();
            let answer = String::from_utf8(reviewed.response).unwrap();
            Arc::new(move |body| canned(body, &answer, &reviewed.record))
        }
        _ => Arc::new(allow),
    };
    let certificates = CertificateStore::default();
    let pem = |name: &str| std::env::var(name).unwrap().into_bytes();
    let serving = nmi_guard::pki::ServingCertificate::from_pem(&pem("CERT"), &pem("KEY"), SystemTime::now());
    certificates.store(serving.unwrap());
    let options = Options {
        listen: "127.0.0.1:0".parse().unwrap(),
        admin_listen: "127.0.0.1:0".parse().unwrap(),
        client_ca: None,
        limits: Limits::default(),
        shutdown_delay: Duration::ZERO,
    };
    let parts =
        Parts { reviewer, certificates, conditions: Conditions::default(), metrics: Metrics::default() };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let server = Server::bind(options, parts).await.unwrap();
        println!("{}", server.address());
        server.run(std::future::pending()).await;
    });
}

/// The uid of the request.
fn uid(body: &[u8]) -> Result<&str, ReviewError> {
    #[derive(serde::Deserialize)]
    struct Review<'a> {
        #[serde(borrow)]
        request: Request<'a>,
    }
    #[derive(serde::Deserialize)]
    struct Request<'a> {
        uid: &'a str,
    }
    let review: Review<'_> = serde_json::from_slice(body).map_err(|error| ReviewError(error.to_string()))?;
    Ok(review.request.uid)
}

/// The least that an API server takes for an answer: the request's uid, and yes.
fn allow(body: &[u8]) -> Result<Reviewed, ReviewError> {
    let uid = uid(body)?;
    let response = format!(
        r#"{{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","response":{{"uid":"{uid}","allowed":true}}}}"#
    );
    let record = Record { decision: "skip", reason: "no-label", ..Record::default() };
    Ok(Reviewed { response: response.into_bytes(), record })
}

/// The `answer` to another request of the same size, and what was recorded of that.
fn canned(body: &[u8], answer: &str, record: &Record) -> Result<Reviewed, ReviewError> {
    let uid = uid(body)?;
    let response = answer.replacen(UID, uid, 1);
    Ok(Reviewed { response: response.into_bytes(), record: Record { uid: uid.to_owned(), ..record.clone() } })
}

/// A server in a process of its own, ended with this value.
struct Process {
    child: Child,
    address: SocketAddr,
}

impl Process {
    fn start(kind: &str, set: &Material) -> Self {
        let text = |name| String::from_utf8(entry(set, name).to_vec()).unwrap();
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args([SERVE, kind])
            .env("CERT", text("tls.crt"))
            .env("KEY", text("tls.key"))
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        Self { address: line.trim().parse().expect("the server's address"), child }
    }

    /// Resident memory in MiB.
    fn resident(&self) -> f64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<f64>().unwrap() / 1024.0
    }

    /// Processor time so far, in seconds.
    fn cpu(&self) -> f64 {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap();
        let fields: Vec<&str> = stat.rsplit(") ").next().unwrap().split(' ').collect();
        // utime and stime (proc(5)), counted from the field after the name, in hundredths of a second.
        [fields[11], fields[12]].iter().map(|ticks| ticks.parse::<f64>().unwrap() / 100.0).sum()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.child.kill().and_then(|()| self.child.wait()).ok();
    }
}

// The load.

fn compare(time: Duration, set: &Material) {
    let [real, null, canned] = ["real", "null", "canned"].map(|kind| Process::start(kind, set));
    let ca = String::from_utf8(entry(set, "ca.crt").to_vec()).unwrap();
    let body = Bytes::from(pods::review_of_size(BYTES, true));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let load = |server: &Process| {
        let before = server.cpu();
        let rate = runtime.block_on(rate(server.address, &ca, &body, time));
        Load { rate, cpu: 1e6 * (server.cpu() - before) / (rate * time.as_secs_f64()) }
    };

    for server in [&null, &canned, &real] {
        load(server);
    }
    let warm = real.resident();
    let mut rounds = Vec::new();
    for round in 1..=ROUNDS {
        let [null, canned, real] = [&null, &canned, &real].map(&load);
        println!("round {round}: null {null}, canned {canned}, real {real}");
        rounds.push([null, canned, real]);
    }
    let ratio = |of: fn(&[Load; 3]) -> f64| spread(rounds.iter().map(of).collect());
    println!("rate, real to null: {}", ratio(|[null, _, real]| real.rate / null.rate));
    println!("rate, canned to null: {}", ratio(|[null, canned, _]| canned.rate / null.rate));
    println!("rate, real to canned: {}", ratio(|[_, canned, real]| real.rate / canned.rate));
    println!("CPU time a review, null to real: {}", ratio(|[null, _, real]| null.cpu / real.cpu));
    println!("resident: {warm:.1} MiB after the first round, {:.1} MiB after the last", real.resident());
}

/// What a round of load came to.
struct Load {
    /// Reviews a second.
    rate: f64,
    /// The server's CPU time for each, in microseconds.
    cpu: f64,
}

impl std::fmt::Display for Load {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:.0} reviews/s at {:.1} us of CPU", self.rate, self.cpu)
    }
}

fn spread(mut ratios: Vec<f64>) -> String {
    ratios.sort_by(f64::total_cmp);
    let (first, middle, last) = (ratios[0], ratios[ratios.len() / 2], ratios[ratios.len() - 1]);
    format!("median {middle:.3}, from {first:.3} to {last:.3}")
}

/// Reviews a second, by a few connections that each send one after the other.
async fn rate(address: SocketAddr, ca: &str, body: &Bytes, time: Duration) -> f64 {
    let tls = ClientTls::trusting(ca);
    let start = Instant::now();
    let local = tokio::task::LocalSet::new();
    let client = |tls: ClientTls, body: Bytes| async move {
        let mut connection = tls.connect(address).await.unwrap();
        let mut count = 0_u32;
        while start.elapsed() < time {
            let reply = connection.review(body.clone()).await.unwrap();
            assert_eq!(reply.status, 200, "{}", reply.text());
            count += 1;
        }
        count
    };
    let counts = local
        .run_until(async {
            let clients: Vec<_> = (0..CONNECTIONS)
                .map(|_| tokio::task::spawn_local(client(tls.clone(), body.clone())))
                .collect();
            let mut counts = 0;
            for client in clients {
                counts += client.await.unwrap();
            }
            counts
        })
        .await;
    f64::from(counts) / start.elapsed().as_secs_f64()
}

// The start.

/// Starts the real binary with certificates in files, and asks until it is ready.
fn start_to_ready(set: &Material) {
    let folder = tempfile::tempdir().unwrap();
    for (name, content) in set.entries() {
        std::fs::write(folder.path().join(name), content).unwrap();
    }
    let mut times: Vec<Duration> = (0..5).map(|_| once_to_ready(folder.path())).collect();
    times.sort();
    println!("start to ready: median {:?}, from {:?} to {:?}", times[2], times[0], times[4]);
}

fn once_to_ready(certificates: &std::path::Path) -> Duration {
    let start = Instant::now();
    let mut child = Command::new(env!("CARGO_BIN_EXE_nmi-guard"))
        .args([
            "serve",
            "--listen=127.0.0.1:0",
            "--admin-listen=127.0.0.1:0",
            "--log-format=json",
            "--tls-dir",
        ])
        .arg(certificates)
        .env("KUBECONFIG", "/nowhere")
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut log = BufReader::new(child.stderr.take().unwrap()).lines();
    let admin: SocketAddr = loop {
        let line = log.next().expect("a line that says where it listens").unwrap();
        let event: serde_json::Value = serde_json::from_str(&line).unwrap();
        if let Some(address) = event["admin_address"].as_str() {
            break address.parse().unwrap();
        }
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut connection = nmi_guard_testkit::https::Connection::plain(admin).await.unwrap();
        while connection.get("/readyz").await.unwrap().status != 200 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    });
    let time = start.elapsed();
    child.kill().and_then(|()| child.wait()).unwrap();
    time
}
