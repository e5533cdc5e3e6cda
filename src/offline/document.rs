//! Kubernetes documents as text: YAML, of which JSON is a part, one or several in a file.

use serde_json::Value;

/// Why a file can't be read or written.
#[derive(Debug, thiserror::Error)]
pub enum OfflineError {
    /// Not YAML; the text names line and column and shows the place.
    #[error("not valid YAML: {0}")]
    Yaml(String),
    /// A document that can't be reviewed.
    #[error("{kind} {name:?}: {reason}")]
    Document {
        /// Its `kind`.
        kind: String,
        /// Its `metadata.name`.
        name: String,
        /// What is wrong with it.
        reason: String,
    },
}

/// Reads the documents in `text`; empty ones are left out.
///
/// Numbers with a leading zero are octal and `yes` is a boolean, as they are to kubectl
/// (sigs.k8s.io/yaml, YAML 1.1).
///
/// # Errors
/// [`OfflineError::Yaml`] with line and column.
pub fn read(text: &str) -> Result<Vec<Value>, OfflineError> {
    let options = serde_saphyr::options! { legacy_octal_numbers: true };
    let documents: Vec<Value> = serde_saphyr::from_multiple_with_options(text, options)
        .map_err(|error| OfflineError::Yaml(error.to_string()))?;
    Ok(documents.into_iter().filter(|document| !document.is_null()).collect())
}

/// Writes documents as YAML, `---` between them. Text that YAML 1.1 would take for something else is quoted.
///
/// # Errors
/// [`OfflineError::Yaml`] if a value can't be written; none that [`read`] returns is of that kind.
pub fn write(documents: &[Value]) -> Result<String, OfflineError> {
    let texts: Result<Vec<String>, _> = documents.iter().map(serde_saphyr::to_string).collect();
    texts.map(|texts| texts.join("---\n")).map_err(|error| OfflineError::Yaml(error.to_string()))
}
