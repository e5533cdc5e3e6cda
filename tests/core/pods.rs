//! Pods made up by proptest from every part that the guard looks at.

use nmi_guard::policy::KEYS;
use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Map, Value, json};

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
        json!({"exec": {"command": ["true"]}, "timeoutSeconds": 7, "fieldOfTheFuture": {"a": null}}),
        json!({"httpGet": {"path": "/$(A)", "port": 80, "httpHeaders": [{"name": "A", "value": "$$"}]}, "periodSeconds": 3}),
        json!({"httpGet": {"path": "/", "port": "http", "scheme": "HTTPS"}, "periodSeconds": 3}),
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
            "wrap",
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
        one("existing-probes", &["keep", "wrap", "replace"]),
    );
    drawn.prop_map(|(a, b, c, d, e, f, g)| [a, b, c, d, e, f, g].into_iter().flatten().collect()).boxed()
}

/// Any Pod.
pub fn pod() -> BoxedStrategy<Value> {
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
