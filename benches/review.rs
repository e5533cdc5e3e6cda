//! One review, beside what a typed webhook would do with the same Pod: decode it as k8s-openapi's `Pod`,
//! change that, and diff the two. `cargo bench --bench review` prints both times for each size; the ratio
//! of the two is what counts, since machines differ.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used)]

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use k8s_openapi::api::core::v1::Pod;
use nmi_guard::admission::review;
use nmi_guard::policy::Policy;
use serde_json::{Value, json};

#[path = "support/pods.rs"]
mod pods;

fn benchmark(criterion: &mut Criterion) {
    let policy = Policy::default();
    for (name, bytes) in [("small", 2_000), ("typical", 12_000), ("large", 100_000)] {
        let inject = pods::review_of_size(bytes, true);
        let skip = pods::review_of_size(bytes, false);
        let mut group = criterion.benchmark_group(name);
        group.throughput(Throughput::Bytes(inject.len() as u64));
        group.bench_with_input(BenchmarkId::from_parameter("inject"), &inject, |bencher, body| {
            bencher.iter(|| review(body, &policy).unwrap());
        });
        group.bench_with_input(BenchmarkId::from_parameter("skip"), &skip, |bencher, body| {
            bencher.iter(|| review(body, &policy).unwrap());
        });
        group.bench_with_input(
            BenchmarkId::from_parameter("typed decode and diff"),
            &inject,
            |bencher, body| {
                bencher.iter(|| typed(body));
            },
        );
        group.finish();
    }
}

/// The shortest typed webhook there is: it adds an annotation and an init container, and answers.
fn typed(body: &[u8]) -> Vec<u8> {
    let request: Value = serde_json::from_slice(body).unwrap();
    let before = request["request"]["object"].clone();
    let mut pod: Pod = serde_json::from_value(before.clone()).unwrap();
    pod.metadata.annotations.get_or_insert_default().insert("nmi-guard.io/status".into(), "{}".into());
    let spec = pod.spec.as_mut().unwrap();
    spec.init_containers.get_or_insert_default().insert(0, spec.containers[0].clone());
    let patch = json_patch::diff(&before, &serde_json::to_value(&pod).unwrap());
    let patch = serde_json::to_string(&patch).unwrap();
    serde_json::to_vec(&json!({"response": {"allowed": true, "patch": patch}})).unwrap()
}

criterion_group!(benches, benchmark);
criterion_main!(benches);
