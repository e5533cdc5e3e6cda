//! What happens on a real node when NMI is late, dies or loses its rule: to Pods that nmi-guard has guarded, beside
//! Pods with the documented checks written by hand and Pods without any.
//!
//! The tests share one node in an enclosure of their own. What they do to NMI concerns all Pods, so they run one after
//! the other but where one leaves NMI alone; what can be seen in one go is seen by many Pods side by side.
//! `make test` runs them, and `make node-test` runs nothing else.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod claims;
mod cohort;
mod cost;
mod documented;
mod exposure;
mod identities;
mod load;
mod lost;
mod operation;
mod pods;
mod report;
mod shapes;
mod sidecar;
mod start;
mod strategies;
mod watch;
mod workloads;
mod world;

use std::pin::Pin;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use anyhow::{Context, Result};
use futures_util::future::join_all;
use libtest_mimic::{Arguments, Failed, Trial};
use nmi_guard_testbed::enclosure::{self, Enclosure};
use tokio::runtime::Runtime;

use world::World;

/// One test, by its name.
struct Test {
    module: &'static str,
    name: &'static str,
    run: for<'a> fn(&'a World) -> Outcome<'a>,
}

/// What a test comes to.
type Outcome<'a> = Pin<Box<dyn Future<Output = Result<()>> + 'a>>;

macro_rules! tests {
    ($([$($module:ident::$name:ident),*],)*) => {
        [$(&[$(Test {
            module: stringify!($module),
            name: concat!(stringify!($module), "::", stringify!($name)),
            run: |world| Box::pin($module::$name(world)),
        }),*]),*]
    };
}

/// One row after the other, in this order since a run is shortest so; the tests of one row side by side.
const TESTS: &[&[Test]] = &tests![
    [start::with_nmi_pods_are_ready],
    [
        shapes::all_kinds_of_pods_are_ready,
        workloads::every_kind_of_workload_is_guarded,
        sidecar::a_job_completes_with_it,
        sidecar::it_ends_with_its_pod
    ],
    [lost::by_a_flushed_rule],
    [lost::by_sigkill],
    [lost::by_a_rolling_update],
    [lost::by_sigterm],
    [
        start::without_nmi_only_a_job_under_way_runs,
        operation::no_pod_is_refused_during_update_rotation_and_the_end_of_a_replica
    ],
    [start::in_standard_mode_pods_are_ready],
    [sidecar::a_mesh_that_rewrites_probes_changes_nothing],
    [claims::every_strategy_does_what_is_claimed],
    [operation::a_killed_replica_is_back],
    [operation::uninstalling_leaves_nothing_behind],
    [cost::a_check_by_the_sidecar_costs_a_fraction_of_one_by_exec],
];

/// The last test, which looks at what the others have found.
const README: &str = "report::the_readme_shows_these_rows";

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    if arguments.list {
        let names = TESTS.iter().copied().flatten().map(|test| test.name).chain([README]);
        let trials = names.map(|name| Trial::test(name, || Ok(())));
        return libtest_mimic::run(&arguments, trials.collect()).exit_code();
    }
    if let Some(obstacle) = enclosure::obstacle() {
        println!("skipped node tests: {obstacle}");
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
    let is_wanted = |test: &Test| !arguments.is_filtered_out(&Trial::test(test.name, || Ok(())));
    let shared = Arc::new(Shared {
        runtime: Runtime::new().unwrap(),
        enclosure,
        world: Mutex::default(),
        results: Mutex::default(),
    });
    let mut trials = Vec::new();
    for row in TESTS {
        let row: Arc<[&Test]> = row.iter().filter(|test| is_wanted(test)).collect();
        trials.extend(row.iter().map(|test| {
            let (shared, name, row) = (Arc::clone(&shared), test.name, Arc::clone(&row));
            Trial::test(name, move || shared.outcome(name, &row).map_err(Failed::from))
        }));
    }
    let last = Arc::clone(&shared);
    trials.push(Trial::test(README, move || Ok(last.check_readme()?)));
    let conclusion = libtest_mimic::run(&arguments, trials);
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
    /// How the test `name` ended, which runs now, with all of its row, if it has not.
    fn outcome(&self, name: &str, row: &[&Test]) -> Result<(), String> {
        let mut results = self.results.lock().unwrap_or_else(PoisonError::into_inner);
        if !results.iter().any(|result| result.name == name) {
            results.extend(self.run(row));
        }
        let result = results.iter().find(|result| result.name == name).ok_or("it has not run")?;
        result.failure.clone().map_or(Ok(()), Err)
    }

    /// Runs the tests of a row; an error ends with the logs.
    fn run(&self, row: &[&Test]) -> Vec<report::Result> {
        let start = Instant::now();
        // A test that panicked leaves what `restore` mends.
        let mut slot = self.world.lock().unwrap_or_else(PoisonError::into_inner);
        self.runtime.block_on(async {
            let prepared = async {
                let world = match &mut *slot {
                    Some(world) => world,
                    none => none.insert(World::start(&self.enclosure).await?),
                };
                let module = row.first().map_or("", |test| test.module);
                world.restore(module).await.with_context(|| world.logs())?;
                anyhow::Ok(&*world)
            };
            let prepared = prepared.await.map_err(|error| format!("{error:#}"));
            join_all(row.iter().map(async |test| {
                let outcome = match &prepared {
                    Ok(world) => {
                        let outcome = (test.run)(world).await;
                        outcome.map_err(|error| format!("{error:#}\n{}", world.logs()))
                    }
                    Err(error) => Err(error.clone()),
                };
                report::Result { name: test.name, time: start.elapsed(), failure: outcome.err() }
            }))
            .await
        })
    }

    fn check_readme(&self) -> Result<()> {
        let world = self.world.lock().unwrap_or_else(PoisonError::into_inner);
        let world = world.as_ref().context("no other test has run")?;
        let results = self.results.lock().unwrap_or_else(PoisonError::into_inner);
        let passed = results.iter().filter(|result| result.failure.is_none()).count();
        world.report.check_readme(passed == TESTS.iter().copied().flatten().count())
    }

    fn report(&self) -> Result<()> {
        let world = self.world.lock().unwrap_or_else(PoisonError::into_inner);
        let results = self.results.lock().unwrap_or_else(PoisonError::into_inner);
        world.as_ref().map_or(Ok(()), |world| world.report.write(&results))
    }
}
