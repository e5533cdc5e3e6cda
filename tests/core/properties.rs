//! What holds for any Pod.

use k8s_openapi::api::core::v1::Pod;
use nmi_guard::mutate::Injector;
use nmi_guard::policy::{Policy, Severity};
use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::pods::pod;
use crate::support;

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
        let existing = pod["metadata"]["annotations"]["nmi-guard.io/existing-probes"].as_str();
        let replaces = matches!(existing, Some("replace" | "wrap"));
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
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 700, ..ProptestConfig::default() })]

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
    fn a_probe_that_gave_way_is_in_the_status_and_a_wrapped_one_keeps_its_other_fields(pod in pod()) {
        let reviewed = support::of_pod(&pod, &policy());
        if reviewed.decision != "inject" {
            return Ok(());
        }
        let wraps = pod["metadata"]["annotations"]["nmi-guard.io/existing-probes"] == "wrap";
        let status = reviewed.pod["metadata"]["annotations"]["nmi-guard.io/status"].as_str().unwrap();
        let status: Value = serde_json::from_str(status).unwrap();
        for operation in reviewed.patch.iter().filter(|operation| operation["op"] == "replace") {
            let path = operation["path"].as_str().unwrap();
            let (before, field) = path.rsplit_once('/').unwrap();
            let container = pod.pointer(before).unwrap();
            let original = &container[field];
            // Containers of one name are none that an API server takes.
            let namesakes = pod["spec"]["containers"].as_array().unwrap().iter();
            if namesakes.filter(|other| other["name"] == container["name"]).count() == 1 {
                prop_assert_eq!(&status["original"][container["name"].as_str().unwrap()][field], original);
            }
            for (name, value) in original.as_object().unwrap() {
                let is_handler = matches!(&name[..], "exec" | "httpGet" | "tcpSocket" | "grpc");
                prop_assert!(!wraps || is_handler || operation["value"][name] == *value, "{operation}");
            }
            let is_exec = wraps && original["exec"].is_object();
            let command = operation["value"]["exec"]["command"].as_array();
            prop_assert!(!is_exec || command.unwrap().ends_with(&[json!("--"), json!("true")]), "{operation}");
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
        // What is handed on of a probe of the Pod's own has its dollars doubled.
        assert!(is_script || !word.replace("$$", "").contains('$'), "{words:?}");
        let name = |rest: &str| rest.split(')').next().is_some_and(|name| name.bytes().all(is_name));
        let expands =
            is_script && word.contains("$$") || word.replace("$$", "").split("$(").skip(1).any(name);
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
