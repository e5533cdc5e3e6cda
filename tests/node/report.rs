//! The tables at the end: printed, written as Markdown and JUnit, and shown in the README.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Result as Outcome, ensure};
use nmi_guard_testkit::readme;

use crate::pods::Guard;

/// The variable that names the folder for `node.md` and `node.xml`.
const FOLDER: &str = "NMI_GUARD_NODE_REPORT";

/// The name of the README's table.
const TABLE: &str = "what happens on a node";
/// What the tables' first columns are called.
const EVENT: &str = "what happens";
const STRATEGY: &str = "strategy";
/// The head of the table of the experiment's claims, after the strategy.
const CLAIMS: [&str; 4] = [
    "NMI absent at start: claimed / by hand / nmi-guard",
    "NMI lost at run time: claimed / by hand / nmi-guard",
    "no label, NMI up: claimed / by hand",
    "no label, NMI down: claimed / by hand",
];
/// What stands where there is nothing to compare.
const NOTHING: &str = "–";

/// What became of the Pods with one guard.
struct Row {
    event: &'static str,
    guard: Guard,
    outcome: String,
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
    found: Mutex<Found>,
}

#[derive(Default)]
struct Found {
    rows: Vec<Row>,
    notes: Vec<(&'static str, String)>,
    claims: Vec<(&'static str, [String; CLAIMS.len()])>,
    said: Vec<String>,
}

impl Report {
    /// What became of the Pods with this guard at this event.
    pub fn row(&self, event: &'static str, guard: Guard, outcome: String) {
        self.found().rows.push(Row { event, guard, outcome });
    }

    /// What became of guarded Pods, or of nmi-guard, at an event that is not compared.
    pub fn note(&self, event: &'static str, outcome: String) {
        self.found().notes.push((event, outcome));
    }

    /// Whether the Pods of a strategy were kept from serving.
    pub fn claim(&self, strategy: &'static str, outcomes: [String; CLAIMS.len()]) {
        self.found().claims.push((strategy, outcomes));
    }

    /// A sentence above the table.
    pub fn say(&self, text: String) {
        self.found().said.push(text);
    }

    /// Prints the tables and writes the files.
    pub fn write(&self, results: &[Result]) -> Outcome<()> {
        let said: String = self.found().said.iter().map(|said| format!("{said}\n\n")).collect();
        let markdown = said + &self.tables();
        println!("{markdown}");
        if let Some(folder) = std::env::var_os(FOLDER).map(PathBuf::from) {
            std::fs::create_dir_all(&folder)?;
            std::fs::write(folder.join("node.md"), markdown)?;
            std::fs::write(folder.join("node.xml"), junit(results))?;
        }
        Ok(())
    }

    /// That the README shows these tables, if not these numbers; only the rows of this run where it is not `complete`.
    /// With `UPDATE_README` set, a complete run writes them.
    pub fn check_readme(&self, complete: bool) -> Outcome<()> {
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/README.md");
        let readme = std::fs::read_to_string(file)?;
        let tables = without_ranges(&self.tables());
        if complete && std::env::var_os("UPDATE_README").is_some() {
            return Ok(std::fs::write(file, readme::with_table(&readme, TABLE, &tables)?)?);
        }
        let (shown, found) = (shape(readme::table(&readme, TABLE)?), shape(&tables));
        ensure!(
            if complete { shown == found } else { found.is_subset(&shown) },
            "the README's table has the rows {shown:#?}, this run {found:#?}: \
            `UPDATE_README=1 make node-test` renews it"
        );
        Ok(())
    }

    fn found(&self) -> MutexGuard<'_, Found> {
        self.found.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tables(&self) -> String {
        let found = self.found();
        let mut events: Vec<&str> = Vec::new();
        for row in &found.rows {
            if !events.contains(&row.event) {
                events.push(row.event);
            }
        }
        let mut text = line(EVENT, Guard::ALL.map(Guard::name));
        text += &line("---", ["---"; Guard::ALL.len()]);
        for event in events {
            let of = |guard| found.rows.iter().find(|row| row.event == event && row.guard == guard);
            text += &line(event, Guard::ALL.map(|guard| of(guard).map_or(NOTHING, |row| &row.outcome)));
        }
        text += "\n";
        text += &line(EVENT, ["what becomes of guarded Pods, or of nmi-guard"]);
        text += &line("---", ["---"]);
        for (event, outcome) in &found.notes {
            text += &line(event, [outcome]);
        }
        if !found.claims.is_empty() {
            text += "\n";
            text += &line(STRATEGY, CLAIMS);
            text += &line("---", ["---"; CLAIMS.len()]);
        }
        for (strategy, outcomes) in &found.claims {
            text += &line(strategy, outcomes.each_ref().map(String::as_str));
        }
        text
    }
}

fn line<const N: usize>(first: &str, cells: [&str; N]) -> String {
    format!("| {first} | {} |\n", cells.join(" | "))
}

/// The first cell of each line, with the number of cells, and headings as they are; in no order, since tests that run
/// side by side end as they like.
fn shape(tables: &str) -> BTreeSet<String> {
    let lines = tables.lines().filter(|line| line.starts_with('|'));
    lines
        .map(|line| match line.split('|').nth(1).unwrap_or_default().trim() {
            EVENT | STRATEGY => line.to_owned(),
            first => format!("{first}: {} cells", line.split('|').count()),
        })
        .collect()
}

/// `text` without the ranges in parentheses that [`times`] and [`counts`] write.
fn without_ranges(text: &str) -> String {
    let mut parts = text.split(" (");
    let mut kept = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        match part.split_once(')') {
            Some((range, rest)) if range.chars().all(|c| c.is_ascii_digit() || "-.".contains(c)) => {
                kept += rest
            }
            _ => kept = kept + " (" + part,
        }
    }
    kept
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
