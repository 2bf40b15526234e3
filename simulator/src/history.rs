//! What one name has shown, in order.

use haul_core::Version;

/// The number of a whole content that a file may have.
pub(super) type ContentId = usize;

/// What a name shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    Nothing,
    Directory,
    File { content: ContentId, version: Version },
}

impl State {
    pub(super) fn content(self) -> Option<ContentId> {
        match self {
            Self::File { content, .. } => Some(content),
            Self::Nothing | Self::Directory => None,
        }
    }

    pub(super) fn version(self) -> Option<Version> {
        match self {
            Self::File { version, .. } => Some(version),
            Self::Nothing | Self::Directory => None,
        }
    }

    /// Whether it looks the same, though it may have another version.
    pub(super) fn looks_like(self, other: Self) -> bool {
        match (self, other) {
            (Self::File { content, .. }, Self::File { content: theirs, .. }) => content == theirs,
            _ => self == other,
        }
    }
}

#[derive(Debug)]
pub(super) struct Shown {
    pub(super) state: State,
    /// A power cut took it.
    pub(super) lost: bool,
}

/// The history of a name. In the beginning there is nothing.
#[derive(Debug)]
pub(super) struct History {
    pub(super) shown: Vec<Shown>,
    /// What is visible.
    pub(super) current: usize,
    /// The newest state that was acknowledged. No power cut may bring back an older one.
    pub(super) floor: usize,
}

impl Default for History {
    fn default() -> Self {
        let nothing = Shown { state: State::Nothing, lost: false };
        Self { shown: vec![nothing], current: 0, floor: 0 }
    }
}

impl History {
    pub(super) fn state(&self) -> State {
        self.shown[self.current].state
    }

    /// The name shows this now. Returns whether that is new.
    pub(super) fn show(&mut self, state: State) -> bool {
        let is_new = self.state() != state;
        if is_new {
            self.shown.push(Shown { state, lost: false });
            self.current = self.shown.len() - 1;
        }
        is_new
    }

    /// The states that look like `state` and that a power cut may leave: the first and the last one.
    pub(super) fn left_as(&self, state: State) -> Option<(usize, usize)> {
        let fits = |at: &usize| !self.shown[*at].lost && self.shown[*at].state.looks_like(state);
        let last = (0..self.shown.len()).rev().find(fits)?;
        Some(((self.floor..last).find(fits).unwrap_or(last), last))
    }

    /// A power cut left the state at `last`, which looks like `state`.
    pub(super) fn cut(&mut self, last: usize, state: State) {
        for shown in self.shown.iter_mut().skip(last + 1) {
            shown.lost = true;
        }
        self.current = last;
        self.show(state);
    }
}
