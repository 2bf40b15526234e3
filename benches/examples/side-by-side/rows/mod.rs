//! The rows of the measurement.

mod bulk;
mod crowd;
mod listing;
mod parse;
mod slow;
mod small;
mod socket;

use clap::ValueEnum;

use crate::Result;
use crate::contender::Row;
use crate::rig::Rig;

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum RowName {
    /// One big file, down
    Down,
    /// The same, up, not synced
    Up,
    /// The same, up, on stable storage
    Durable,
    /// 10,000 small files, down
    SmallDown,
    /// The same, up, not synced
    SmallUp,
    /// The same, up, each on stable storage
    SmallDurable,
    /// A directory of 1,000,000 entries, listed
    List,
    /// 10,000 connections that say nothing
    Idle,
    /// Connections that come and go
    Accept,
    /// Small requests beside bulk
    Fair,
    /// One big file, down, over a slow network
    SlowDown,
    /// The same, up
    SlowUp,
    /// 1,000 small files, down, over a slow network
    SlowSmall,
    /// Command lines, parsed
    Parse,
}

impl RowName {
    /// Prepares the row.
    pub(crate) fn prepare(self, rig: &Rig) -> Result<Row<'_>> {
        match self {
            Self::Down => bulk::down(rig),
            Self::Up => bulk::up(rig),
            Self::Durable => bulk::durable(rig),
            Self::SmallDown => small::down(rig),
            Self::SmallUp => small::up(rig),
            Self::SmallDurable => small::durable(rig),
            Self::List => listing::list(rig),
            Self::Idle => Ok(crowd::idle(rig)),
            Self::Accept => crowd::accept(rig),
            Self::Fair => crowd::fair(rig),
            Self::SlowDown => slow::down(rig),
            Self::SlowUp => slow::up(rig),
            Self::SlowSmall => slow::small(rig),
            Self::Parse => Ok(parse::parse()),
        }
    }
}
