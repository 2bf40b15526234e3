//! Transition tables as data, which the machines execute.
//!
//! There is a row for each input. A cell has the action and the next state. The actions of a row have a type of their
//! own, so that no cell can request something that its input does not allow. A missing cell cannot occur: in that state
//! the machine requests nothing that could cause the input.

use core::fmt::Debug;

#[cfg(test)]
pub(crate) mod walk;

/// A cell: the action and the next state.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cell<S, A> {
    pub(crate) action: A,
    pub(crate) next: S,
}

/// The cells of one input, in the order of the `N` states.
#[derive(Debug)]
pub(crate) struct Row<S, A, const N: usize> {
    /// The name of the input in the table of `docs/PROTOCOL.md`.
    pub(crate) name: &'static str,
    pub(crate) cells: [Option<Cell<S, A>>; N],
}

/// The current state of a machine. Only cells of a table change it.
#[derive(Debug)]
pub(crate) struct Current<S> {
    state: S,
    #[cfg(test)]
    visited: alloc::vec::Vec<(&'static str, S, S)>,
}

impl<S: Copy + Debug> Current<S> {
    /// Starts in `state`.
    pub(crate) fn new(state: S) -> Self {
        Self {
            state,
            #[cfg(test)]
            visited: alloc::vec::Vec::new(),
        }
    }

    pub(crate) fn get(&self) -> S {
        self.state
    }

    /// Goes to the next state of the cell, and returns the action of the cell.
    pub(crate) fn enter<A: Copy, const N: usize>(&mut self, row: &'static Row<S, A, N>) -> Option<A>
    where
        S: Into<usize>,
    {
        let cell = row.cells[self.state.into()];
        debug_assert!(cell.is_some(), "{} in {:?} cannot happen", row.name, self.state);
        let cell = cell?;
        #[cfg(test)]
        self.visited.push((row.name, self.state, cell.next));
        self.state = cell.next;
        Some(cell.action)
    }
}

/// Defines the rows of a table: `NAME = "input": Actions { State => Action, NextState; … }`. `State` and a type
/// `Row<Actions>` must be in scope.
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

        impl From<State> for usize {
            fn from(state: State) -> Self {
                state as Self
            }
        }

        /// All rows, with the names of the input, the actions and the next states.
        #[cfg(test)]
        pub(super) fn all() -> alloc::vec::Vec<crate::table::walk::Named> {
            alloc::vec![$($row.named()),+]
        }
    };
}
pub(crate) use rows;
