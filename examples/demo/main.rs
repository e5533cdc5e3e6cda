//! `make demo`: the real server, asked about a Pod as an API server would ask, without a cluster.
//!
//! It runs `nmi-guard certs` and, with these certificates on loopback, `nmi-guard serve`, sends it the review of
//! a Pod's creation over HTTPS, and shows the answer. A file with another Pod can be given as the argument.

use std::io::{BufRead, BufReader, IsTerminal, Read, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use nmi_guard_testkit::https::{ClientTls, Connection};
use nmi_guard_testkit::review::Review;
use serde_json::Value;
use similar::{ChangeTag, TextDiff};

/// How long starting and ending may take, each: well under a second unless the machine is very busy.
const PATIENCE: Duration = Duration::from_secs(30);

#[tokio::main]
async fn main() -> Result<()> {
    let file = std::env::args_os()
        .nth(1)
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/demo/pod.yaml"), PathBuf::from);
    let before = read_pod(&file)?;

    let server = Server::start()?;
    server.wait_until_ready().await?;
    say(&format!("nmi-guard {} listens on https://{}/mutate", nmi_guard::VERSION, server.address));

    let name = before["metadata"]["name"].as_str().unwrap_or("(no name yet)");
    say(&format!("An API server asks: may the Pod {name} be created?"));
    let mut connection = ClientTls::trusting(&server.ca).connect(server.address).await?;
    let start = Instant::now();
    let reply = connection.review(Review::of(before.clone()).bytes()).await?;
    let took = start.elapsed();
    ensure!(reply.status.is_success(), "the server answered {}: {}", reply.status, reply.text());
    drop(connection);
    server.end()?;

    let answer: Value = serde_json::from_slice(&reply.body).context("the answer is not JSON")?;
    show(&before, &answer["response"], took)?;
    say("The server has ended, cleanly, on SIGTERM.");
    Ok(())
}

fn read_pod(file: &Path) -> Result<Value> {
    let text = std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    let documents = nmi_guard::offline::read(&text)?;
    let is_pod = |document: &Value| document["kind"] == "Pod";
    documents.into_iter().find(is_pod).with_context(|| format!("there is no Pod in {}", file.display()))
}

/// A running `nmi-guard serve`, killed when dropped.
struct Server {
    process: Child,
    log: BufReader<ChildStderr>,
    address: SocketAddr,
    admin_address: SocketAddr,
    /// The certificate of the CA, as PEM.
    ca: String,
    _folder: tempfile::TempDir,
}

impl Server {
    /// Starts the program that was built beside this one, and waits until it listens.
    fn start() -> Result<Self> {
        let program = program()?;
        let folder = tempfile::tempdir()?;
        let certs = Command::new(&program)
            .args(["certs", "--force", "--dns-name=localhost", "--out"])
            .arg(folder.path())
            .output()?;
        ensure!(certs.status.success(), "nmi-guard certs: {}", String::from_utf8_lossy(&certs.stderr));
        let ca = std::fs::read_to_string(folder.path().join("ca.crt"))?;

        let mut process = Command::new(&program)
            .args(["serve", "--listen=127.0.0.1:0", "--admin-listen=127.0.0.1:0"])
            .args(["--shutdown-delay=0s", "--log-format=json", "--tls-dir"])
            .arg(folder.path())
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot start {}", program.display()))?;
        let mut log = BufReader::new(process.stderr.take().context("the server has no standard error")?);
        let (address, admin_address) = addresses(&mut log).inspect_err(|_| {
            // It has ended, or will not be of use.
            let _ = process.kill();
        })?;
        Ok(Self { process, log, address, admin_address, ca, _folder: folder })
    }

    async fn wait_until_ready(&self) -> Result<()> {
        let end = Instant::now() + PATIENCE;
        let mut admin = Connection::plain(self.admin_address).await?;
        while Instant::now() < end {
            if admin.get("/readyz").await?.status.is_success() {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        bail!("the server is not ready: {}", admin.get("/readyz?verbose").await?.text())
    }

    /// Ends it as the kubelet would, and makes sure that it ends well.
    fn end(mut self) -> Result<()> {
        let kill = format!("kill -TERM {}", self.process.id());
        ensure!(Command::new("sh").args(["-c", &kill]).status()?.success(), "{kill} failed");
        let end = Instant::now() + PATIENCE;
        while Instant::now() < end {
            if let Some(status) = self.process.try_wait()? {
                let rest: Vec<String> = self.log.by_ref().lines().map_while(Result::ok).collect();
                ensure!(status.success(), "the server ended with {status}; its log:\n{}", rest.join("\n"));
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        bail!("the server does not end")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Errors mean that it has ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// `target/PROFILE/nmi-guard`, this program being `target/PROFILE/examples/demo`.
fn program() -> Result<PathBuf> {
    let examples = std::env::current_exe()?;
    let program = examples.parent().and_then(Path::parent).unwrap_or(Path::new(".")).join("nmi-guard");
    ensure!(program.is_file(), "{} is missing: run `make demo`", program.display());
    Ok(program)
}

/// Where the server says that it listens: the webhook, and the admin port.
fn addresses(log: &mut impl BufRead) -> Result<(SocketAddr, SocketAddr)> {
    let mut seen = String::new();
    for line in log.lines() {
        let line = line?;
        let event: Value = serde_json::from_str(&line).unwrap_or_default();
        if let (Some(address), Some(admin)) = (event["address"].as_str(), event["admin_address"].as_str()) {
            return Ok((address.parse()?, admin.parse()?));
        }
        seen = seen + &line + "\n";
    }
    bail!("the server ended before it listened; its log:\n{seen}")
}

fn show(before: &Value, response: &Value, took: Duration) -> Result<()> {
    let audit = &response["auditAnnotations"];
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let allowed = if response["allowed"] == true { "yes" } else { "no" };
    let (decision, reason) = (text(&audit["decision"]), text(&audit["reason"]));
    say(&format!("The answer, after {took:.1?}: {allowed}; decision {decision}, reason {reason}"));
    if let Some(message) = response["status"]["message"].as_str() {
        println!("  {message}");
    }
    for warning in response["warnings"].as_array().into_iter().flatten() {
        println!("  Warning: {}", text(warning));
    }
    let Some(patch) = response["patch"].as_str() else {
        say("The Pod stays as it is.");
        return Ok(());
    };
    let patch: json_patch::Patch = serde_json::from_slice(&STANDARD.decode(patch)?)?;
    let mut after = before.clone();
    json_patch::patch(&mut after, &patch)?;
    say("The Pod before (-) and after (+):");
    let yaml = |pod: &Value| nmi_guard::offline::write(std::slice::from_ref(pod));
    print_diff(&yaml(before)?, &yaml(&after)?)
}

/// All lines, those added and removed with a sign, and in colour on a terminal.
fn print_diff(before: &str, after: &str) -> Result<()> {
    let coloured = std::io::stdout().is_terminal() || std::env::var_os("CLICOLOR_FORCE").is_some();
    let mut out = std::io::stdout().lock();
    for change in TextDiff::from_lines(before, after).iter_all_changes() {
        let (sign, colour) = match change.tag() {
            ChangeTag::Delete => ('-', "\x1b[31m"),
            ChangeTag::Insert => ('+', "\x1b[32m"),
            ChangeTag::Equal => (' ', ""),
        };
        let line = format!("{sign} {}", change.value().trim_end_matches('\n'));
        if coloured && !colour.is_empty() {
            writeln!(out, "{colour}{line}\x1b[0m")?;
        } else {
            writeln!(out, "{line}")?;
        }
    }
    Ok(())
}

fn say(text: &str) {
    println!("\n{text}");
}
