//! The queue with a log that accepts nothing, is slow, or accepts a part.

use std::sync::mpsc::{self, Receiver, Sender};

use super::*;

/// A log in which every write waits for a permit, and goes to `written`.
struct Stalled {
    permits: Receiver<()>,
    written: Sender<Vec<u8>>,
}

impl Write for Stalled {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.permits.recv().map_err(|_| ErrorKind::BrokenPipe)?;
        self.written.send(bytes.to_vec()).map_err(|_| ErrorKind::BrokenPipe)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn line(number: usize) -> String {
    format!("{number} {}\n", "x".repeat(100))
}

/// A thread that logs does not wait. Dropped lines are counted, and a note takes their place.
#[test]
fn a_log_that_stands_still_holds_up_nobody() {
    let (permit, permits) = mpsc::channel();
    let (written, log) = mpsc::channel();
    let mut queue = Queue::start(Stalled { permits, written }).unwrap();
    let lines = 3 * MOST_WAITING / line(0).len();
    queue.write_all(line(0).as_bytes()).unwrap();
    // The thread that writes takes all that waits, so it must not come while more is added.
    while !queue.lock().waiting.is_empty() {
        std::thread::yield_now();
    }
    for number in 1..lines {
        queue.write_all(line(number).as_bytes()).unwrap();
    }
    assert!(!queue.flush(Duration::ZERO));
    // The line that was being written, those that waited, and the note.
    let mut text = Vec::new();
    while text.is_empty() || !text.ends_with(b"because nobody read them\n") {
        permit.send(()).unwrap();
        text.extend(log.recv().unwrap());
    }
    queue.write_all(line(lines).as_bytes()).unwrap();
    permit.send(()).unwrap();
    assert_eq!(log.recv().unwrap(), line(lines).as_bytes());
    assert!(queue.flush(Duration::from_mins(1)));

    let text = String::from_utf8(text).unwrap();
    let kept = text.lines().count() - 1;
    assert!(text.lines().take(kept).eq((0..kept).map(line).map(|line| line.trim_end().to_owned())));
    let note = text.lines().last().unwrap();
    assert!(note.contains(&format!(": {} log lines were dropped", lines - kept)), "{note}");
    assert!(text.len() < 2 * MOST_WAITING + 1000, "{}", text.len());
}

/// A disk with this much room.
struct Disk {
    room: usize,
    text: Vec<u8>,
}

impl Write for Disk {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = bytes.len().min(self.room);
        if count == 0 {
            return Err(ErrorKind::StorageFull.into());
        }
        self.room -= count;
        self.text.extend_from_slice(&bytes[..count]);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Lines that a full disk refuses are counted. A line that was written in part is ended before the next one.
#[test]
fn what_cannot_be_written_is_counted() {
    for room in 0..9 {
        let mut log = Log::new(Disk { room, text: Vec::new() });
        log.write(b"aa\nbb\ncc\n", 0);
        log.write(b"dd\n", 2);
        log.writer.room = 1000;
        log.write(b"ee\n", 0);
        log.write(b"ff\n", 1);
        let text = String::from_utf8(log.writer.text).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        let (whole, part) = (room / 3, room % 3 > 0);
        let told = &lines[whole + usize::from(part)..];
        let count = 3 - whole + 3;
        assert!(
            told[0].contains(&format!(
                ": {count} log lines were dropped because they could not be written: "
            )),
            "{text}"
        );
        assert_eq!((told[1], told[2]), ("ee", "ff"));
        assert!(told[3].ends_with(": 1 log line was dropped because nobody read them"), "{text}");
        assert_eq!(told.len(), 4);
    }
}
