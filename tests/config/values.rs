//! What is given, what is refused and how it is said.

use std::path::{Path, PathBuf};
use std::time::Duration;

use nmi_guard::config::{Config, Entry, Given, KEYS, Origin};
use nmi_guard::observe::LogFormat;
use nmi_guard::policy::{self, Policy, Severity};

fn config(yaml: &str) -> Config {
    Config::new([&given(yaml)]).unwrap_or_else(|errors| panic!("{errors}"))
}

fn given(yaml: &str) -> Given {
    Given::from_yaml(Path::new("c.yaml"), yaml).unwrap_or_else(|errors| panic!("{errors}"))
}

/// The errors of `yaml`, as printed.
fn errors(yaml: &str) -> Vec<String> {
    let outcome = Given::from_yaml(Path::new("c.yaml"), yaml).and_then(|given| Config::new([&given]));
    let errors = outcome.expect_err("the configuration is refused").to_string();
    errors.lines().map(str::to_owned).collect()
}

fn default_of(config: &Config, key: &str) -> String {
    (policy::find(key).unwrap().show)(&config.policy.defaults)
}

#[test]
fn every_section_is_read() {
    let config = config(
        "
defaults:
  nmi-port: 9000
  checks: [init, readiness]
  image: registry.example/nmi-guard:2
policy:
  host-network: deny
  invalid-annotations: warn
  sidecars: [istio-proxy, my-proxy]
server:
  listen: 127.0.0.1:9443
  max-body-bytes: 5000000
  max-in-flight: 8
  shutdown-delay: 500ms
certificates:
  namespace: guards
  dns-names: [guard.example.org, 10.0.0.1]
  ca-lifetime: 90d
  leaf-lifetime: 12h
log:
  format: json
  level: debug
kubeconfig: /etc/kubeconfig
",
    );
    assert_eq!(default_of(&config, "nmi-port"), "9000");
    assert_eq!(default_of(&config, "checks"), "init,readiness");
    assert_eq!(default_of(&config, "image"), "registry.example/nmi-guard:2");
    assert_eq!(config.policy.host_network, Severity::Deny);
    assert_eq!(config.policy.invalid_annotations, Severity::Warn);
    assert_eq!(config.policy.sidecars, ["istio-proxy", "my-proxy"]);
    assert_eq!(config.server.listen.to_string(), "127.0.0.1:9443");
    assert_eq!(config.server.admin_listen.to_string(), "[::]:8081", "left out, so the default");
    assert_eq!(config.server.max_body_bytes, 5_000_000);
    assert_eq!(config.server.max_in_flight, 8);
    assert_eq!(config.server.shutdown_delay, Duration::from_millis(500));
    assert_eq!(config.certificates.namespace, "guards");
    let names: Vec<_> = config.certificates.names.iter().map(|name| name.to_str().into_owned()).collect();
    assert_eq!(
        names,
        ["nmi-guard.guards.svc", "nmi-guard.guards.svc.cluster.local", "guard.example.org", "10.0.0.1"]
    );
    assert_eq!(config.certificates.lifetimes.ca(), Duration::from_secs(90 * 86400));
    assert_eq!(config.certificates.lifetimes.leaf(), Duration::from_secs(12 * 3600));
    assert_eq!(config.log.format, LogFormat::Json);
    assert_eq!(config.log.level.to_string(), "debug");
    assert_eq!(config.kubeconfig, Some(PathBuf::from("/etc/kubeconfig")));
}

#[test]
fn nothing_is_a_configuration_too() {
    for yaml in ["", "# nothing\n", "defaults:\nserver: {}\n", "server: {max-in-flight: null}", "---\n"] {
        assert_eq!(config(yaml).policy, Policy::default(), "{yaml:?}");
    }
}

#[test]
fn a_list_can_be_empty_or_given_as_text() {
    assert!(config("policy: {sidecars: []}").policy.sidecars.is_empty());
    assert_eq!(config("policy: {sidecars: 'a, b'}").policy.sidecars, ["a", "b"]);
}

#[test]
fn all_errors_are_named_at_once_each_with_its_place() {
    let errors = errors(
        "
defaults:
  nmi-prot: 8085
  nmi-port: 70000
policy:
  host-network: maybe
server:
  max-in-flight: [1, 2]
  shutdown-delay: 5
sever:
  listen: ':1'
",
    );
    let expected = [
        "c.yaml:3:13: defaults.nmi-prot is not a known key; did you mean defaults.nmi-port?",
        "c.yaml:4:13: defaults.nmi-port: \"70000\" is not allowed; allowed: ",
        "c.yaml:6:17: policy.host-network: \"maybe\" is not allowed; allowed: warn or deny",
        "c.yaml:8:18: server.max-in-flight: \"1,2\" is not allowed; allowed: a whole number from 1 to 10000",
        "c.yaml:9:19: server.shutdown-delay: \"5\" is not allowed; allowed: a duration from 0s to 10m, such as 5s",
        "c.yaml:11:11: sever.listen is not a known key; did you mean server.listen?",
    ];
    assert_eq!(errors.len(), expected.len(), "{errors:#?}");
    for (error, expected) in errors.iter().zip(expected) {
        assert!(error.starts_with(expected), "{error:?} does not start with {expected:?}");
    }
}

#[test]
fn what_is_a_pods_alone_is_no_default() {
    assert_eq!(
        errors("defaults: {containers: app}"),
        ["c.yaml:1:24: defaults.containers: \"app\" is not allowed; allowed: nothing here: only a Pod can \
             set it, by annotation"]
    );
}

#[test]
fn a_key_unlike_any_other_gets_no_suggestion() {
    assert_eq!(
        errors("server: {zzzzzzzzzzzzzzzzzz: 1}"),
        ["c.yaml:1:30: server.zzzzzzzzzzzzzzzzzz is not a known key"]
    );
}

#[test]
fn syntax_errors_have_line_and_column() {
    for (yaml, place) in [
        ("server: {max-in-flight: 1\nlog: [", "c.yaml:2:"),
        ("server:\n  listen: \"open\n", "c.yaml:"),
        ("server:\n  listen: ':1'\n  listen: ':2'\n", "c.yaml:3:3: "),
        ("- server\n", "c.yaml:1:1: expected sections with keys"),
        ("server\n", "c.yaml:1:1: expected sections with keys"),
        ("server:\n  listen: {a: b}\n", "c.yaml:2:11: server.listen: expected a value, or a list of values"),
    ] {
        let errors = errors(yaml);
        assert_eq!(errors.len(), 1, "{errors:#?}");
        assert!(errors[0].starts_with(place), "{:?} does not start with {place:?}", errors[0]);
        assert!(errors[0].len() > place.len() || place.len() > 20, "{:?}", errors[0]);
    }
}

#[test]
fn what_cannot_be_together_is_refused() {
    let lifetimes = errors("certificates: {ca-lifetime: 1d, leaf-lifetime: 24h}");
    assert!(
        lifetimes[0].contains("certificates.leaf-lifetime") && lifetimes[0].contains("twice"),
        "{lifetimes:?}"
    );
    let addresses = errors("server: {listen: ':8443', admin-listen: ':8443'}");
    assert!(addresses[0].contains("server.admin-listen") && addresses[0].contains("[::]:8443"));
}

#[test]
fn a_later_layer_wins_and_its_errors_name_where_they_come_from() {
    let entry =
        |origin, key: &str, value: &str| Entry { origin, key: key.to_owned(), value: value.to_owned() };
    let file = given("server: {max-in-flight: 1, max-body-bytes: 2000}");
    let environment = entry(Origin::Environment("NMI_GUARD_MAX_IN_FLIGHT"), "server.max-in-flight", "2");
    let flag = entry(Origin::Flag("max-in-flight"), "server.max-in-flight", "3");
    let both = Given(vec![environment.clone(), flag]);
    let in_flight = |layers: &[&Given]| Config::new(layers.iter().copied()).unwrap().server.max_in_flight;
    assert_eq!(in_flight(&[&file]), 1);
    assert_eq!(in_flight(&[&file, &Given(vec![environment])]), 2);
    assert_eq!(in_flight(&[&file, &both]), 3);
    assert_eq!(Config::new([&file, &both]).unwrap().server.max_body_bytes, 2000);

    let bad = Given(vec![
        entry(Origin::Environment("NMI_GUARD_LISTEN"), "server.listen", "x"),
        entry(Origin::Flag("listen"), "server.listen", "y"),
    ]);
    let errors = Config::new([&bad]).unwrap_err().to_string();
    let lines: Vec<&str> = errors.lines().collect();
    assert!(lines[0].starts_with("NMI_GUARD_LISTEN: server.listen: \"x\""), "{errors}");
    assert!(lines[1].starts_with("--listen: server.listen: \"y\""), "{errors}");
}

#[test]
fn the_table_of_keys_is_consistent() {
    for key in KEYS {
        // A flag is called as its key, with the section where that alone would say too little; one that
        // is repeated is in the singular.
        let full = key.path.replace('.', "-");
        let plural = if key.is_list { format!("{}s", key.flag) } else { key.flag.to_owned() };
        assert!(full == plural || full.ends_with(&format!("-{plural}")), "{}", key.path);
        let variable = format!("NMI_GUARD_{}", plural.to_uppercase().replace('-', "_"));
        assert_eq!(key.env, variable, "{}", key.path);
        let is_only = |other: &&nmi_guard::config::Key| other.flag == key.flag || other.env == key.env;
        assert_eq!(KEYS.iter().filter(is_only).count(), 1, "{}", key.path);
    }
}

#[test]
fn the_defaults_in_the_table_are_the_defaults() {
    let entry = |key: &nmi_guard::config::Key| Entry {
        origin: Origin::Flag(key.flag),
        key: key.path.to_owned(),
        value: key.default.to_owned(),
    };
    let said = KEYS.iter().filter(|key| !key.default.is_empty()).map(entry).collect();
    let (said, nothing) = (Config::new([&Given(said)]).unwrap(), Config::new([]).unwrap());
    assert_eq!(said.policy, nothing.policy);
    assert_eq!(said.server, nothing.server);
    assert_eq!(said.certificates, nothing.certificates);
    assert_eq!(said.log, nothing.log);
}
