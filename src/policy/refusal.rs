//! Settings that are allowed, but not together.

use super::settings::Settings;

/// Why something can't be asked, and the change of the settings by which it can.
pub(super) struct Refusal {
    /// Which annotation is to be changed, and why.
    pub message: String,
    /// Puts the setting that is in the way back to its built-in default.
    pub mend: fn(&mut Settings),
}
