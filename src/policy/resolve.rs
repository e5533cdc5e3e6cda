//! The effective settings of one Pod, from the cluster's defaults and the Pod's annotations.

use std::borrow::Cow;

use super::annotations::{PREFIX, STATUS, Scope, find, nearest};
use super::messages::clip;
use super::settings::Settings;
use super::values::Auto;
use crate::pod::Pod;

/// Longest part of a user's value that a message repeats, in characters.
const SHOWN_VALUE: usize = 40;

/// The settings, and a message for every annotation that was not understood and passed over.
pub(super) struct Resolved<'p> {
    pub settings: Cow<'p, Settings>,
    pub problems: Vec<String>,
}

/// Lays the Pod's annotations over the defaults.
pub(super) fn resolve<'p>(pod: &Pod<'_>, defaults: &'p Settings) -> Resolved<'p> {
    let mut settings = Cow::Borrowed(defaults);
    let mut problems = Vec::new();
    for (key, value) in pod.metadata.annotations.iter() {
        let Some(name) = key.strip_prefix(PREFIX).filter(|name| *name != STATUS) else { continue };
        if let Err(problem) = apply(name, value, &mut settings) {
            problems.push(problem);
        }
    }
    Resolved { settings, problems }
}

fn apply(name: &str, value: &str, settings: &mut Cow<'_, Settings>) -> Result<(), String> {
    let key = find(name).ok_or_else(|| unknown(name))?;
    if key.scope == Scope::File {
        return Err(format!("{PREFIX}{name} is not a Pod's to set; use {PREFIX}checks on the Pod"));
    }
    let settings = settings.to_mut();
    (key.set)(settings, value).map_err(|_| {
        format!("{PREFIX}{name}: {:?} is not allowed; expected {}", clip(value, SHOWN_VALUE), key.expects)
    })?;
    if let ("checks", Auto::Set(checks)) = (name, settings.checks) {
        // What a Pod asks for itself holds whatever kind of Pod it is.
        settings.batch_checks = checks;
    }
    Ok(())
}

fn unknown(name: &str) -> String {
    let name = clip(name, SHOWN_VALUE);
    match nearest(&name) {
        Some(key) => format!("{PREFIX}{name} is not a known annotation; did you mean {PREFIX}{key}?"),
        None => {
            format!("{PREFIX}{name} is not a known annotation; `nmi-guard explain` lists those that are")
        }
    }
}
