//! The names of the rules of `docs/PROTOCOL.md`.

use std::collections::BTreeSet;

/// The names of all rules: every `**R-…-N**` of the page. A name is bold where its rule is defined.
pub fn all() -> BTreeSet<String> {
    let page = include_str!("../../docs/PROTOCOL.md");
    page.split("**")
        // Every second part is bold: the one between the first and the second `**`, and so on.
        .skip(1)
        .step_by(2)
        .filter(|bold| is_rule(bold))
        .map(str::to_owned)
        .collect()
}

fn is_rule(text: &str) -> bool {
    let mut parts = text.split('-');
    parts.next() == Some("R")
        && parts
            .next()
            .is_some_and(|part| !part.is_empty() && part.bytes().all(|b| b.is_ascii_uppercase()))
        && parts.next().is_some_and(|part| part.parse::<u32>().is_ok())
        && parts.next().is_none()
}
