//! A plan of any size: records that are written once and read once.

use std::env;
use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, ErrorKind, Seek, Write};
use std::marker::PhantomData;
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;
use tempfile::{SpooledTempFile, spooled_tempfile_in, tempfile_in};

use crate::error::{self, Error};
use crate::exit::Exit;

/// The most bytes of records in memory. Further records go to an unnamed file.
const IN_MEMORY: usize = 1 << 20;
/// The most bytes of records: enough for tens of millions of files, and a bound on an endless listing.
const MOST: u64 = 4 << 30;
const BUFFER: usize = 64 << 10;
/// The directory for large temporary files: `/tmp` is often in memory.
const LARGE_FILES: &str = "/var/tmp";

/// Collects records.
pub(crate) struct Spool<T> {
    file: BufWriter<SpooledTempFile>,
    line: Vec<u8>,
    bytes: u64,
    most: u64,
    kind: PhantomData<fn(T)>,
}

impl<T: Serialize> Spool<T> {
    pub(crate) fn new() -> Self {
        Self::bounded(MOST)
    }

    fn bounded(most: u64) -> Self {
        let file = spooled_tempfile_in(IN_MEMORY, directory());
        let (file, kind) = (BufWriter::with_capacity(BUFFER, file), PhantomData);
        Self { file, line: Vec::new(), bytes: 0, most, kind }
    }

    pub(crate) fn push(&mut self, record: &T) -> Result<(), Error> {
        self.line.clear();
        serde_json::to_writer(&mut self.line, record)
            .map_err(io::Error::from)
            .map_err(|error| cannot(&error))?;
        // No record contains a line break: JSON escapes them.
        self.line.push(b'\n');
        self.bytes += self.line.len() as u64;
        if self.bytes > self.most {
            let message = "too many files: their list is longer than 4 GiB";
            return Err(
                Error::new(Exit::Local, message).advise("transfer a part of them at a time")
            );
        }
        self.file.write_all(&self.line).map_err(|error| cannot(&error))
    }

    /// Returns what was written, from the first record on.
    pub(crate) fn read(self) -> Result<Records<T>, Error> {
        let file = self.file.into_inner().map_err(io::IntoInnerError::into_error);
        let mut file = file.map_err(|error| cannot(&error))?;
        file.rewind().map_err(|error| cannot(&error))?;
        let (file, kind) = (BufReader::with_capacity(BUFFER, file), PhantomData);
        Ok(Records { file, line: Vec::new(), kind })
    }
}

/// Reads records back. After an error there are no more.
pub(crate) struct Records<T> {
    file: BufReader<SpooledTempFile>,
    line: Vec<u8>,
    kind: PhantomData<fn() -> T>,
}

impl<T: DeserializeOwned> Records<T> {
    fn record(&mut self) -> io::Result<Option<T>> {
        self.line.clear();
        match self.file.read_until(b'\n', &mut self.line)? {
            0 => Ok(None),
            _ => Ok(Some(serde_json::from_slice(&self.line)?)),
        }
    }
}

impl<T: DeserializeOwned> Iterator for Records<T> {
    type Item = Result<T, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        self.record().map_err(|error| cannot(&error).hopeless()).transpose()
    }
}

/// The directory for the file, if one is needed: the user's choice, or else where there is most likely room.
fn directory() -> PathBuf {
    let usual = env::temp_dir();
    let said = env::var_os("TMPDIR").is_some_and(|said| !said.is_empty());
    let can_make = |directory: &Path| tempfile_in(directory).map(|_: File| ()).is_ok();
    if !said && can_make(Path::new(LARGE_FILES)) { LARGE_FILES.into() } else { usual }
}

fn cannot(error: &io::Error) -> Error {
    let message = format!("cannot keep the list of files: {}", error::plain(error));
    let error_of_room = matches!(error.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded);
    let told = Error::new(Exit::Local, message);
    let advice = "TMPDIR says in which directory it is kept";
    if error_of_room {
        told.advise(format!("{advice}; make room there"))
    } else {
        told.advise(advice)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_come_back_in_order_from_memory_and_from_a_file() {
        for count in [0, 3, 200_000] {
            let mut spool = Spool::new();
            let records = || (0..count).map(|n: u64| (n, format!("name\n{n}")));
            records().for_each(|record| spool.push(&record).unwrap());
            assert!(spool.read().unwrap().map(Result::unwrap).eq(records()), "{count}");
        }
    }

    #[test]
    fn what_has_no_end_is_refused() {
        let mut spool = Spool::bounded(1 << 20);
        let refused = (0_u64..).find_map(|_| spool.push(&"a name").err()).unwrap();
        assert!(refused.to_string().contains("too many files"), "{refused}");
        assert_eq!(refused.exit(), Exit::Local);
    }
}
