//! What is reported about the running process: conditions (readiness), metrics and logs. Nothing
//! here knows who reports.

mod conditions;
mod logs;
mod metrics;

pub use conditions::{Condition, ConditionState, Conditions};
pub(crate) use logs::panic_text;
pub use logs::{LogFilter, LogFilterError, LogFormat, LogInitError, init_logs};
pub(crate) use metrics::CONTENT_TYPE as METRICS_CONTENT_TYPE;
pub use metrics::{InFlight, Metrics};
