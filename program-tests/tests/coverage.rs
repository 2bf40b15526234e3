//! Every rule of the protocol is covered by a test, the tests that docs/RELIABILITY.md names exist, and links between
//! documents lead somewhere.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use haul_program_tests::COVERS;
use haul_scripts::{rules, script};

/// Rules that need a peer that reads nothing, or minutes of waiting. The tests of haul-core check them on a virtual
/// clock.
const ON_A_CLOCK: &[&str] = &["R-TIME-5", "R-TIME-6"];
/// Rules about what an `ABORT` in time does, where a server may be done before it. The tests of haul-core check them.
const IN_TIME: &[&str] = &["R-COPY-2"];
/// Rules that need other file systems than the one that scripts run on. The tests of haul-store check them.
const ON_OTHER_FILE_SYSTEMS: &[&str] = &["R-DOWN-7"];

/// Rules about what lies below the protocol. The tests of haul-transport and haul-transport-tests check them.
const BELOW: &[&str] = &["R-TLS-1", "R-TLS-2", "R-TLS-3", "R-TLS-4", "R-TLS-5", "R-TLS-6"];

/// Rules about what people write. The tests of haul-cli check them.
const WRITTEN: &[&str] = &["R-ADDR-1", "R-ADDR-2", "R-ADDR-3"];

#[test]
fn every_rule_is_covered_and_every_covered_rule_exists() {
    let rules = rules::all();
    assert!(rules.len() > 80, "only {} rules were found in docs/PROTOCOL.md", rules.len());
    let scripts = script::all().unwrap();
    let elsewhere = [COVERS, ON_A_CLOCK, IN_TIME, ON_OTHER_FILE_SYSTEMS, BELOW, WRITTEN].concat();
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

/// Calls `found` with each Rust source below `directory`.
fn sources(directory: &Path, found: &mut impl FnMut(&Path, &str)) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            if !path.ends_with("target") {
                sources(&path, found);
            }
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found(&path, &fs::read_to_string(&path).unwrap());
        }
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

#[test]
fn every_rule_that_the_sources_of_the_core_cite_exists() {
    let rules = rules::all();
    let mut cited = 0;
    sources(&root().join("core/src"), &mut |path, text| {
        let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '-');
        for rule in words.filter(|word| word.starts_with("R-")) {
            assert!(rules.contains(rule), "{}: docs/PROTOCOL.md has no {rule}", path.display());
            cited += 1;
        }
    });
    assert!(cited > 30, "only {cited} rules are cited");
}

#[test]
fn every_test_that_the_page_on_reliability_names_is_there() {
    let root = root();
    let page = fs::read_to_string(root.join("docs/RELIABILITY.md")).unwrap();
    let shown_by = page.lines().filter(|line| line.starts_with("| ")).filter_map(|line| {
        let columns: Vec<&str> = line.split(" | ").collect();
        (columns.len() == 3).then(|| columns[2])
    });
    let named: BTreeSet<&str> = shown_by
        .flat_map(|column| column.split('`').skip(1).step_by(2))
        .filter(|name| name.matches('_').count() >= 2)
        .collect();
    assert!(named.len() > 80, "only {} tests were found on the page", named.len());
    let mut there = BTreeSet::new();
    sources(root, &mut |_, text| {
        let functions = text.split("fn ").skip(1).filter_map(|rest| rest.split(['(', '<']).next());
        there.extend(functions.map(str::to_owned));
    });
    let missing: Vec<&&str> = named.iter().filter(|name| !there.contains(**name)).collect();
    assert!(missing.is_empty(), "there are no tests {missing:?}");
}

/// The anchor of a heading.
fn anchor(heading: &str) -> String {
    let kept = |c: &char| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_');
    heading.trim().to_lowercase().chars().filter(kept).collect::<String>().replace(' ', "-")
}

#[test]
fn every_relative_link_of_a_document_leads_somewhere() {
    let root = root();
    let in_docs = fs::read_dir(root.join("docs")).unwrap().map(|entry| entry.unwrap().path());
    let pages: Vec<_> = in_docs
        .chain(["README.md", "CONTRIBUTING.md"].map(|page| root.join(page)))
        .filter(|path| path.extension().is_some_and(|extension| extension == "md"))
        .collect();
    let (mut links, mut dead) = (0, Vec::new());
    for page in &pages {
        let text = fs::read_to_string(page).unwrap();
        let targets = text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
        for target in targets.filter(|target| !target.contains("://")) {
            links += 1;
            let (path, heading) = target.split_once('#').unwrap_or((target, ""));
            let linked = if path.is_empty() { page } else { &page.parent().unwrap().join(path) };
            let leads = linked.exists()
                && (heading.is_empty()
                    || fs::read_to_string(linked).unwrap().lines().any(|line| {
                        let text = line.trim_start_matches('#');
                        text.len() < line.len() && anchor(text) == heading
                    }));
            if !leads {
                dead.push(format!("{}: {target}", page.display()));
            }
        }
    }
    assert!(links > 80, "only {links} links were found");
    assert!(dead.is_empty(), "these links lead nowhere: {dead:#?}");
}
