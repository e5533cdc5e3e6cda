#![allow(clippy::unwrap_used)]

use super::*;

fn a(text: &str) -> Option<Option<String>> {
    strings(text.as_bytes(), ["a"]).map(|[a]| a)
}

#[test]
fn strings_are_found_among_anything_else() {
    let text = r#" { "n" : -1.5e+3, "t":[true,false,null,[],{}], "o":{"a":"inner"}, "b":"", "a" : "x" } "#;
    let found = strings(text.as_bytes(), ["a", "b", "c", "n"]).unwrap();
    assert_eq!(found, [Some("x".to_owned()), Some(String::new()), None, None]);
    assert_eq!(a("{}"), Some(None));
    assert_eq!(a(r#"{"a":1}"#), Some(None));
}

#[test]
fn escapes_are_decoded_in_names_and_values() {
    assert_eq!(
        a(r#"{"\u0061":"\"\\\/\b\f\n\r\t\u00e9\ud83d\ude00é"}"#).unwrap().unwrap(),
        "\"\\/\u{8}\u{c}\n\r\té😀é"
    );
    for wrong in [r"\x", r"\u12", r"\u12g4", r"\ud83d", r"\ud83dx", r"\ud83d\u0041", r"\ude00", "\\"] {
        assert_eq!(a(&format!(r#"{{"a":"{wrong}"}}"#)), None, "{wrong}");
    }
}

#[test]
fn what_is_no_object_is_refused() {
    for text in [
        "",
        " ",
        "null",
        "[]",
        "\"a\"",
        "{",
        "{\"a\"",
        "{\"a\":",
        "{\"a\":\"",
        "{\"a\":\"x\"",
        "{\"a\":\"x\",}",
        "{,}",
        "{\"a\" \"x\"}",
        "{a:1}",
        "{'a':1}",
        "{\"a\":\"x\"} x",
        "{}{}",
        "{\"a\":\"x\ny\"}",
        "{\"a\":tru}",
        "{\"a\":01}",
        "{\"a\":-}",
        "{\"a\":1.}",
        "{\"a\":.5}",
        "{\"a\":1e}",
        "{\"a\":+1}",
        "{\"a\":[1,]}",
        "{\"a\":[1 2]}",
        "{\"a\":[}",
        "{\"a\":{]}",
        "{\"a\":NaN}",
        "\u{feff}{}",
    ] {
        assert_eq!(a(text), None, "{text:?}");
    }
    assert_eq!(strings(b"{\"a\":\"\xff\"}", ["a"]), None);
}

#[test]
fn a_name_that_is_wanted_and_there_twice_is_refused() {
    assert_eq!(a(r#"{"a":"x","a":"y"}"#), None);
    assert_eq!(a(r#"{"a":1,"\u0061":"y"}"#), None);
    assert_eq!(a(r#"{"b":"x","b":"y","a":"z"}"#), Some(Some("z".to_owned())));
}

#[test]
fn depth_is_bounded() {
    let nested = |depth: usize| format!("{{\"b\":{}{}}}", "[".repeat(depth), "]".repeat(depth));
    assert_eq!(a(&nested(DEPTH)), Some(None));
    assert_eq!(a(&nested(DEPTH + 1)), None);
    assert_eq!(a(&format!("{{\"b\":{}", "[".repeat(100_000))), None);
    assert_eq!(a(&format!("{{\"b\":{}", "{\"c\":".repeat(100_000))), None);
}

#[test]
fn no_mutation_makes_it_panic() {
    let whole = br#"{"n":-1.5e+3,"t":[true,null,{"x":"\ud83d\ude00"}],"a":"x\n\u0041"}"#;
    for at in 0..whole.len() {
        assert_eq!(strings(whole.get(..at).unwrap(), ["a"]), None);
        for byte in 0..=u8::MAX {
            let mut mutated = whole.to_vec();
            *mutated.get_mut(at).unwrap() = byte;
            let _ = strings(&mutated, ["a", "n"]);
        }
    }
}
