//! Every cell of the server's state table is shown by a script, or has a reason why not.

use std::collections::BTreeSet;

use haul_scripts::generated::{self, Shown};
use haul_scripts::script;

/// The cells of the server's table in `docs/PROTOCOL.md`: row, column, and text.
fn page() -> Vec<(String, String, String)> {
    let page = include_str!("../../docs/PROTOCOL.md");
    let section = page.split_once("## State tables").expect("the section is there").1;
    let mut lines = section.lines().skip_while(|line| !line.starts_with("| input "));
    let columns = words(lines.next().expect("the table is there"));
    lines
        .skip(1)
        .take_while(|line| line.starts_with('|'))
        .flat_map(|line| {
            let cells = words(line);
            let row = cells[0].clone();
            let cells = columns.clone().into_iter().zip(cells).skip(1);
            cells.map(move |(column, text)| (row.clone(), column, text))
        })
        .collect()
}

fn words(line: &str) -> Vec<String> {
    line.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect()
}

#[test]
fn every_cell_of_the_page_is_shown_or_excused() {
    let titles: BTreeSet<String> =
        script::all().unwrap().into_iter().map(|script| script.title).collect();
    let cells = generated::cells();
    let page = page();
    assert!(page.len() >= 65, "only {} cells were found in docs/PROTOCOL.md", page.len());
    for (row, column, text) in &page {
        let here = || cells.iter().filter(|cell| cell.row == row && cell.column == column);
        let possible = here().any(|cell| !matches!(cell.shown, Shown::Impossible));
        assert_eq!(possible, text != "—", "{row} in {column}: {text}");
        for cell in here() {
            match &cell.shown {
                Shown::Generated(scripts) => assert!(!scripts.is_empty(), "{row} in {column}"),
                Shown::ByHand(title) => assert!(titles.contains(*title), "no script {title:?}"),
                Shown::Excused(_) | Shown::Impossible => {}
            }
        }
    }
    for cell in &cells {
        let known = page.iter().any(|(row, column, _)| cell.row == row && cell.column == column);
        assert!(known, "docs/PROTOCOL.md has no {} in {}", cell.row, cell.column);
    }
}

#[test]
fn no_two_scripts_are_the_same_conversation() {
    let scripts = script::all().unwrap();
    for (index, script) in scripts.iter().enumerate() {
        for other in &scripts[..index] {
            assert!(!script.is_like(other), "{:?} only repeats {:?}", script.title, other.title);
        }
    }
}

#[test]
#[ignore = "prints the generated scripts for a reader: run it with --nocapture"]
fn print_generated_scripts() {
    for cell in generated::cells() {
        let heading = format!("# {} in {}", cell.row, cell.column);
        match cell.shown {
            Shown::Generated(scripts) => println!("{heading}\n\n{}", scripts.join("\n")),
            Shown::ByHand(title) => println!("{heading}: {title:?} shows it\n"),
            Shown::Excused(reason) => println!("{heading}: {reason}\n"),
            Shown::Impossible => println!("{heading}: there is no such case\n"),
        }
    }
}
