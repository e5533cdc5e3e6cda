//! Named conditions that together make readiness, as `/readyz?verbose` lists them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// How one condition stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConditionState {
    /// As it should be.
    Ok,
    /// Not as it should be, but reviews can still be answered: reported, readiness stays.
    Degraded(String),
    /// Reviews can't be answered: not ready, with the reason.
    Failing(String),
}

/// A condition and its state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Condition {
    /// Its name, for example `certificate`.
    pub name: &'static str,
    /// How it stands.
    pub state: ConditionState,
}

/// The set of conditions of this process; clones share it.
#[derive(Clone, Debug, Default)]
pub struct Conditions(Arc<Mutex<BTreeMap<&'static str, ConditionState>>>);

impl Conditions {
    /// Sets the condition `name`, and returns whether that changed it (so that callers log changes,
    /// not repetitions).
    pub fn set(&self, name: &'static str, state: ConditionState) -> bool {
        self.lock().insert(name, state.clone()) != Some(state)
    }

    /// All conditions in the order of their names.
    pub fn list(&self) -> Vec<Condition> {
        self.lock().iter().map(|(&name, state)| Condition { name, state: state.clone() }).collect()
    }

    /// Whether no condition is failing.
    pub fn ready(&self) -> bool {
        !self.lock().values().any(|state| matches!(state, ConditionState::Failing(_)))
    }

    // A panic while the map was held can't leave it half-changed, so a poisoned lock is still good.
    fn lock(&self) -> MutexGuard<'_, BTreeMap<&'static str, ConditionState>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
