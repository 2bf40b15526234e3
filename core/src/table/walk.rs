//! What the walks through both tables share.

use alloc::collections::BTreeSet;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::{Debug, Write};

use super::{Cell, Current, Row};

/// A row as it is called.
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

/// A table in the form that it has in `docs/PROTOCOL.md`.
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

/// The cells that conversations led through: the row, the state, and the next one.
#[derive(Debug, Default)]
pub(crate) struct Visited(BTreeSet<(&'static str, String, String)>);

impl Visited {
    /// Adds those that a machine went through.
    pub(crate) fn add<S: Debug>(&mut self, current: &Current<S>) {
        let cells = current.visited.iter();
        self.0.extend(cells.map(|(row, from, to)| (*row, format!("{from:?}"), format!("{to:?}"))));
    }

    /// Checks that they are all the cells that there are.
    ///
    /// # Panics
    /// When a conversation is missing, or led through a cell that is not in the table.
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

/// Checks that `docs/PROTOCOL.md` has the table, without the last state, in which nothing happens.
///
/// # Panics
/// When it has not; the message is what it needs.
pub(crate) fn assert_on_page<S: Debug>(states: &[S], rows: &[Named]) {
    let table = page(&states[..states.len() - 1], rows);
    let protocol = include_str!("../../../docs/PROTOCOL.md");
    assert!(protocol.contains(&table), "docs/PROTOCOL.md needs this table:\n{table}");
}
