//! The JSON patch (RFC 6902): hand-made operations, only `add`, and `replace` where a setting asked
//! for it. There is no `remove`: nothing that a Pod brings is ever taken from it.

use std::collections::BTreeMap;

use serde::Serialize;

use super::fragment::Fragment;

/// A JSON pointer (RFC 6901).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Pointer(String);

impl Pointer {
    /// The pointer with these parts, each escaped.
    pub fn of(parts: &[&str]) -> Self {
        let length = parts.iter().map(|part| part.len() + 1).sum();
        let mut pointer = String::with_capacity(length);
        for part in parts {
            pointer.push('/');
            for character in part.chars() {
                match character {
                    '~' => pointer.push_str("~0"),
                    '/' => pointer.push_str("~1"),
                    other => pointer.push(other),
                }
            }
        }
        Self(pointer)
    }
}

/// A value to be put into the Pod.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Payload {
    /// A string.
    Text(String),
    /// An object with string values.
    Annotations(BTreeMap<String, String>),
    /// An object of the Kubernetes API.
    Object(Fragment),
    /// A list of one such object.
    List([Fragment; 1]),
}

/// One operation.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "op", rename_all = "lowercase")]
pub enum Operation {
    /// Adds a member, replaces one that is `null`, or inserts an element.
    Add {
        /// Where.
        path: Pointer,
        /// What.
        value: Payload,
    },
    /// Replaces a member that is there.
    Replace {
        /// Where.
        path: Pointer,
        /// By what.
        value: Payload,
    },
}

/// The operations in the order in which they apply.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(transparent)]
pub struct Patch(Vec<Operation>);

impl Patch {
    /// An empty patch with room for this many operations.
    pub fn with_capacity(operations: usize) -> Self {
        Self(Vec::with_capacity(operations))
    }

    /// Appends an `add`.
    pub fn add(&mut self, path: &[&str], value: Payload) {
        self.0.push(Operation::Add { path: Pointer::of(path), value });
    }

    /// Puts `element` into the list at `path`: at `position` (an index, or `-` for the end) if the Pod has
    /// that list, else as the list's only element.
    pub fn insert(&mut self, path: &[&str], is_present: bool, position: &str, element: Fragment) {
        if is_present {
            self.add(&[path, &[position]].concat(), Payload::Object(element));
        } else {
            self.add(path, Payload::List([element]));
        }
    }

    /// Appends a `replace`.
    pub fn replace(&mut self, path: &[&str], value: Payload) {
        self.0.push(Operation::Replace { path: Pointer::of(path), value });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pointers_escape_tilde_and_slash() {
        assert_eq!(Pointer::of(&["a/b", "c~d", "~1"]), Pointer("/a~1b/c~0d/~01".to_owned()));
    }
}
