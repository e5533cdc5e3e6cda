//! Pods in, Pods out: every `tests/golden/NAME.in.yaml` is reviewed and must come to what stands in
//! `NAME.out.yaml`. `UPDATE_GOLDEN=1 cargo test --test core golden` writes those anew; read them before committing.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::PathBuf;

use nmi_guard::mutate::Injector;
use nmi_guard::offline;
use nmi_guard::policy::{MAX_WARNING_CHARS, MAX_WARNINGS, Policy, Severity, find};

use crate::support;

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden")
}

/// The names with this ending.
fn names(ending: &str) -> BTreeSet<String> {
    let files = std::fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().file_name());
    files.filter_map(|name| name.to_str().unwrap().strip_suffix(ending).map(str::to_owned)).collect()
}

/// The policy that a line `# policy: key=value ...` of the input asks for.
fn policy(input: &str) -> Policy {
    let mut policy = Policy::default();
    let words =
        input.lines().filter_map(|line| line.strip_prefix("# policy: ")).flat_map(str::split_whitespace);
    for word in words {
        match word.split_once('=').expect("key=value") {
            ("host-network", value) => policy.host_network = value.parse::<Severity>().unwrap(),
            ("invalid-annotations", value) => policy.invalid_annotations = value.parse::<Severity>().unwrap(),
            ("kubernetes-version", value) => policy.kubernetes_version = value.parse().unwrap(),
            ("advice", value) => policy.advice = value.parse().unwrap(),
            (key, value) => {
                let key = find(key).unwrap_or_else(|| panic!("{key} is not a key of a golden's policy"));
                (key.set)(&mut policy.defaults, value).unwrap();
            }
        }
    }
    policy
}

/// What the webhook makes of the input, as the text of a golden.
fn outcome(input: &str) -> String {
    let pod = offline::read(input).unwrap().remove(0);
    let reviewed = support::of_pod(&pod, &policy(input));
    let mut text = format!("# {}: {}\n", reviewed.decision, reviewed.reason);
    if let Some(message) = &reviewed.denial {
        writeln!(text, "# message: {message}").unwrap();
    }
    for warning in &reviewed.warnings {
        writeln!(text, "# warning: {warning}").unwrap();
    }
    if reviewed.pod != pod {
        text.push_str(&offline::write(&[reviewed.pod]).unwrap());
    }
    text
}

#[test]
fn every_input_comes_to_its_golden() {
    let update = std::env::var_os("UPDATE_GOLDEN").is_some();
    let inputs = names(".in.yaml");
    assert!(inputs.len() >= 40, "only {} inputs", inputs.len());
    let mut stale = Vec::new();
    for name in &inputs {
        let input = std::fs::read_to_string(folder().join(format!("{name}.in.yaml"))).unwrap();
        let output = folder().join(format!("{name}.out.yaml"));
        let is = outcome(&input);
        if update {
            std::fs::write(&output, &is).unwrap();
        } else if std::fs::read_to_string(&output).unwrap_or_default() != is {
            stale.push(format!("{name}: comes to\n{is}"));
        }
    }
    assert!(stale.is_empty(), "{} stale goldens\n{}", stale.len(), stale.join("\n"));
}

#[test]
fn no_golden_is_an_orphan() {
    assert_eq!(names(".out.yaml"), names(".in.yaml"));
}

#[test]
fn the_offline_command_agrees_with_the_webhook() {
    for name in names(".in.yaml") {
        let input = std::fs::read_to_string(folder().join(format!("{name}.in.yaml"))).unwrap();
        let pod = offline::read(&input).unwrap().remove(0);
        let by_webhook = support::of_pod(&pod, &policy(&input));
        let offline = offline::inject(&input, &policy(&input)).unwrap();
        assert_eq!(offline::read(&offline.output).unwrap(), [by_webhook.pod], "{name}");
        assert_eq!(offline.reports[0].reason, by_webhook.reason, "{name}");
        assert_eq!(offline.reports[0].warnings, by_webhook.warnings, "{name}");
    }
}

#[test]
fn what_was_reviewed_before_makes_no_difference() {
    for version in ["unknown", "1.28", "1.33"] {
        let policy = Policy { kubernetes_version: version.parse().unwrap(), ..Policy::default() };
        let injector = Injector::new(policy.clone());
        let inputs = names(".in.yaml");
        // There and back, so that each comes after each.
        for name in inputs.iter().chain(inputs.iter().rev()) {
            let input = std::fs::read_to_string(folder().join(format!("{name}.in.yaml"))).unwrap();
            let pod = offline::read(&input).unwrap().remove(0);
            assert_eq!(
                support::by(&injector, &pod).pod,
                support::of_pod(&pod, &policy).pod,
                "{name} {version}"
            );
        }
    }
}

#[test]
fn names_say_what_the_decision_is_and_cover_every_reason() {
    let mut seen = BTreeSet::new();
    for name in names(".out.yaml") {
        let golden = std::fs::read_to_string(folder().join(format!("{name}.out.yaml"))).unwrap();
        let (decision, reason) = golden.lines().next().unwrap()[2..].split_once(": ").unwrap();
        assert!(name.starts_with(decision), "{name} is a golden of {decision}");
        seen.insert(reason.to_owned());
    }
    // These two are about reviews of something else than a Pod's creation: envelope.rs.
    let not_a_golden = ["not-a-pod", "not-create"];
    for reason in nmi_guard::policy::SkipReason::ALL.map(|reason| reason.as_str()) {
        assert!(seen.contains(reason) || not_a_golden.contains(&reason), "no golden for {reason}");
    }
    for reason in ["invalid-annotation", "host-network", "name-taken"] {
        assert!(seen.contains(reason), "no golden for {reason}");
    }
}

#[test]
fn warnings_keep_to_their_limits() {
    for name in names(".out.yaml") {
        let golden = std::fs::read_to_string(folder().join(format!("{name}.out.yaml"))).unwrap();
        let warnings: Vec<_> = golden.lines().filter_map(|line| line.strip_prefix("# warning: ")).collect();
        assert!(warnings.len() <= MAX_WARNINGS, "{name}");
        assert!(warnings.iter().all(|text| text.chars().count() <= MAX_WARNING_CHARS), "{name}");
    }
}
