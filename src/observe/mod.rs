//! What is reported about the running process: conditions (readiness), metrics and logs. Nothing
//! here knows who reports.

mod conditions;

pub use conditions::{Condition, ConditionState, Conditions};
