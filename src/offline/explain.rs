//! The annotation table and the reasons as text for a terminal.

use std::fmt::Write as _;

use crate::policy::{
    AUTO_METHOD, Choice, KEYS, Key, Method, NOT_OFFERED, PREFIX, Settings, SkipReason, Strategy,
};

/// Columns of the text.
const WIDTH: usize = 100;

/// Every annotation with its values, its default under `defaults`, its scope and its meaning; then the
/// reasons for which a Pod is left alone.
pub fn explain(defaults: &Settings) -> String {
    let mut text = format!("Annotations ({PREFIX}...)\n");
    for key in KEYS {
        explain_key(&mut text, key, defaults);
    }
    text.push_str("\nReasons for which a Pod is left as it is\n");
    for reason in SkipReason::ALL {
        paragraph(&mut text, &format!("{:<18}{}", reason.as_str(), reason.explanation()), 2, 20);
    }
    text
}

/// What each strategy asks, and when to choose it.
pub fn explain_strategies() -> String {
    let mut text = format!("Strategies ({PREFIX}strategy): what is asked\n");
    for strategy in Strategy::ALL {
        explain_choice(&mut text, &strategy.choice());
    }
    text
}

/// How each method asks, and when to choose it.
pub fn explain_methods() -> String {
    let mut text = format!("Methods ({PREFIX}method): who asks\n");
    explain_choice(&mut text, &AUTO_METHOD);
    for method in Method::ALL {
        explain_choice(&mut text, &method.choice());
    }
    text.push('\n');
    paragraph(&mut text, NOT_OFFERED, 2, 2);
    text
}

fn explain_choice(text: &mut String, choice: &Choice) {
    // Writing to a String can't fail.
    let _ = writeln!(text, "\n  {}", choice.word);
    paragraph(text, choice.does, 6, 6);
    paragraph(text, &format!("when: {}", choice.when), 6, 12);
}

fn explain_key(text: &mut String, key: &Key, defaults: &Settings) {
    let default = (key.show)(defaults);
    let default = if default.is_empty() { "(none)" } else { &default };
    // Writing to a String can't fail.
    let _ = writeln!(text, "\n  {PREFIX}{}", key.name);
    paragraph(text, key.help, 6, 6);
    paragraph(text, &format!("values:  {}", key.expects), 6, 15);
    paragraph(text, &format!("default: {default}"), 6, 15);
    paragraph(text, &format!("set on:  {}", key.scope.as_str()), 6, 15);
}

/// Appends `words` with an indent for the first line and one for the others.
fn paragraph(text: &mut String, words: &str, first: usize, others: usize) {
    let mut line = " ".repeat(first);
    let mut is_empty = true;
    for word in words.split(' ') {
        if !is_empty && line.chars().count() + 1 + word.chars().count() > WIDTH {
            let _ = writeln!(text, "{}", line.trim_end());
            line = " ".repeat(others);
            is_empty = true;
        }
        if !is_empty {
            line.push(' ');
        }
        line.push_str(word);
        is_empty = false;
    }
    let _ = writeln!(text, "{}", line.trim_end());
}
