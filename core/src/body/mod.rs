//! Payload on its way through a machine. Both sides do both.

mod reader;
mod writer;

pub(crate) use reader::BodyReader;
pub(crate) use writer::BodyWriter;
