//! What is injected is what the probe binary understands: every command of ours in the goldens is read by the
//! binary's own parser.

use nmi_probe::args::{self, Command};
use serde_json::Value;

use crate::golden;

/// Every command of the probe binary in `document`.
fn commands(document: &Value, found: &mut Vec<Vec<String>>) {
    match document {
        Value::Object(fields) => {
            let words = fields.get("command").and_then(Value::as_array).into_iter().flatten();
            let words: Vec<String> = words.filter_map(|word| word.as_str().map(str::to_owned)).collect();
            if words.first().is_some_and(|first| first.ends_with("/nmi-probe")) {
                found.push(words);
            }
            fields.values().for_each(|value| commands(value, found));
        }
        Value::Array(items) => items.iter().for_each(|item| commands(item, found)),
        _ => {}
    }
}

#[test]
fn every_command_is_one_of_the_probes() {
    let mut seen = std::collections::BTreeSet::new();
    for (name, pod) in golden::results() {
        let mut found = Vec::new();
        commands(&pod, &mut found);
        for words in found {
            // As the kubelet hands it on: it takes one of two dollars away.
            let handed_on = words.iter().skip(1).map(|word| word.replace("$$", "$").into());
            let command = args::parse(handed_on).unwrap_or_else(|error| panic!("{name}: {words:?}: {error}"));
            assert!(!matches!(command, Command::Help), "{name}: {words:?}");
            seen.insert(words[1].clone());
        }
    }
    assert_eq!(seen.into_iter().collect::<Vec<_>>(), ["--version", "check", "install", "serve", "wait"]);
}
