//! One review, beside what a typed webhook would do with the same Pod: decode it as k8s-openapi's `Pod`,
//! change that, and diff the two. `cargo bench --bench review` prints both times for each size; the ratio
//! of the two is what counts, since machines differ.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used)]

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use k8s_openapi::api::core::v1::Pod;
use nmi_guard::admission::review;
use nmi_guard::mutate::Injector;
use serde::Deserialize as _;
use serde_json::{Value, json};

#[path = "support/pods.rs"]
mod pods;

fn benchmark(criterion: &mut Criterion) {
    let injector = Injector::default();
    for (name, bytes) in [("small", 2_000), ("typical", 12_000), ("large", 100_000)] {
        let inject = pods::review_of_size(bytes, true);
        let skip = pods::review_of_size(bytes, false);
        let mut group = criterion.benchmark_group(name);
        group.throughput(Throughput::Bytes(inject.len() as u64));
        group.bench_with_input(BenchmarkId::from_parameter("inject"), &inject, |bencher, body| {
            bencher.iter(|| review(body, &injector).unwrap());
        });
        group.bench_with_input(BenchmarkId::from_parameter("skip"), &skip, |bencher, body| {
            bencher.iter(|| review(body, &injector).unwrap());
        });
        group.bench_with_input(
            BenchmarkId::from_parameter("typed decode and diff"),
            &inject,
            |bencher, body| {
                let guarded = guarded(body, &injector);
                bencher.iter(|| typed(body, &guarded));
            },
        );
        group.finish();
    }
}

/// What the guard comes to, typed: its annotations and its spec.
fn guarded(body: &[u8], injector: &Injector) -> Pod {
    let answer: Value = serde_json::from_slice(&review(body, injector).unwrap().response).unwrap();
    let patch = STANDARD.decode(answer["response"]["patch"].as_str().unwrap()).unwrap();
    let patch: json_patch::Patch = serde_json::from_slice(&patch).unwrap();
    let mut request: Value = serde_json::from_slice(body).unwrap();
    json_patch::patch(&mut request["request"]["object"], &patch).unwrap();
    serde_json::from_value(request["request"]["object"].take()).unwrap()
}

/// A typed webhook that comes to the same Pod. The guard itself costs it no more than a copy.
fn typed(body: &[u8], guarded: &Pod) -> Vec<u8> {
    let request: Value = serde_json::from_slice(body).unwrap();
    let before = &request["request"]["object"];
    let mut pod = Pod::deserialize(before).unwrap();
    pod.metadata.annotations.clone_from(&guarded.metadata.annotations);
    pod.spec.clone_from(&guarded.spec);
    let patch = json_patch::diff(before, &serde_json::to_value(&pod).unwrap());
    let patch = STANDARD.encode(serde_json::to_vec(&patch).unwrap());
    serde_json::to_vec(&json!({"response": {"allowed": true, "patch": patch}})).unwrap()
}

criterion_group!(benches, benchmark);
criterion_main!(benches);
