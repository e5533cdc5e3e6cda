//! A container's `env`. It can be most of a Pod, and one variable of it matters, so it is skipped over and
//! searched as text; only where the name stands somewhere is it read.

use serde::Deserialize;
use serde::de::{Deserializer, Error};
use serde_json::value::RawValue;

use super::borrowed::{Text, or_default};

/// A container's `env`, unread.
#[derive(Clone, Copy, Debug, Default)]
pub struct Env<'a>(Option<&'a RawValue>);

/// What a variable's value comes from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Source {
    /// A field of the Pod (`valueFrom.fieldRef.fieldPath`).
    Field(String),
    /// Anything else.
    #[default]
    Other,
}

impl Env<'_> {
    /// Whether there is an array in the document, be it empty.
    pub fn is_present(&self) -> bool {
        self.0.is_some()
    }

    /// Where the value of the variable `name` comes from, if there is such a variable. Of several with one
    /// name the last counts.
    pub fn source(&self, name: &str) -> Option<Source> {
        let text = self.0?.get();
        // A name may be written with escapes, which nobody does.
        if !text.contains(name) && !text.contains('\\') {
            return None;
        }
        let variables: Vec<EnvVar<'_>> = serde_json::from_str(text).ok()?;
        let variable = variables.into_iter().rev().find(|variable| *variable.name == *name)?;
        let path = variable.value_from.field_ref.field_path;
        Some(if path.is_empty() { Source::Other } else { Source::Field(path.to_string()) })
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Env<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw: Option<&RawValue> = Option::deserialize(deserializer)?;
        match raw {
            Some(raw) if !raw.get().starts_with('[') => Err(D::Error::custom("env: expected an array")),
            raw => Ok(Self(raw)),
        }
    }
}

#[derive(Deserialize)]
#[serde(bound(deserialize = "'de: 'a"), rename_all = "camelCase")]
struct EnvVar<'a> {
    #[serde(default)]
    name: Text<'a>,
    #[serde(default, deserialize_with = "or_default")]
    value_from: ValueFrom<'a>,
}

#[derive(Default, Deserialize)]
#[serde(bound(deserialize = "'de: 'a"), rename_all = "camelCase")]
struct ValueFrom<'a> {
    #[serde(default, deserialize_with = "or_default")]
    field_ref: FieldRef<'a>,
}

#[derive(Default, Deserialize)]
#[serde(bound(deserialize = "'de: 'a"), rename_all = "camelCase")]
struct FieldRef<'a> {
    #[serde(default)]
    field_path: Text<'a>,
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn source(text: &str, name: &str) -> Option<Source> {
        serde_json::from_str::<Env<'_>>(text).unwrap().source(name)
    }

    #[test]
    fn a_variable_is_found_by_its_whole_name_and_the_last_one_counts() {
        let field = |path: &str| Some(Source::Field(path.to_owned()));
        let a = r#"{"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "status.hostIP"}}}"#;
        assert_eq!(source(&format!("[{a}]"), "A"), field("status.hostIP"));
        assert_eq!(source(&format!(r#"[{a}, {{"name": "A", "value": "x"}}]"#), "A"), Some(Source::Other));
        assert_eq!(source(&format!(r#"[{{"name": "A"}}, {a}]"#), "A"), field("status.hostIP"));
        assert_eq!(source(r#"[{"name": "AB", "value": "A"}]"#, "A"), None);
        assert_eq!(source(r#"[{"name": "\u0041", "value": null}]"#, "A"), Some(Source::Other));
        assert_eq!(source("[]", "A"), None);
        assert_eq!(source("null", "A"), None);
    }

    #[test]
    fn what_is_no_array_is_refused() {
        let error = serde_json::from_str::<Env<'_>>("{}").unwrap_err();
        assert!(error.to_string().starts_with("env: expected an array"), "{error}");
        assert!(!serde_json::from_str::<Env<'_>>("null").unwrap().is_present());
        assert!(serde_json::from_str::<Env<'_>>("[]").unwrap().is_present());
    }
}
