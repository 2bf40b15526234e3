//! Every rule of the protocol is checked by something.

use std::collections::BTreeSet;

use haul_conformance::{hostile, program, rules, script};

/// Rules that need a peer that takes nothing, or minutes of waiting: the machines of haul-core check them on a clock of their own.
const ON_A_CLOCK: &[&str] = &["R-TIME-5", "R-TIME-6"];

#[test]
fn every_rule_is_covered_and_every_covered_rule_exists() {
    let rules = rules::all();
    assert!(rules.len() > 80, "only {} rules were found in docs/PROTOCOL.md", rules.len());
    let scripts = script::all().unwrap();
    let elsewhere = [hostile::COVERS, program::COVERS, ON_A_CLOCK].concat();
    let covered: BTreeSet<String> = scripts
        .iter()
        .flat_map(|script| script.covers.iter().cloned())
        .chain(elsewhere.iter().map(|&rule| rule.to_owned()))
        .collect();
    let uncovered: Vec<&String> = rules.difference(&covered).collect();
    let unknown: Vec<&String> = covered.difference(&rules).collect();
    assert!(uncovered.is_empty(), "no script covers {uncovered:?}");
    assert!(unknown.is_empty(), "docs/PROTOCOL.md has no {unknown:?}");
}
