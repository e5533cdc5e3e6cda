//! Text of others, made fit to print.

/// Quotes `bytes` for a message: printable ASCII as it is, everything else escaped (`\n`, `\x1b`), so that
/// what a peer sends can neither break the line nor reach a terminal. At most `room` characters stand
/// between the quotation marks; `...` after them says that something was left out.
pub fn quote(bytes: &[u8], room: usize) -> String {
    let mut quoted = String::from('"');
    for &byte in bytes {
        let escaped = byte.escape_ascii();
        if quoted.len() - 1 + escaped.len() > room {
            quoted.push_str("\"...");
            return quoted;
        }
        quoted.extend(escaped.map(char::from));
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_and_bytes_beyond_ascii_are_escaped() {
        assert_eq!(quote(b"Not Active", 24), r#""Not Active""#);
        assert_eq!(quote(b"Active\n\x1b[31m\"\xff", 40), r#""Active\n\x1b[31m\"\xff""#);
        assert_eq!(quote(b"", 24), r#""""#);
    }

    #[test]
    fn long_text_is_cut_between_characters() {
        assert_eq!(quote(b"abcdef", 6), r#""abcdef""#);
        assert_eq!(quote(b"abcdefg", 6), r#""abcdef"..."#);
        assert_eq!(quote(b"abcde\x00", 6), r#""abcde"..."#);
    }
}
