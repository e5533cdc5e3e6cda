//! The README is true: its tables are those of the code, its commands work, its links lead somewhere.
//! `UPDATE_README=1 cargo test --test readme` rewrites the tables.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use nmi_guard::config::{self, Config, Given};
use nmi_guard::policy::{DenyReason, KEYS, Key, Method, Settings, SkipReason, Strategy, Warning};
use nmi_guard_testkit::readme::{Block, shell_blocks, with_table};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn blocks_of(program: &str) -> Vec<Block> {
    let blocks = shell_blocks(&read("README.md"));
    let chosen: Vec<Block> = blocks.into_iter().filter(|block| block.program().unwrap() == program).collect();
    assert!(!chosen.is_empty(), "the README shows no commands of {program}");
    chosen
}

/// Those of `kubectl` are run by the tests against a real API server.
#[test]
fn every_shell_block_is_of_a_program_whose_blocks_are_run() {
    for block in shell_blocks(&read("README.md")) {
        let program = block.program().unwrap();
        assert!(
            ["make", "nmi-guard", "kubectl"].contains(&program.as_str()),
            "README.md line {}: no test runs the commands of {program:?}",
            block.line
        );
    }
}

#[test]
fn make_targets_exist_and_continuous_integration_runs_them() {
    let run_by_ci = [read(".ci/run"), read("scripts/test.sh")].concat();
    for command in blocks_of("make").iter().flat_map(Block::commands) {
        let output = Command::new("bash")
            .args(["-c", &format!("{command} --dry-run")])
            .current_dir(root())
            .output()
            .unwrap();
        assert!(output.status.success(), "{command}: {}", String::from_utf8_lossy(&output.stderr));
        let target = command.split(' ').nth(1).unwrap_or_else(|| panic!("{command}: no target"));
        assert!(
            run_by_ci.contains(&format!("make --no-print-directory {target}")),
            "{command}: neither .ci/run nor scripts/test.sh runs it"
        );
    }
}

#[test]
fn commands_of_nmi_guard_succeed() {
    let programs = Path::new(env!("CARGO_BIN_EXE_nmi-guard")).parent().unwrap();
    for block in blocks_of("nmi-guard") {
        let written = block.run(root(), programs, &[]).unwrap();
        assert!(!written.trim().is_empty(), "README.md line {}: writes nothing", block.line);
    }
}

#[test]
fn tables_are_those_of_the_code() {
    let readme = read("README.md");
    let renewed = with_table(&readme, "annotations", &annotations()).unwrap();
    let renewed = with_table(&renewed, "skip reasons", &skip_reasons()).unwrap();
    let renewed = with_table(&renewed, "configuration", &configuration()).unwrap();
    if std::env::var_os("UPDATE_README").is_some() {
        fs::write(root().join("README.md"), &renewed).unwrap();
    }
    assert!(
        renewed == read("README.md"),
        "a table of the README is stale: `UPDATE_README=1 cargo test --test readme` renews it"
    );
}

fn annotations() -> String {
    let defaults = Settings::default();
    let mut table = "| `nmi-guard.io/…` | default | allowed | where | what it does |\n".to_owned();
    table.push_str("| --- | --- | --- | --- | --- |\n");
    for key in KEYS {
        let default = (key.show)(&defaults);
        let default = if default.is_empty() { "none".to_owned() } else { format!("`{default}`") };
        let Key { name, expects, help, .. } = key;
        let scope = key.scope.as_str();
        writeln!(table, "| `{name}` | {default} | {expects} | {scope} | {help} |").unwrap();
    }
    table
}

fn skip_reasons() -> String {
    let mut table = "| reason | what it means |\n| --- | --- |\n".to_owned();
    for reason in SkipReason::ALL {
        writeln!(table, "| `{}` | {} |", reason.as_str(), reason.explanation()).unwrap();
    }
    table
}

fn configuration() -> String {
    let mut table = "| key | default | flag | environment variable | allowed | what it is for |\n".to_owned();
    table.push_str("| --- | --- | --- | --- | --- | --- |\n");
    for key in config::KEYS {
        let config::Key { path, flag, env, default, expects, help, .. } = key;
        let default = if default.is_empty() { "none".to_owned() } else { format!("`{default}`") };
        let live = if key.is_live() { " *live*" } else { "" };
        writeln!(table, "| `{path}`{live} | {default} | `--{flag}` | `{env}` | {expects} | {help} |")
            .unwrap();
    }
    table
}

#[test]
fn the_configuration_shown_is_accepted() {
    let readme = read("README.md");
    let (_, rest) = readme.split_once("```yaml\ndefaults:").expect("the README shows a configuration");
    let (yaml, _) = rest.split_once("```").unwrap();
    let given = Given::from_yaml(Path::new("README.md"), &format!("defaults:{yaml}")).unwrap();
    let config = Config::new([&given]).unwrap();
    assert_eq!(config.policy.sidecars, ["istio-proxy"]);
    assert_eq!(config.policy.defaults.checks.to_string(), "init,readiness");
    assert!(config.policy.advice);
}

#[test]
fn every_warning_is_explained() {
    let container = || "web".to_owned();
    let warnings = [
        Warning::ProbeKept { container: container(), probe: "readiness" },
        Warning::HostIpTaken { container: container() },
        Warning::HostNetwork,
        Warning::ForeignInitContainer,
        Warning::NothingToGuard,
        Warning::InterceptionNotChecked { method: Method::Wget },
        Warning::NeedsPrograms { method: Method::Curl, programs: "sh and curl" },
        Warning::NotRecommended { strategy: Strategy::Token, drawback: "…" },
        Warning::InvalidAnnotation("…".to_owned()),
    ];
    for warning in &warnings {
        // Whoever adds a warning is led here by the compiler, to the list above.
        match warning {
            Warning::ProbeKept { .. }
            | Warning::HostIpTaken { .. }
            | Warning::HostNetwork
            | Warning::ForeignInitContainer
            | Warning::NothingToGuard
            | Warning::InterceptionNotChecked { .. }
            | Warning::NeedsPrograms { .. }
            | Warning::NotRecommended { .. }
            | Warning::InvalidAnnotation(_) => {}
        }
        let row = format!("| `{warning}` | ");
        assert!(read("README.md").contains(&row), "the README has no row {row:?}");
    }
}

#[test]
fn every_denial_is_explained() {
    for reason in [DenyReason::InvalidAnnotation, DenyReason::HostNetwork, DenyReason::NameTaken] {
        match reason {
            DenyReason::InvalidAnnotation | DenyReason::HostNetwork | DenyReason::NameTaken => {}
        }
        let row = format!("| `{}` | ", reason.as_str());
        let denials = section(&read("README.md"), "### Denials");
        assert!(denials.contains(&row), "the README has no row {row:?}");
    }
}

fn section(document: &str, heading: &str) -> String {
    let (_, rest) = document.split_once(heading).unwrap_or_else(|| panic!("no {heading:?} in the README"));
    rest.split("\n#").next().unwrap_or_default().to_owned()
}

#[test]
fn links_lead_to_files_and_headings_that_exist() {
    for document in ["README.md", "docs/architecture.md", "docs/performance.md"] {
        let text = read(document);
        for target in link_targets(&text) {
            if target.contains("://") {
                continue;
            }
            let (file, anchor) = target.split_once('#').unwrap_or((&target, ""));
            let linked = if file.is_empty() {
                root().join(document)
            } else {
                root().join(document).parent().unwrap().join(file)
            };
            assert!(linked.exists(), "{document}: {target} leads nowhere");
            assert!(
                anchor.is_empty() || anchors(&linked).contains(anchor),
                "{document}: no heading {target}"
            );
        }
    }
}

fn link_targets(markdown: &str) -> Vec<String> {
    let ends = markdown.split("](").skip(1);
    ends.filter_map(|rest| rest.split_once(')').map(|(target, _)| target.to_owned())).collect()
}

/// The anchors that GitHub makes of headings: lower case, spaces to hyphens, other punctuation left out.
fn anchors(document: &PathBuf) -> BTreeSet<String> {
    let text = fs::read_to_string(document).unwrap();
    let headings = text.lines().filter(|line| line.starts_with('#'));
    headings
        .map(|heading| {
            let heading = heading.trim_start_matches('#').trim().to_lowercase();
            let kept = heading.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
            kept.map(|c| if c == ' ' { '-' } else { c }).collect()
        })
        .collect()
}
