//! The payload of bodies. Both sides read and write them.

mod reader;
mod writer;

pub(crate) use reader::BodyReader;
pub(crate) use writer::BodyWriter;
