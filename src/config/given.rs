//! A configuration as given: keys and texts, each with the place it comes from.

use std::path::Path;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::{Location, Spanned};

use super::error::{ConfigError, ConfigErrors, Origin};

/// One value as given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Where it was given.
    pub origin: Origin,
    /// The key with its section, for example `server.max-in-flight`.
    pub key: String,
    /// The value; a list is separated by commas.
    pub value: String,
}

/// Values as given, in the order of their precedence: a later one replaces an earlier one of its key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Given(
    /// The values.
    pub Vec<Entry>,
);

impl Given {
    /// Reads the YAML `text` of the file `path`, which is only named in errors. Keys and values are
    /// not checked here, only that they are keys of sections and values.
    ///
    /// # Errors
    /// A syntax error alone, or every value that is neither text nor a list of texts.
    pub fn from_yaml(path: &Path, text: &str) -> Result<Self, ConfigErrors> {
        let reader = Reader { path };
        let root: Spanned<Node> = serde_saphyr::from_str(text).map_err(|error| {
            let origin = reader.origin(error.location().as_ref());
            let message = one_line(&error);
            ConfigErrors(vec![ConfigError::Syntax { origin, message }])
        })?;
        let (mut entries, mut errors) = (Vec::new(), Vec::new());
        reader.read("", &root, &mut entries, &mut errors);
        if errors.is_empty() { Ok(Self(entries)) } else { Err(ConfigErrors(errors)) }
    }
}

/// The parser's message, without the place, which stands before it, and without an excerpt.
fn one_line(error: &serde_saphyr::Error) -> String {
    let text = error.without_snippet().to_string();
    let first = text.lines().next().unwrap_or_default().trim();
    first.split(" at line ").next().unwrap_or(first).trim_start_matches("error: ").to_owned()
}

/// How deep keys may be nested: a section and a key.
const SECTION_DEPTH: usize = 1;

struct Reader<'a> {
    path: &'a Path,
}

impl Reader<'_> {
    fn origin(&self, location: Option<&Location>) -> Origin {
        let (line, column) = location.map_or((0, 0), |location| (location.line(), location.column()));
        Origin::File { path: self.path.to_owned(), line, column }
    }

    fn read(&self, key: &str, node: &Spanned<Node>, entries: &mut Vec<Entry>, errors: &mut Vec<ConfigError>) {
        let origin = self.origin(Some(&node.referenced));
        let value = match &node.value {
            Node::Null => return,
            Node::Map(pairs) if key.matches('.').count() < SECTION_DEPTH => {
                for (name, node) in pairs {
                    let inner = if key.is_empty() { name.clone() } else { format!("{key}.{name}") };
                    self.read(&inner, node, entries, errors);
                }
                return;
            }
            Node::Text(text) => Some(text.clone()),
            Node::List(items) => texts(items),
            Node::Map(_) => None,
        };
        match value {
            _ if key.is_empty() => {
                errors
                    .push(ConfigError::Syntax { origin, message: "expected sections with keys".to_owned() });
            }
            Some(value) => entries.push(Entry { origin, key: key.to_owned(), value }),
            None => {
                let message = format!("{key}: expected a value, or a list of values");
                errors.push(ConfigError::Syntax { origin, message });
            }
        }
    }
}

fn texts(items: &[Spanned<Node>]) -> Option<String> {
    let texts: Option<Vec<&str>> = items
        .iter()
        .map(|item| match &item.value {
            Node::Text(text) => Some(text.as_str()),
            _ => None,
        })
        .collect();
    texts.map(|texts| texts.join(","))
}

/// YAML of any shape, its scalars as text.
enum Node {
    Null,
    Text(String),
    List(Vec<Spanned<Node>>),
    Map(Vec<(String, Spanned<Node>)>),
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct NodeVisitor;
        impl<'de> Visitor<'de> for NodeVisitor {
            type Value = Node;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a value, a list of values, or keys with values")
            }
            fn visit_unit<E>(self) -> Result<Node, E> {
                Ok(Node::Null)
            }
            fn visit_bool<E>(self, value: bool) -> Result<Node, E> {
                Ok(Node::Text(value.to_string()))
            }
            fn visit_i64<E>(self, value: i64) -> Result<Node, E> {
                Ok(Node::Text(value.to_string()))
            }
            fn visit_u64<E>(self, value: u64) -> Result<Node, E> {
                Ok(Node::Text(value.to_string()))
            }
            fn visit_f64<E>(self, value: f64) -> Result<Node, E> {
                Ok(Node::Text(value.to_string()))
            }
            fn visit_str<E>(self, value: &str) -> Result<Node, E> {
                Ok(Node::Text(value.to_owned()))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Node, A::Error> {
                let mut items = Vec::new();
                while let Some(item) = seq.next_element()? {
                    items.push(item);
                }
                Ok(Node::List(items))
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Node, A::Error> {
                let mut pairs = Vec::new();
                while let Some(pair) = map.next_entry()? {
                    pairs.push(pair);
                }
                Ok(Node::Map(pairs))
            }
        }
        deserializer.deserialize_any(NodeVisitor)
    }
}
