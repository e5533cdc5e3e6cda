//! What happens on a real node when NMI is late, dies or loses its rule: to Pods that nmi-guard has guarded, beside
//! Pods with the documented checks written by hand and Pods without any.
//!
//! The tests share one node in an enclosure of their own and run one after the other, because what they do to
//! NMI concerns all Pods; what can be seen in one go is seen by many Pods side by side. `make node-test` runs them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod cohort;
mod cost;
mod documented;
mod exposure;
mod load;
mod lost;
mod operation;
mod pods;
mod report;
mod shapes;
mod start;
mod watch;
mod workloads;
mod world;

use std::pin::Pin;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Result;
use libtest_mimic::{Arguments, Failed, Trial};
use nmi_guard_testbed::enclosure::{self, Enclosure};
use tokio::runtime::Runtime;

use world::World;

/// One test, by its name.
struct Test {
    name: &'static str,
    run: for<'a> fn(&'a mut World) -> Outcome<'a>,
}

/// What a test comes to.
type Outcome<'a> = Pin<Box<dyn Future<Output = Result<()>> + 'a>>;

macro_rules! tests {
    ($($module:ident::$name:ident,)*) => {
        [$(Test {
            name: concat!(stringify!($module), "::", stringify!($name)),
            run: |world| Box::pin($module::$name(world)),
        }),*]
    };
}

/// In this order a run is shortest.
const TESTS: &[Test] = &tests![
    start::with_nmi_pods_are_ready,
    shapes::all_kinds_of_pods_are_ready,
    workloads::every_kind_of_workload_is_guarded,
    lost::by_sigkill,
    lost::by_sigterm,
    lost::by_a_flushed_rule,
    lost::by_a_rolling_update,
    start::without_nmi_only_a_job_under_way_runs,
    start::in_standard_mode_pods_are_ready,
    operation::no_pod_is_refused_during_update_and_rotation,
    operation::a_killed_replica_is_back,
    operation::uninstalling_leaves_nothing_behind,
    cost::a_check_costs_about_what_the_documented_one_does,
];

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    if arguments.list {
        let trials = TESTS.iter().map(|test| Trial::test(test.name, || Ok(())));
        return libtest_mimic::run(&arguments, trials.collect()).exit_code();
    }
    if let Some(obstacle) = enclosure::obstacle() {
        println!("skipped: a real node cannot be had here: {obstacle}");
        return ExitCode::SUCCESS;
    }
    enclosure::run(|enclosure| run(arguments, enclosure)).unwrap_or_else(|error| {
        eprintln!("{error:#}");
        ExitCode::FAILURE
    })
}

/// Runs the tests, inside the enclosure.
fn run(mut arguments: Arguments, enclosure: Enclosure) -> ExitCode {
    arguments.test_threads = Some(1);
    let shared = Arc::new(Shared {
        runtime: Runtime::new().unwrap(),
        enclosure,
        world: Mutex::default(),
        results: Mutex::default(),
    });
    let trials = TESTS.iter().map(|test| {
        let shared = Arc::clone(&shared);
        Trial::test(test.name, move || shared.run(test).map_err(Failed::from))
    });
    let conclusion = libtest_mimic::run(&arguments, trials.collect());
    if let Err(error) = shared.report() {
        eprintln!("the report could not be written: {error:#}");
        return ExitCode::FAILURE;
    }
    conclusion.exit_code()
}

/// What the tests share: the world, started by the first one.
struct Shared {
    runtime: Runtime,
    enclosure: Enclosure,
    world: Mutex<Option<World>>,
    results: Mutex<Vec<report::Result>>,
}

impl Shared {
    /// Runs one test; an error ends with the logs.
    fn run(&self, test: &Test) -> Result<(), String> {
        let start = Instant::now();
        // A test that panicked leaves what `restore` mends.
        let mut slot = self.world.lock().unwrap_or_else(PoisonError::into_inner);
        let outcome = self.runtime.block_on(async {
            let world = match &mut *slot {
                Some(world) => world,
                none => {
                    none.insert(World::start(&self.enclosure).await.map_err(|error| format!("{error:#}"))?)
                }
            };
            let outcome = match world.restore().await {
                Ok(()) => (test.run)(world).await,
                Err(error) => Err(error),
            };
            outcome.map_err(|error| format!("{error:#}\n{}", world.logs()))
        });
        self.record(test.name, start.elapsed(), outcome.clone().err());
        outcome
    }

    fn record(&self, name: &'static str, time: Duration, failure: Option<String>) {
        let mut results = self.results.lock().unwrap_or_else(PoisonError::into_inner);
        results.push(report::Result { name, time, failure });
    }

    fn report(&self) -> Result<()> {
        let world = self.world.lock().unwrap_or_else(PoisonError::into_inner);
        let results = self.results.lock().unwrap_or_else(PoisonError::into_inner);
        world.as_ref().map_or(Ok(()), |world| world.report.write(&results))
    }
}
