//! `nmi-guard serve`: the webhook.

mod args;
mod certificates;
mod in_use;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context;
use nmi_guard::admission;
use nmi_guard::config::{Config, POLL_INTERVAL, Reloader};
use nmi_guard::observe::{Conditions, Metrics, init_logs};
use nmi_guard::pki::CertificateStore;
use nmi_guard::server::{Limits, Options, Parts, Reviewer, Server};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{oneshot, watch};
use tracing::{info, warn};

use super::Outcome;
use super::config_file::ConfigFile;
pub(in crate::cli) use args::ServeArgs;
use in_use::{InUse, find_version};

/// Threads that serve. A review takes tens of microseconds, so two keep up with any API server, and
/// each further one costs memory.
const MAX_WORKERS: usize = 2;

/// Runs the webhook until a signal ends it.
pub(super) fn run(args: ServeArgs) -> Outcome {
    let file = args.config.as_deref().map(ConfigFile::read).transpose()?;
    let config = Config::new(file.iter().map(|file| &file.given).chain([&args.given]))?;
    init_logs(config.log.format, &config.log.level)?;
    let workers = std::thread::available_parallelism().map_or(1, |cores| cores.get().min(MAX_WORKERS));
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(workers)
        .enable_all()
        .build()
        .context("the threads to serve with can't be started")?
        .block_on(serve(args, file, config))
}

async fn serve(args: ServeArgs, file: Option<ConfigFile>, config: Config) -> Outcome {
    // Before anything else, so that no signal meets the default handler once we have begun.
    let mut signals = Signals::new()?;
    let in_use = Arc::new(InUse::new(config.policy.clone()));
    let parts = Parts {
        reviewer: reviewer(Arc::clone(&in_use)),
        certificates: CertificateStore::default(),
        conditions: Conditions::default(),
        metrics: Metrics::default(),
    };
    let server = Server::bind(options(&config)?, parts.clone()).await?;
    info!(
        version = nmi_guard::VERSION,
        address = %server.address(),
        admin_address = %server.admin_address(),
        "listening"
    );
    // Its sender is dropped when this function returns, and the certificate's task ends.
    let (_running, shutdown) = watch::channel(false);
    certificates::supply(&config, &parts, shutdown).await?;
    find_version(&config, Arc::clone(&in_use)).await?;
    if let (Some(path), Some(file)) = (args.config, file) {
        let Parts { conditions, metrics, .. } = parts.clone();
        let publish = move |policy| in_use.configure(policy);
        let reloader = Reloader::new(path, file.content, args.given, config, publish, conditions, metrics);
        tokio::spawn(reloader.run(POLL_INTERVAL));
    }
    let (stop, stopped) = oneshot::channel();
    let serving = tokio::spawn(server.run(async { stopped.await.unwrap_or_default() }));
    let ended_early = async {
        let signal = signals.next().await;
        info!(signal = signal.name, "signal");
        // Nobody hears if the server has stopped already.
        let _ = stop.send(());
        let signal = signals.next().await;
        warn!(signal = signal.name, "second signal: stopping at once");
        ExitCode::from(128 + signal.number)
    };
    tokio::select! {
        served = serving => served.map(|()| ExitCode::SUCCESS).context("the server ended unexpectedly"),
        code = ended_early => Ok(code),
    }
}

fn reviewer(in_use: Arc<InUse>) -> Arc<Reviewer> {
    Arc::new(move |body| admission::review(body, &in_use.load()))
}

fn options(config: &Config) -> anyhow::Result<Options> {
    let server = &config.server;
    let read_ca = |path: &PathBuf| {
        std::fs::read(path).with_context(|| format!("the client CA {} can't be read", path.display()))
    };
    Ok(Options {
        listen: server.listen,
        admin_listen: server.admin_listen,
        client_ca: server.client_ca.as_ref().map(read_ca).transpose()?,
        limits: Limits {
            max_body_bytes: server.max_body_bytes,
            max_in_flight: server.max_in_flight,
            ..Limits::default()
        },
        shutdown_delay: server.shutdown_delay,
    })
}

/// The signals that end the process: SIGTERM (the kubelet) and SIGINT (a terminal).
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

struct Received {
    name: &'static str,
    number: u8,
}

impl Signals {
    fn new() -> anyhow::Result<Self> {
        let listen = |kind| signal(kind).context("signals can't be listened for");
        Ok(Self { terminate: listen(SignalKind::terminate())?, interrupt: listen(SignalKind::interrupt())? })
    }

    async fn next(&mut self) -> Received {
        tokio::select! {
            _ = self.terminate.recv() => Received { name: "SIGTERM", number: 15 },
            _ = self.interrupt.recv() => Received { name: "SIGINT", number: 2 },
        }
    }
}
