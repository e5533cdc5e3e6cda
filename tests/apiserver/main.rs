//! nmi-guard behind a real kube-apiserver: installed with the project's own manifests, called by the
//! API server, asked with `kubectl` and by creating Pods.
//!
//! The tests share one API server and run one after the other, because some of them stop it, or stop
//! nmi-guard. Before each test the cluster is brought back to the default install with two replicas.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod cluster;
mod replica;
mod smoke;

use std::pin::Pin;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Result;
use libtest_mimic::{Arguments, Failed, Trial};
use tokio::runtime::Runtime;

use cluster::Cluster;

/// One test, by its name.
struct Test {
    name: &'static str,
    run: for<'a> fn(&'a mut Cluster) -> Pin<Box<dyn Future<Output = Result<()>> + 'a>>,
}

macro_rules! tests {
    ($($module:ident::$name:ident,)*) => {
        [$(Test {
            name: concat!(stringify!($module), "::", stringify!($name)),
            run: |cluster| Box::pin($module::$name(cluster)),
        }),*]
    };
}

fn main() -> ExitCode {
    let tests = tests![
        smoke::server_starts,
    ];
    let mut arguments = Arguments::from_args();
    arguments.test_threads = Some(1);
    let shared = Arc::new(Shared::default());
    let trials = tests.into_iter().map(|test| {
        let shared = Arc::clone(&shared);
        Trial::test(test.name, move || shared.run(&test).map_err(|error| Failed::from(format!("{error:?}"))))
    });
    let conclusion = libtest_mimic::run(&arguments, trials.collect());
    shared.stop();
    conclusion.exit_code()
}

/// The cluster that the tests share: started by the first one.
struct Shared {
    runtime: Runtime,
    cluster: Mutex<Option<Cluster>>,
}

impl Default for Shared {
    fn default() -> Self {
        Self { runtime: Runtime::new().unwrap(), cluster: Mutex::default() }
    }
}

impl Shared {
    fn run(&self, test: &Test) -> Result<()> {
        // A test that panicked leaves what `restore` mends.
        let mut slot = self.cluster.lock().unwrap_or_else(PoisonError::into_inner);
        self.runtime.block_on(async {
            let cluster = match &mut *slot {
                Some(cluster) => cluster,
                none => none.insert(Cluster::start().await?),
            };
            cluster.restore().await?;
            (test.run)(cluster).await
        })
    }

    fn stop(&self) {
        let _inside = self.runtime.enter();
        *self.cluster.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}
