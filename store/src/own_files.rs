//! A client's own files: effects carried out on the source or target that the application gave.

use std::fmt;

use haul_core::{Done, Effect, StoreError};

use crate::error::misuse;
use crate::{NewFile, Perform, Source, Staged, Target};

/// The application's end of a client's request under way, as [`Session`](crate::Session) is a server's. Nothing is ever opened by a name that a server sent.
#[derive(Default)]
pub enum OwnFiles {
    /// The request moves no payload, or its files are closed.
    #[default]
    Nothing,
    /// What an upload sends.
    Source(Box<dyn Source>),
    /// Where a download will go.
    Target(Box<dyn Target>),
    /// Where it goes.
    Staged(Box<dyn Staged>),
}

impl OwnFiles {
    fn source(&mut self) -> Result<&mut dyn Source, StoreError> {
        match self {
            Self::Source(source) => Ok(source.as_mut()),
            Self::Nothing | Self::Target(_) | Self::Staged(_) => Err(not_open()),
        }
    }

    fn staged(&mut self) -> Result<&mut dyn Staged, StoreError> {
        match self {
            Self::Staged(staged) => Ok(staged.as_mut()),
            Self::Nothing | Self::Source(_) | Self::Target(_) => Err(not_open()),
        }
    }
}

impl fmt::Debug for OwnFiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Nothing => "Nothing",
            Self::Source(_) => "Source",
            Self::Target(_) => "Target",
            Self::Staged(_) => "Staged",
        })
    }
}

impl Perform for OwnFiles {
    fn perform(&mut self, effect: &Effect) -> Result<Done, StoreError> {
        match effect {
            Effect::Open { .. } => Ok(Done::Opened(self.source()?.opened())),
            Effect::Read { offset, length } => {
                self.source()?.read(*offset, *length).map(Done::Read)
            }
            Effect::FinishReading { checksum } => {
                let checksum = self.source()?.finish(*checksum)?;
                *self = Self::Nothing;
                Ok(Done::Finished { checksum })
            }
            Effect::Create { path, mode, size, modified, id: _ } => {
                let Self::Target(target) = self else {
                    return Err(not_open());
                };
                let staged = target.create(&NewFile {
                    path: path.clone(),
                    mode: *mode,
                    size: *size,
                    modified: *modified,
                })?;
                *self = Self::Staged(staged);
                Ok(Done::Started)
            }
            Effect::Write { offset, data } => {
                self.staged()?.write(*offset, data).map(|()| Done::Written)
            }
            Effect::Sync { files: _ } => self.staged()?.sync().map(|()| Done::Synced),
            Effect::Publish { checksum } => {
                self.staged()?.publish(*checksum).map(|()| Done::Published)
            }
            Effect::SyncDirectory => {
                self.staged()?.sync_directory()?;
                *self = Self::Nothing;
                Ok(Done::Synced)
            }
            Effect::Discard => {
                *self = Self::Nothing;
                Ok(Done::Discarded)
            }
            Effect::List { .. } | Effect::NextEntries { .. } => Err(not_open()),
        }
    }
}

fn not_open() -> StoreError {
    misuse("the request has no such file of its own")
}
