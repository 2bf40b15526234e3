//! Transition tables as data, which the machines execute.
//!
//! There is a row for each input. A cell has the action and the state that follows; the actions of a row are a type of
//! their own, so that no cell can ask for what its input has not. A cell that is missing cannot happen: in that state
//! nothing is asked for that could bring the input.

use core::fmt::Debug;

#[cfg(test)]
pub(crate) mod walk;

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

/// The state that a machine is in. Only the cells of a table change it.
#[derive(Debug)]
pub(crate) struct Current<S> {
    state: S,
    #[cfg(test)]
    visited: alloc::vec::Vec<(&'static str, S, S)>,
}

impl<S: Copy + Debug> Current<S> {
    /// Begins in `state`.
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

    /// Goes to the state that the row gives; the action of the cell.
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

/// Makes the rows of a table: `NAME = "input": Actions { State => Action, NextState; … }`. `State` and a type
/// `Row<Actions>` are to be in scope.
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

        /// Every row: its name, and for each state the action and the next state as they are called.
        #[cfg(test)]
        pub(super) fn all() -> alloc::vec::Vec<crate::table::walk::Named> {
            alloc::vec![$($row.named()),+]
        }
    };
}
pub(crate) use rows;
