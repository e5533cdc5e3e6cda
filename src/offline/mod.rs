//! The same engine over files: [`inject`] for workloads in YAML or JSON, [`explain`] for the tables.

mod document;
mod explain;
mod inject;
mod workload;

pub use document::{OfflineError, read, write};
pub use explain::{explain, explain_methods, explain_strategies};
pub use inject::{Injected, Report, inject};
