//! What the walks through both tables have in common.

use alloc::collections::BTreeSet;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::{Debug, Write};

use super::{Cell, Current, Row};

/// The name of a row and its cells.
pub(crate) struct Named {
    pub(crate) name: &'static str,
    /// The action and the next state, for each state.
    pub(crate) cells: Vec<Option<(String, String)>>,
}

impl<S: Debug, A: Debug, const N: usize> Row<S, A, N> {
    pub(crate) fn named(&self) -> Named {
        let cell = |cell: &Cell<S, A>| (format!("{:?}", cell.action), format!("{:?}", cell.next));
        Named { name: self.name, cells: self.cells.iter().map(|c| c.as_ref().map(cell)).collect() }
    }
}

/// Writes a table in the form that it has in `docs/PROTOCOL.md`.
fn page<S: Debug>(states: &[S], rows: &[Named]) -> String {
    let mut page = String::from("| input |");
    for state in states {
        write!(page, " {state:?} |").expect("memory takes it");
    }
    page.push_str("\n| --- |");
    page.push_str(&" --- |".repeat(states.len()));
    page.push('\n');
    for Named { name, cells } in rows {
        write!(page, "| {name} |").expect("memory takes it");
        for cell in &cells[..states.len()] {
            match cell {
                Some((action, next)) => write!(page, " {action} → {next} |"),
                None => write!(page, " — |"),
            }
            .expect("memory takes it");
        }
        page.push('\n');
    }
    page
}

/// The visited cells: the row, the state, and the next state.
#[derive(Debug, Default)]
pub(crate) struct Visited(BTreeSet<(&'static str, String, String)>);

impl Visited {
    /// Adds the cells that a machine visited.
    pub(crate) fn add<S: Debug>(&mut self, current: &Current<S>) {
        let cells = current.visited.iter();
        self.0.extend(cells.map(|(row, from, to)| (*row, format!("{from:?}"), format!("{to:?}"))));
    }

    /// Checks that every cell was visited.
    ///
    /// # Panics
    /// If a cell was not visited, or a visited cell is not in the table.
    pub(crate) fn assert_complete<S: Debug>(&self, states: &[S], rows: &[Named]) {
        let mut cells = BTreeSet::new();
        for row in rows {
            for (state, cell) in states.iter().zip(&row.cells) {
                if let Some((_, next)) = cell {
                    cells.insert((row.name, format!("{state:?}"), next.clone()));
                }
            }
        }
        let missed: Vec<_> = cells.difference(&self.0).collect();
        assert!(missed.is_empty(), "no conversation leads through {missed:#?}");
        assert_eq!(self.0, cells);
    }
}

/// Checks that `docs/PROTOCOL.md` has the table, without the last state, which has no input.
///
/// # Panics
/// If the page differs; the message is the table that it needs.
pub(crate) fn assert_on_page<S: Debug>(states: &[S], rows: &[Named]) {
    let table = page(&states[..states.len() - 1], rows);
    let protocol = include_str!("../../../docs/PROTOCOL.md");
    assert!(protocol.contains(&table), "docs/PROTOCOL.md needs this table:\n{table}");
}
