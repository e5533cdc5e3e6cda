//! What holds for any Pod: made up by proptest from every part that the guard looks at.

use k8s_openapi::api::core::v1::Pod;
use nmi_guard::mutate::Injector;
use nmi_guard::policy::{KEYS, Policy, Severity};
use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Map, Value, json};

use crate::support;

/// A field that is missing, `null`, or has a value.
fn field(value: impl Strategy<Value = Value> + 'static) -> BoxedStrategy<Option<Value>> {
    prop_oneof![1 => Just(None), 1 => Just(Some(Value::Null)), 6 => value.prop_map(Some)].boxed()
}

/// An object of such fields.
fn object(fields: Vec<(&'static str, BoxedStrategy<Option<Value>>)>) -> BoxedStrategy<Value> {
    let (names, values): (Vec<_>, Vec<_>) = fields.into_iter().unzip();
    values
        .prop_map(move |values| {
            let present =
                names.iter().zip(values).filter_map(|(name, value)| Some(((*name).to_owned(), value?)));
            Value::Object(present.collect::<Map<_, _>>())
        })
        .boxed()
}

fn list(item: impl Strategy<Value = Value> + 'static) -> BoxedStrategy<Option<Value>> {
    field(vec(item, 0..4).prop_map(Value::Array))
}

fn text(choices: &'static [&'static str]) -> BoxedStrategy<Option<Value>> {
    field(select(choices).prop_map(|text| json!(text)))
}

fn env() -> BoxedStrategy<Value> {
    let names = select(&["HOST_IP", "NMI_GUARD_HOST_IP", "MODE", "A~/B"][..]);
    let values = select(vec![
        json!({"value": "x"}),
        json!({"valueFrom": {"fieldRef": {"fieldPath": "status.hostIP"}}}),
        json!({"valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}}),
        json!({"valueFrom": {"configMapKeyRef": {"name": "a", "key": "b"}}}),
        json!({"valueFrom": null}),
    ]);
    (names, values)
        .prop_map(|(name, mut value)| {
            value["name"] = json!(name);
            value
        })
        .boxed()
}

fn probe() -> BoxedStrategy<Option<Value>> {
    field(select(vec![
        json!({"exec": {"command": ["true"]}}),
        json!({"httpGet": {"path": "/", "port": "http"}, "periodSeconds": 3}),
        json!({"tcpSocket": {"port": 1}}),
        json!({"grpc": {"port": 1}}),
    ]))
}

fn container() -> BoxedStrategy<Value> {
    let mount = object(vec![
        ("name", field(select(&["nmi-guard", "data"][..]).prop_map(Value::from))),
        ("mountPath", field(select(&["/nmi-guard", "/data"][..]).prop_map(Value::from))),
    ]);
    let name = select(&["app", "worker", "istio-proxy", "linkerd-proxy"][..]);
    let rest = object(vec![
        ("image", text(&["app:1"])),
        ("env", list(env())),
        ("volumeMounts", list(mount)),
        ("readinessProbe", probe()),
        ("livenessProbe", probe()),
        ("restartPolicy", text(&["Always"])),
        ("resources", field(Just(json!({"limits": {"cpu": "1", "memory": "1Gi"}})))),
        ("fieldOfTheFuture", field(Just(json!({"a": [1, null, {"b": "c"}]})))),
    ]);
    (name, rest)
        .prop_map(|(name, mut container)| {
            container["name"] = json!(name);
            container
        })
        .boxed()
}

fn annotations() -> BoxedStrategy<Option<Value>> {
    let keys: Vec<String> = KEYS.iter().map(|key| format!("nmi-guard.io/{}", key.name)).collect();
    let key =
        prop_oneof![3 => select(keys), 1 => "[a-z~/.-]{1,12}", 1 => Just("nmi-guard.io/status".to_owned())];
    let value = select(
        &[
            "true",
            "false",
            "init",
            "readiness,liveness",
            "replace",
            "healthz",
            "interception",
            "5",
            "300",
            "app",
            "{}",
            "",
        ][..],
    );
    field(btree_map(key, value, 0..4).prop_map(|entries| json!(entries)))
}

fn pod() -> BoxedStrategy<Value> {
    let labels = select(vec![
        json!({"aadpodidbinding": "x"}),
        json!({"aadpodidbinding": "x", "a/b~c": "d"}),
        json!({"aadpodidbinding": ""}),
        json!({"app": "x"}),
    ]);
    let metadata = object(vec![
        ("name", text(&["app"])),
        ("generateName", text(&["app-"])),
        ("labels", prop_oneof![8 => labels.prop_map(Some), 1 => Just(None)].boxed()),
        ("annotations", annotations()),
        (
            "ownerReferences",
            list(Just(json!({"apiVersion": "batch/v1", "kind": "Job", "name": "j", "uid": "u"}))),
        ),
        ("managedBy", text(&["the future"])),
    ]);
    let volume = select(vec![
        json!({"name": "data", "emptyDir": {}}),
        json!({"name": "nmi-guard", "emptyDir": {}}),
        json!({"name": "other", "configMap": {"name": "c"}}),
    ]);
    let spec = object(vec![
        ("containers", list(container())),
        ("initContainers", list(container())),
        ("volumes", list(volume)),
        ("restartPolicy", text(&["Always", "Never", "OnFailure"])),
        ("nodeSelector", field(Just(json!({"disk": "ssd"})))),
        ("hostNetwork", field(prop::bool::weighted(0.05).prop_map(Value::from))),
        ("securityContext", field(Just(json!({"runAsUser": 0})))),
    ]);
    (metadata, spec, option::of(Just(7)))
        .prop_map(|(metadata, spec, extra)| {
            json!({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec, "extra": extra})
        })
        .boxed()
}

/// Policies that inject as often as possible: what is not understood is passed over.
fn policy() -> Policy {
    Policy { invalid_annotations: Severity::Warn, ..Policy::default() }
}

/// Whether everything in `before` is still in `after`: every field, and every element in its order.
/// A `null` may have become something; the two probes may have been replaced where the Pod asked for it.
fn keeps(before: &Value, after: &Value, replaces_probes: bool) -> bool {
    match (before, after) {
        (Value::Null, _) => true,
        (Value::Object(before), Value::Object(after)) => before.iter().all(|(name, value)| {
            let is_probe = matches!(&name[..], "readinessProbe" | "livenessProbe");
            let is_status = name == "nmi-guard.io/status";
            after.get(name).is_some_and(|now| {
                is_status || (is_probe && replaces_probes) || keeps(value, now, replaces_probes)
            })
        }),
        (Value::Array(before), Value::Array(after)) => {
            let mut rest = after.iter();
            before.iter().all(|value| rest.any(|now| keeps(value, now, replaces_probes)))
        }
        _ => before == after,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn a_patch_only_adds_and_a_second_review_has_nothing_to_add(pod in pod()) {
        let reviewed = support::of_pod(&pod, &policy());
        let replaces = pod["metadata"]["annotations"]["nmi-guard.io/existing-probes"] == "replace";
        for operation in &reviewed.patch {
            let is_allowed = operation["op"] == "add" || (operation["op"] == "replace" && replaces);
            prop_assert!(is_allowed, "{operation}");
        }
        prop_assert!(keeps(&pod, &reviewed.pod, replaces), "{pod:#}\nbecame\n{:#}", reviewed.pod);

        let again = support::of_pod(&reviewed.pod, &policy());
        prop_assert!(again.patch.is_empty());
        prop_assert_eq!(&again.pod, &reviewed.pod);
        if reviewed.decision == "inject" {
            prop_assert_eq!(again.reason, "already-injected");
        }
    }

    #[test]
    fn an_injected_pod_is_a_pod_with_unique_names(pod in pod()) {
        let reviewed = support::of_pod(&pod, &policy());
        if reviewed.decision != "inject" {
            prop_assert_eq!(&reviewed.pod, &pod);
            return Ok(());
        }
        let typed: Pod = serde_json::from_value(reviewed.pod).expect("a typed Pod");
        let spec = typed.spec.unwrap();
        let init = spec.init_containers.unwrap();
        prop_assert_eq!(&init[0].name, "nmi-guard-init");
        prop_assert_eq!(init.iter().filter(|container| container.name == "nmi-guard-init").count(), 1);

        let installs = init[0].command.as_ref().unwrap().iter().any(|word| word.ends_with("/nmi-guard"));
        let volumes = spec.volumes.unwrap_or_default();
        let ours = volumes.iter().filter(|volume| volume.name == "nmi-guard").count();
        let brought = pod["spec"]["volumes"].as_array().map_or(0, |volumes| {
            volumes.iter().filter(|volume| volume["name"] == "nmi-guard").count()
        });
        prop_assert_eq!(ours, if installs { brought.max(1) } else { brought });
        for container in &spec.containers {
            let runs_probe = [&container.readiness_probe, &container.liveness_probe].into_iter().flatten().any(|probe| {
                let exec = probe.exec.as_ref().and_then(|exec| exec.command.as_ref());
                exec.is_some_and(|command| command[0] == "/nmi-guard/nmi-probe")
            });
            let mounts = container.volume_mounts.iter().flatten();
            let mounted = mounts.filter(|mount| mount.mount_path == "/nmi-guard").count();
            prop_assert!(!runs_probe || mounted >= 1, "{}: the probe's binary is not mounted", container.name);
        }
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in vec(any::<u8>(), 0..200), at in any::<prop::sample::Index>(), pod in pod()) {
        let _ = nmi_guard::admission::review(&bytes, &Injector::default());
        let mut body = support::request(&pod).to_string().into_bytes();
        let at = at.index(body.len());
        body.splice(at..at, bytes);
        let _ = nmi_guard::admission::review(&body, &Injector::default());
    }
}

/// What the properties above take for granted: that the Pods made up do get injected.
#[test]
fn the_made_up_pods_are_injected_often_enough() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;
    let mut runner = TestRunner::deterministic();
    let injected = (0..300)
        .filter(|_| {
            support::of_pod(&pod().new_tree(&mut runner).unwrap().current(), &policy()).decision == "inject"
        })
        .count();
    assert!(injected > 60, "{injected} of 300");
}
