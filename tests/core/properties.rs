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

fn port() -> BoxedStrategy<Value> {
    object(vec![
        ("containerPort", field(select(&[80, 8080, 0, -1, 70000][..]).prop_map(Value::from))),
        ("protocol", text(&["TCP", "UDP"])),
    ])
}

fn container() -> BoxedStrategy<Value> {
    let mount = object(vec![
        ("name", field(select(&["nmi-guard", "data"][..]).prop_map(Value::from))),
        ("mountPath", field(select(&["/nmi-guard", "/data"][..]).prop_map(Value::from))),
    ]);
    let name = select(&["app", "worker", "istio-proxy", "linkerd-proxy"][..]);
    let rest = object(vec![
        ("image", text(&["app:1"])),
        ("ports", list(port())),
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
    (btree_map(key, value, 0..4), guard())
        .prop_map(|(mut entries, guard)| {
            let prefixed = guard.into_iter().map(|(key, value)| (format!("nmi-guard.io/{key}"), value));
            entries.extend(prefixed);
            json!(entries)
        })
        .prop_flat_map(|entries| field(Just(entries)))
        .boxed()
}

/// A strategy and a method, with what stands in their way now and then.
fn guard() -> BoxedStrategy<Vec<(&'static str, &'static str)>> {
    let one = |key, values: &'static [&'static str]| {
        option::of(select(values)).prop_map(move |value| value.map(|value| (key, value)))
    };
    let drawn = (
        one("strategy", &["nmi", "nmi-code", "token", "token-code", "az-login"]),
        one("method", &["auto", "native", "sidecar", "wget", "curl"]),
        one("checks", &["auto", "init", "readiness,liveness", "init,readiness,liveness"]),
        one("verify", &["healthz", "interception", "healthz,interception"]),
        one("expect-identity", &["none", "01234567-89ab-cdef-0123-456789abcdef", "/subscriptions/1/x"]),
        one("app-port", &["auto", "8080"]),
    );
    drawn.prop_map(|(a, b, c, d, e, f)| [a, b, c, d, e, f].into_iter().flatten().collect()).boxed()
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
    let kubernetes_version = "1.33".parse().unwrap();
    Policy { invalid_annotations: Severity::Warn, kubernetes_version, ..Policy::default() }
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

        let place = init.iter().position(|container| container.name == "nmi-guard-sidecar");
        let asks_it = |probe: &k8s_openapi::api::core::v1::Probe| {
            let is_path = |path: &str| matches!(path, "/ready" | "/live");
            probe.http_get.as_ref().is_some_and(|get| get.path.as_deref().is_some_and(is_path))
        };
        let mut probes = spec.containers.iter().flat_map(|c| [&c.readiness_probe, &c.liveness_probe]).flatten();
        prop_assert!(matches!(place, None | Some(1)), "the sidecar is at {:?}", place);
        prop_assert!(place.is_some() || !probes.any(asks_it), "a probe asks a sidecar that is not there");

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
    fn what_cannot_be_together_is_mended(pod in pod()) {
        let warned = support::of_pod(&pod, &policy());
        prop_assert_ne!(warned.reason, "invalid-annotation", "{:?}", warned.denial);
        let refused = support::of_pod(&pod, &Policy { invalid_annotations: Severity::Deny, ..policy() });
        if refused.reason == "invalid-annotation" && warned.decision == "inject" {
            prop_assert!(warned.warnings.iter().any(|text| text.starts_with("ignored: ")), "{:?}", refused.denial);
        }
    }

    #[test]
    fn a_probe_asks_in_one_way_and_nothing_is_expanded_in_what_it_asks(pod in pod()) {
        let reviewed = support::of_pod(&pod, &policy());
        if reviewed.decision != "inject" {
            return Ok(());
        }
        for operation in &reviewed.patch {
            let path = operation["path"].as_str().unwrap();
            if !path.ends_with("Probe") {
                continue;
            }
            let probe = operation["value"].as_object().unwrap();
            let handlers: Vec<_> = ["exec", "httpGet"].into_iter().filter(|name| probe.contains_key(*name)).collect();
            prop_assert_eq!(handlers.len(), 1, "{:?}", probe);
            assert_parameters_are_plain(&probe.get("exec").unwrap_or(&Value::Null)["command"]);
        }
        assert_parameters_are_plain(&reviewed.pod["spec"]["initContainers"][0]["command"]);
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

/// The kubelet expands `$(NAME)` and `$$` in a command; only a script may have a dollar, and no such thing.
fn assert_parameters_are_plain(command: &Value) {
    let words: Vec<&str> =
        command.as_array().into_iter().flatten().map(|word| word.as_str().unwrap()).collect();
    for (index, word) in words.iter().enumerate() {
        let is_script = index == 2 && words[..2] == ["sh", "-c"];
        assert!(is_script || !word.contains('$'), "{words:?}");
        let name = |rest: &str| rest.split(')').next().is_some_and(|name| name.bytes().all(is_name));
        let expands = word.contains("$$") || word.split("$(").skip(1).any(name);
        assert!(!expands, "{words:?}");
    }
}

fn is_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"_.-".contains(&byte)
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
