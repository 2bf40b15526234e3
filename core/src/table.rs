//! Transition tables as data, which the machines execute.
//!
//! There is a row for each input. A cell has the action and the state that follows; the actions of a row are a type of their own,
//! so that no cell can ask for what its input has not. A cell that is missing cannot happen: in that state nothing is asked for
//! that could bring the input.

/// A cell: what to do, and the state that follows.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cell<S, A> {
    pub(crate) action: A,
    pub(crate) next: S,
}

/// The cells of one input, in the order of the `N` states.
#[derive(Debug)]
pub(crate) struct Row<S, A, const N: usize> {
    /// What the input is called in the table of `docs/PROTOCOL.md`.
    pub(crate) name: &'static str,
    pub(crate) cells: [Option<Cell<S, A>>; N],
}

/// Makes the rows of a table: `NAME = "input": Actions { State => Action, NextState; … }`. `State` and a type `Row<Actions>` are to be in scope.
macro_rules! rows {
    ($(
        $(#[$doc:meta])*
        $row:ident = $name:literal: $action:ident { $($state:ident => $act:ident, $next:ident;)+ }
    )+) => {
        $(
            $(#[$doc])*
            pub(super) static $row: Row<$action> = {
                let mut cells = [const { None }; State::COUNT];
                $(cells[State::$state as usize] =
                    Some(crate::table::Cell { action: $action::$act, next: State::$next });)+
                crate::table::Row { name: $name, cells }
            };
        )+

        /// Every row: its name, and for each state the action and the next state as they are called.
        #[cfg(test)]
        pub(super) fn all() -> alloc::vec::Vec<crate::table::Named> {
            alloc::vec![$($row.named()),+]
        }
    };
}
pub(crate) use rows;

/// A row as it is called.
#[cfg(test)]
pub(crate) struct Named {
    pub(crate) name: &'static str,
    /// The action and the next state, for each state.
    pub(crate) cells: alloc::vec::Vec<Option<(alloc::string::String, alloc::string::String)>>,
}

#[cfg(test)]
impl<S: core::fmt::Debug, A: core::fmt::Debug, const N: usize> Row<S, A, N> {
    pub(crate) fn named(&self) -> Named {
        let cell = |cell: &Cell<S, A>| {
            (alloc::format!("{:?}", cell.action), alloc::format!("{:?}", cell.next))
        };
        Named { name: self.name, cells: self.cells.iter().map(|c| c.as_ref().map(cell)).collect() }
    }
}

/// A table in the form that it has in `docs/PROTOCOL.md`.
#[cfg(test)]
pub(crate) fn page(states: &[&str], rows: &[Named]) -> alloc::string::String {
    use alloc::string::String;
    use core::fmt::Write;

    let mut page = String::from("| input |");
    for state in states {
        write!(page, " {state} |").expect("memory takes it");
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
