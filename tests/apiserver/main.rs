//! nmi-guard behind a real kube-apiserver: installed with the project's own manifests, called by the
//! API server, asked with `kubectl` and by creating Pods.
//!
//! The tests share one API server and run one after the other, because some of them stop it, or stop
//! nmi-guard. Before each test the cluster is brought back to the default install with two replicas.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod answers;
mod cluster;
mod examples;
mod goldens;
mod limits;
mod load;
mod manifests;
mod method;
mod opt_in;
mod outage;
mod rbac;
mod readme;
mod reinvocation;
mod replica;
mod rotation;

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
    run: for<'a> fn(&'a mut Cluster) -> Outcome<'a>,
}

/// What a test comes to.
type Outcome<'a> = Pin<Box<dyn Future<Output = Result<()>> + 'a>>;

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
        opt_in::labelled_pods_of_opted_in_namespaces_are_guarded,
        opt_in::other_namespaces_are_left_alone,
        opt_in::pods_without_the_label_are_left_alone,
        opt_in::only_the_value_false_opts_a_pod_out,
        opt_in::a_guarded_pod_is_not_reviewed_again,
        opt_in::a_stale_status_does_not_opt_out,
        opt_in::updates_and_deletion_are_not_reviewed,
        answers::kubectl_shows_warnings,
        answers::a_host_network_pod_is_created_with_a_warning,
        answers::kubectl_shows_why_a_pod_is_denied,
        answers::the_audit_log_holds_decision_and_reason,
        answers::a_dry_run_shows_the_guard_and_keeps_nothing,
        answers::pods_with_generated_names_are_guarded,
        readme::kubectl_commands_succeed,
        reinvocation::a_webhook_called_before_finds_its_work_kept,
        reinvocation::a_webhook_called_after_causes_no_second_review,
        reinvocation::a_second_review_changes_nothing,
        limits::pod_security_restricted_admits_guarded_pods,
        limits::the_guard_does_not_depend_on_the_pods_security_context,
        limits::a_resource_quota_admits_guarded_pods,
        limits::a_limit_range_admits_guarded_pods,
        goldens::every_result_is_accepted,
        goldens::the_webhook_comes_to_the_same_results,
        method::the_version_of_the_api_server_chooses_the_sidecar,
        method::a_version_that_is_configured_is_not_asked_for,
        examples::every_example_comes_to_guarded_pods,
        rbac::what_is_granted_is_what_is_used,
        manifests::every_overlay_is_accepted_and_settles,
        manifests::applying_again_keeps_the_certificates,
        manifests::the_image_is_the_same_everywhere,
        manifests::its_own_pods_are_admitted,
        manifests::all_namespaces_but_those_that_opt_out,
        outage::under_ignore_pods_are_created_unguarded,
        outage::under_fail_only_pods_to_be_guarded_are_refused,
        outage::a_replica_that_stops_loses_no_review,
        outage::an_api_server_that_restarts_finds_the_webhook,
        rotation::no_pod_is_refused_while_ca_and_leaf_rotate,
    ];
    let mut arguments = Arguments::from_args();
    arguments.test_threads = Some(1);
    let shared = Arc::new(Shared::default());
    let trials = tests.into_iter().map(|test| {
        let shared = Arc::clone(&shared);
        Trial::test(test.name, move || shared.run(&test).map_err(Failed::from))
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
    /// Runs one test; an error ends with what nmi-guard has logged.
    fn run(&self, test: &Test) -> Result<(), String> {
        // A test that panicked leaves what `restore` mends.
        let mut slot = self.cluster.lock().unwrap_or_else(PoisonError::into_inner);
        self.runtime.block_on(async {
            let cluster = match &mut *slot {
                Some(cluster) => cluster,
                none => none.insert(Cluster::start().await.map_err(|error| format!("{error:#}"))?),
            };
            let outcome = match cluster.restore().await {
                Ok(()) => (test.run)(cluster).await,
                Err(error) => Err(error),
            };
            outcome.map_err(|error| format!("{error:#}\n{}", cluster.logs()))
        })
    }

    fn stop(&self) {
        let _inside = self.runtime.enter();
        *self.cluster.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}
