//! The table at the end: printed, and written as Markdown and JUnit.

use std::fmt::Write;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result as Outcome;

use crate::pods::Guard;

/// The variable that names the folder for `node.md` and `node.xml`.
const FOLDER: &str = "NMI_GUARD_NODE_REPORT";

/// One line of the table.
#[derive(Clone, Debug)]
pub struct Row {
    /// What is done to NMI.
    pub event: &'static str,
    pub guard: &'static str,
    /// What was seen.
    pub outcome: String,
}

/// How one test ended.
pub struct Result {
    pub name: &'static str,
    pub time: Duration,
    pub failure: Option<String>,
}

/// What the tests have found.
#[derive(Default)]
pub struct Report {
    rows: Vec<Row>,
    said: Vec<String>,
}

impl Report {
    pub fn row(&mut self, event: &'static str, guard: &'static str, outcome: String) {
        self.rows.push(Row { event, guard, outcome });
    }

    /// A sentence above the table.
    pub fn say(&mut self, text: String) {
        self.said.push(text);
    }

    /// Prints the table and writes the files.
    pub fn write(&self, results: &[Result]) -> Outcome<()> {
        let markdown = self.markdown();
        println!("{markdown}");
        if let Some(folder) = std::env::var_os(FOLDER).map(PathBuf::from) {
            std::fs::create_dir_all(&folder)?;
            std::fs::write(folder.join("node.md"), markdown)?;
            std::fs::write(folder.join("node.xml"), junit(results))?;
        }
        Ok(())
    }

    fn markdown(&self) -> String {
        let mut text: String = self.said.iter().map(|said| format!("{said}\n\n")).collect();
        let guards = Guard::ALL.map(Guard::name);
        let (compared, single): (Vec<_>, Vec<_>) = self
            .rows
            .iter()
            .partition(|row| guards.iter().all(|guard| self.outcome(row.event, guard).is_some()));
        let mut events: Vec<&str> = compared.iter().map(|row| row.event).collect();
        events.dedup();
        text += &format!("| event | {} |\n|{}\n", guards.join(" | "), " --- |".repeat(guards.len() + 1));
        for event in events {
            let outcomes = guards.map(|guard| self.outcome(event, guard).unwrap_or_default());
            // Writing to a string cannot fail.
            let _ = writeln!(text, "| {event} | {} |", outcomes.join(" | "));
        }
        text += "\n| event | of what | what happened |\n| --- | --- | --- |\n";
        for Row { event, guard, outcome } in single {
            let _ = writeln!(text, "| {event} | {guard} | {outcome} |");
        }
        text
    }

    /// What became of the Pods with this guard at this event.
    fn outcome(&self, event: &str, guard: &str) -> Option<&str> {
        let row = self.rows.iter().find(|row| row.event == event && row.guard == guard)?;
        Some(&row.outcome)
    }
}

/// Times of several Pods: the middle one, with the first and the last.
pub fn times(times: &[Duration]) -> String {
    let mut sorted: Vec<f64> = times.iter().map(Duration::as_secs_f64).collect();
    sorted.sort_by(f64::total_cmp);
    match sorted.as_slice() {
        [] => "never".to_owned(),
        [one] => format!("{one:.1} s"),
        [first, .., last] => format!("{:.1} s ({first:.1}-{last:.1})", sorted[sorted.len() / 2]),
    }
}

/// Numbers of several Pods: the middle one, with the smallest and the largest.
pub fn counts(counts: &[usize]) -> String {
    let mut sorted = counts.to_vec();
    sorted.sort_unstable();
    match sorted.as_slice() {
        [] => "none".to_owned(),
        [first, .., last] if first != last => format!("{} ({first}-{last})", sorted[sorted.len() / 2]),
        [one, ..] => one.to_string(),
    }
}

fn junit(results: &[Result]) -> String {
    let failures = results.iter().filter(|result| result.failure.is_some()).count();
    let mut text = format!("<testsuite name=\"node\" tests=\"{}\" failures=\"{failures}\">\n", results.len());
    for Result { name, time, failure } in results {
        let _ = write!(text, "  <testcase name=\"{name}\" time=\"{:.1}\"", time.as_secs_f64());
        let _ = match failure {
            None => writeln!(text, "/>"),
            Some(failure) => writeln!(text, "><failure>{}</failure></testcase>", escaped(failure)),
        };
    }
    text + "</testsuite>\n"
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
