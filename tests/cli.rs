//! The commands that work on files, run as a user runs them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::path::Path;
use std::process::{Command, Output};

use assert_cmd::Command as AssertCommand;

fn nmi_guard() -> AssertCommand {
    AssertCommand::new(env!("CARGO_BIN_EXE_nmi-guard"))
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// `nmi-guard inject -f -` with this on its standard input.
fn inject(input: &str) -> Output {
    nmi_guard().args(["inject", "-f", "-"]).write_stdin(input).output().unwrap()
}

const DEPLOYMENT: &str = "
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  template:
    metadata:
      labels: {aadpodidbinding: x}
    spec:
      containers:
      - {name: app, image: 'app:1'}
";

#[test]
fn a_deployment_comes_out_guarded_and_other_documents_as_they_were() {
    let config_map = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\ndata: {a: 'yes', mode: '0755'}\n";
    let output = inject(&format!("{DEPLOYMENT}---\n{config_map}"));
    assert!(output.status.success());
    let documents = nmi_guard::offline::read(&text(&output.stdout)).unwrap();
    let template = &documents[0]["spec"]["template"];
    assert_eq!(template["spec"]["initContainers"][0]["name"], "nmi-guard-init");
    assert!(template["metadata"]["annotations"]["nmi-guard.io/status"].is_string());
    assert_eq!(documents[1], nmi_guard::offline::read(config_map).unwrap()[0]);
    assert_eq!(text(&output.stderr), "Deployment/web: inject (injected)\n");
}

#[test]
fn every_kind_of_workload_is_guarded_in_its_template() {
    let pod = "{metadata: {labels: {aadpodidbinding: x}}, spec: {containers: [{name: app}]}}";
    let kinds = [
        ("apps/v1", "StatefulSet", format!("{{template: {pod}}}")),
        ("apps/v1", "DaemonSet", format!("{{template: {pod}}}")),
        ("apps/v1", "ReplicaSet", format!("{{template: {pod}}}")),
        ("v1", "ReplicationController", format!("{{template: {pod}}}")),
        ("batch/v1", "Job", format!("{{template: {pod}}}")),
        ("batch/v1", "CronJob", format!("{{jobTemplate: {{spec: {{template: {pod}}}}}}}")),
    ];
    for (version, kind, spec) in kinds {
        let output =
            inject(&format!("{{apiVersion: {version}, kind: {kind}, metadata: {{name: x}}, spec: {spec}}}"));
        assert!(text(&output.stdout).contains("nmi-guard-init"), "{kind}");
        assert_eq!(text(&output.stderr), format!("{kind}/x: inject (injected)\n"));
    }
}

#[test]
fn a_list_is_gone_through() {
    let pod = "{apiVersion: v1, kind: Pod, metadata: {name: p, labels: {aadpodidbinding: x}}, spec: {containers: [{name: a}]}}";
    let output =
        inject(&format!("{{apiVersion: v1, kind: List, items: [{pod}, {{apiVersion: v1, kind: Service}}]}}"));
    let list = nmi_guard::offline::read(&text(&output.stdout)).unwrap().remove(0);
    assert_eq!(list["items"][0]["spec"]["initContainers"][0]["name"], "nmi-guard-init");
    assert_eq!(list["items"][1]["kind"], "Service");
}

#[test]
fn injecting_twice_is_injecting_once() {
    let once = inject(DEPLOYMENT);
    let twice = inject(&text(&once.stdout));
    assert_eq!(text(&twice.stdout), text(&once.stdout));
    assert_eq!(text(&twice.stderr), "Deployment/web: skip (already-injected)\n");
}

#[test]
fn a_refused_pod_is_told_and_left_and_the_exit_code_says_so() {
    let input = DEPLOYMENT.replace("labels:", "annotations: {nmi-guard.io/nmi-prot: '1'}\n      labels:");
    let output = inject(&input);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(
        nmi_guard::offline::read(&text(&output.stdout)).unwrap(),
        nmi_guard::offline::read(&input).unwrap()
    );
    assert_eq!(
        text(&output.stderr),
        "Deployment/web: deny (invalid-annotation)\n  denied: nmi-guard.io/nmi-prot is not a known annotation; \
         did you mean nmi-guard.io/nmi-port?\n"
    );
}

#[test]
fn bad_files_are_named_with_the_place() {
    let broken = inject("a: [\n");
    assert_eq!(broken.status.code(), Some(1));
    assert!(text(&broken.stderr).contains("not valid YAML"), "{}", text(&broken.stderr));
    assert!(text(&broken.stderr).contains("line 1 column 4"), "{}", text(&broken.stderr));
    assert_eq!(text(&broken.stdout), "");

    let no_template = inject("{apiVersion: apps/v1, kind: Deployment, metadata: {name: web}, spec: {}}");
    assert!(text(&no_template.stderr).contains("Deployment \"web\": spec.template is missing"));

    let absent = nmi_guard().args(["inject", "-f", "not/there.yaml"]).output().unwrap();
    assert!(text(&absent.stderr).starts_with("error: not/there.yaml can't be read\n"));
}

#[test]
fn the_clusters_configuration_counts() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("config.yaml");
    std::fs::write(&config, "defaults: {nmi-port: 18085, image: 'registry.example/guard:2'}\n").unwrap();
    let output = nmi_guard()
        .args(["inject", "-f", "-", "--config"])
        .arg(&config)
        .write_stdin(DEPLOYMENT)
        .output()
        .unwrap();
    let written = text(&output.stdout);
    assert!(
        written.contains("--port=18085") && written.contains("image: registry.example/guard:2"),
        "{written}"
    );
}

#[test]
fn the_examples_are_guarded() {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    let files = std::fs::read_dir(examples).unwrap().map(|entry| entry.unwrap().path());
    let workloads: Vec<_> = files.filter(|path| path.extension().is_some_and(|end| end == "yaml")).collect();
    assert!(workloads.len() >= 5, "{workloads:?}");
    for file in workloads {
        let output = nmi_guard().args(["inject", "-f"]).arg(&file).output().unwrap();
        assert!(text(&output.stderr).contains(": inject (injected)"), "{}", file.display());
    }
}

#[test]
fn explain_has_every_key_and_every_reason() {
    let output = nmi_guard().arg("explain").output().unwrap();
    let explained = text(&output.stdout);
    for key in nmi_guard::policy::KEYS {
        assert!(explained.contains(&format!("  nmi-guard.io/{}\n", key.name)), "{}", key.name);
    }
    for reason in nmi_guard::policy::SkipReason::ALL {
        assert!(explained.contains(&format!("  {}", reason.as_str())), "{}", reason.as_str());
    }
    assert!(explained.lines().all(|line| line.chars().count() <= 100));
}

#[test]
fn development_certificates_serve_and_are_not_overwritten() {
    let folder = tempfile::tempdir().unwrap();
    let certs = |force: &[&str]| {
        nmi_guard()
            .args(["certs", "--dns-name", "127.0.0.1", "--out"])
            .arg(folder.path())
            .args(force)
            .output()
            .unwrap()
    };
    assert!(certs(&[]).status.success());
    let again = certs(&[]);
    assert_eq!(again.status.code(), Some(1));
    assert!(text(&again.stderr).contains("--force"), "{}", text(&again.stderr));
    assert!(certs(&["--force"]).status.success());

    let verified = Command::new("openssl")
        .current_dir(folder.path())
        .args(["verify", "-CAfile", "ca.crt", "-verify_ip", "127.0.0.1", "tls.crt"])
        .output()
        .expect("openssl");
    assert!(verified.status.success(), "{}", text(&verified.stdout));
}
