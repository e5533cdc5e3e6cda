//! The annotation table: the one place that declares every key (its rows stand in [`super::KEYS`]). Parsing,
//! validation, `nmi-guard explain`, the README's table and the configuration file's `defaults` are made from it.

use super::settings::Settings;
use super::table::KEYS;
use super::values::NotAllowed;

/// What every annotation of nmi-guard begins with.
pub const PREFIX: &str = "nmi-guard.io/";

/// The annotation that nmi-guard writes on a guarded Pod; without [`PREFIX`].
pub const STATUS: &str = "status";

/// Where a key may stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// On a Pod only.
    Pod,
    /// In the configuration file only: it is about many Pods.
    File,
    /// On a Pod, with its default in the configuration file.
    Both,
}

impl Scope {
    /// In words, for the table.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pod => "Pod",
            Self::File => "file",
            Self::Both => "Pod, file",
        }
    }
}

/// One row of the table.
pub struct Key {
    /// The key without [`PREFIX`].
    pub name: &'static str,
    /// The values that are allowed, in words.
    pub expects: &'static str,
    /// Where it may stand.
    pub scope: Scope,
    /// What it does, in one sentence.
    pub help: &'static str,
    /// Sets the value; an error leaves the settings as they were.
    pub set: fn(&mut Settings, &str) -> Result<(), NotAllowed>,
    /// The value as text that [`Key::set`] takes.
    pub show: fn(&Settings) -> String,
}

/// The row of `name` (without [`PREFIX`]).
pub fn find(name: &str) -> Option<&'static Key> {
    KEYS.iter().find(|key| key.name == name)
}

/// The known key that is most like `name`, if any is much like it.
pub fn nearest(name: &str) -> Option<&'static str> {
    KEYS.iter()
        .map(|key| (strsim::normalized_damerau_levenshtein(name, key.name), key.name))
        .filter(|(likeness, _)| *likeness >= 0.5)
        .max_by(|(a, _), (b, _)| a.total_cmp(b))
        .map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_default_is_an_allowed_value_of_its_key() {
        for key in KEYS {
            let mut settings = Settings::default();
            let text = (key.show)(&settings);
            assert_eq!((key.set)(&mut settings, &text), Ok(()), "{}: {text}", key.name);
            assert_eq!(settings, Settings::default(), "{}: showing and setting is no change", key.name);
        }
    }

    #[test]
    fn keys_are_unique_and_none_is_the_status() {
        let mut names: Vec<_> = KEYS.iter().map(|key| key.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), KEYS.len());
        assert!(find(STATUS).is_none());
    }

    #[test]
    fn a_rejected_value_changes_nothing() {
        for key in KEYS {
            let mut settings = Settings::default();
            assert_eq!((key.set)(&mut settings, "!"), Err(NotAllowed), "{}", key.name);
            assert_eq!(settings, Settings::default(), "{}", key.name);
        }
    }

    #[test]
    fn a_slip_of_the_finger_finds_its_key() {
        assert_eq!(nearest("nmi-prot"), Some("nmi-port"));
        assert_eq!(nearest("readiness-period"), Some("readiness-period-seconds"));
        assert_eq!(nearest("zzz"), None);
    }
}
