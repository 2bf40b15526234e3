//! The progress bar of a transfer.
//!
//! One line on stderr shows what fits the width of the terminal: first the bytes so far, the total and the name, then
//! the remaining time, the rate, and last a bar. Other output on the same terminal goes [beside](console::beside) that
//! line, never into it.

use std::fmt::{self, Write as _};
use std::io;
use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use haul_core::Escaped;
use haul_core::client::Progress;
use indicatif::{
    BinaryBytes, HumanDuration, ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle,
    TermLike,
};
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use crate::console::{self, Stream};

/// The assumed width of a terminal that does not report one, in columns.
const USUAL_COLUMNS: usize = 80;
/// A name is shortened to this width before anything else is left out.
const LEAST_NAME: usize = 8;
const MOST_NAME: usize = 32;
const LEAST_CELLS: usize = 10;
const MOST_CELLS: usize = 24;
const BETWEEN: usize = 2;
const REDRAW: Duration = Duration::from_millis(100);
const MOST_DRAWN_PER_SECOND: u8 = 20;

/// A line on stderr that is redrawn, and removed when it is dropped.
pub(crate) struct Bar {
    bar: ProgressBar,
    name: Arc<Mutex<String>>,
}

impl Bar {
    /// A bar for the transfer of `name`, drawn on `target`.
    pub(crate) fn new(target: ProgressDrawTarget, name: &str) -> Self {
        let bar = Self::draw(target, name, columns);
        if !bar.bar.is_hidden() {
            bar.bar.enable_steady_tick(REDRAW);
            console::show(Some(bar.bar.clone()));
        }
        bar
    }

    fn draw(target: ProgressDrawTarget, name: &str, columns: fn() -> usize) -> Self {
        let name = Arc::new(Mutex::new(Escaped::new(name).to_string()));
        let shown = Arc::clone(&name);
        let style = ProgressStyle::with_template("{line}")
            .unwrap_or_else(|_| ProgressStyle::default_bar())
            .with_key("line", move |state: &ProgressState, out: &mut dyn std::fmt::Write| {
                let _ = out.write_str(&line(columns(), &lock(&shown), &At::of(state)));
            });
        let bar = ProgressBar::with_draw_target(None, target).with_style(style);
        Self { bar, name }
    }

    /// Shows how many files are done, of `total` if that is known.
    pub(crate) fn count(&mut self, done: usize, total: Option<usize>) {
        let total = total.map(|total| format!("/{total}")).unwrap_or_default();
        *lock(&self.name) = format!("{done}{total} files");
    }

    /// Shows the progress of the transfer.
    pub(crate) fn update(&mut self, progress: Progress) {
        if let Some(total) = progress.total {
            self.bar.set_length(total);
        }
        self.bar.set_position(progress.bytes);
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        if !self.bar.is_hidden() {
            console::show(None);
        }
        self.bar.finish_and_clear();
    }
}

fn columns() -> usize {
    rustix::termios::tcgetwinsize(rustix::stdio::stderr())
        .map(|size| usize::from(size.ws_col))
        .ok()
        .filter(|columns| *columns > 0)
        .unwrap_or(USUAL_COLUMNS)
}

/// A terminal for a bar. Each redraw is one write.
///
/// Its width is [`columns`], which also accepts a terminal that reports columns but no rows.
#[derive(Debug)]
struct Terminal {
    stream: Stream,
    drawn: Mutex<String>,
    columns: fn() -> usize,
}

/// A target for bars on `stream`, which is a terminal.
pub(crate) fn on(stream: &Stream) -> ProgressDrawTarget {
    let terminal = Terminal { stream: stream.clone(), drawn: Mutex::default(), columns };
    ProgressDrawTarget::term_like_with_hz(Box::new(terminal), MOST_DRAWN_PER_SECOND)
}

impl Terminal {
    fn draw(&self, text: fmt::Arguments<'_>) -> io::Result<()> {
        lock(&self.drawn).write_fmt(text).map_err(io::Error::other)
    }

    /// Moves the cursor in the direction of this letter.
    fn step(&self, count: usize, to: char) -> io::Result<()> {
        if count == 0 { Ok(()) } else { self.draw(format_args!("\x1b[{count}{to}")) }
    }
}

impl TermLike for Terminal {
    fn width(&self) -> u16 {
        u16::try_from((self.columns)()).unwrap_or(u16::MAX)
    }

    fn move_cursor_up(&self, count: usize) -> io::Result<()> {
        self.step(count, 'A')
    }

    fn move_cursor_down(&self, count: usize) -> io::Result<()> {
        self.step(count, 'B')
    }

    fn move_cursor_right(&self, count: usize) -> io::Result<()> {
        self.step(count, 'C')
    }

    fn move_cursor_left(&self, count: usize) -> io::Result<()> {
        self.step(count, 'D')
    }

    fn write_line(&self, text: &str) -> io::Result<()> {
        self.draw(format_args!("{text}\n"))
    }

    fn write_str(&self, text: &str) -> io::Result<()> {
        self.draw(format_args!("{text}"))
    }

    fn clear_line(&self) -> io::Result<()> {
        self.draw(format_args!("\r\x1b[2K"))
    }

    fn flush(&self) -> io::Result<()> {
        let drawn = mem::take(&mut *lock(&self.drawn));
        if drawn.is_empty() { Ok(()) } else { self.stream.draw(&drawn) }
    }
}

/// The progress and rate of a transfer.
#[derive(Debug, Clone, Copy, Default)]
struct At {
    bytes: u64,
    total: Option<u64>,
    per_second: u64,
    left: Duration,
}

impl At {
    fn of(state: &ProgressState) -> Self {
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // It saturates.
        let per_second = state.per_sec() as u64;
        Self { bytes: state.pos(), total: state.len(), per_second, left: state.eta() }
    }

    /// The facts to show, the most important first.
    fn facts(&self) -> Vec<String> {
        let Self { bytes, total, per_second, left } = *self;
        let mut facts = Vec::new();
        match total {
            // What remains is to verify, sync and publish, on either side.
            Some(total) if bytes >= total => {
                return vec![format!("{}  verifying", BinaryBytes(bytes))];
            }
            Some(total) => {
                let percent = u128::from(bytes) * 100 / u128::from(total);
                facts.push(format!("{percent}% of {}", BinaryBytes(total)));
            }
            None => facts.push(BinaryBytes(bytes).to_string()),
        }
        if per_second > 0 {
            if total.is_some() {
                facts.push(format!("ETA {:#}", HumanDuration(left)));
            }
            facts.push(format!("{}/s", BinaryBytes(per_second)));
        }
        facts
    }
}

/// Formats the line for a terminal of this width. The last column stays empty, because some terminals begin a new line
/// once it is used.
fn line(columns: usize, name: &str, at: &At) -> String {
    let mut room = columns.saturating_sub(1);
    let mut shown = Vec::new();
    let least_name = name.width().min(LEAST_NAME);
    for fact in at.facts() {
        let taken = BETWEEN + fact.width();
        if room < least_name + taken {
            break;
        }
        room -= taken;
        shown.push(fact);
    }
    let name = cut(name, room.min(MOST_NAME));
    room -= name.width();
    let cells = room.saturating_sub(BETWEEN + "[]".len()).min(MOST_CELLS);
    if let Some(total) = at.total.filter(|total| at.bytes < *total && cells >= LEAST_CELLS) {
        let full = u128::from(at.bytes) * cells as u128 / u128::from(total);
        let full = usize::try_from(full).unwrap_or(cells);
        shown.insert(0, format!("[{}{}]", "#".repeat(full), "-".repeat(cells - full)));
    }
    shown.into_iter().fold(name, |mut line, fact| {
        let _ = write!(line, "{:BETWEEN$}{fact}", "");
        line
    })
}

/// The longest prefix of `text` that fits into `columns`.
fn cut(text: &str, columns: usize) -> String {
    if text.width() <= columns {
        return text.to_owned();
    }
    let mut room = columns.saturating_sub(1);
    let mut begin: String = text
        .chars()
        .take_while(|c| match room.checked_sub(c.width().unwrap_or(0)) {
            Some(left) => {
                room = left;
                true
            }
            None => false,
        })
        .collect();
    if columns > 0 {
        begin.push('…');
    }
    begin
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use indicatif::InMemoryTerm;

    use super::*;

    fn shown(name: &str, progress: Progress) -> (String, String) {
        let terminal = InMemoryTerm::new(4, 80);
        let target = ProgressDrawTarget::term_like_with_hz(Box::new(terminal.clone()), 255);
        let mut bar = Bar::draw(target, name, || 80);
        bar.update(progress);
        bar.bar.force_draw();
        let during = terminal.contents();
        drop(bar);
        (during, terminal.contents())
    }

    const HALFWAY: At = At {
        bytes: 3 << 20,
        total: Some(12 << 20),
        per_second: 1 << 20,
        left: Duration::from_secs(9),
    };

    #[test]
    fn a_line_shows_what_fits_into_it() {
        for (columns, expected) in [
            (100, "sea.jpg  [######------------------]  25% of 12.00 MiB  ETA 9s  1.00 MiB/s"),
            (80, "sea.jpg  [######------------------]  25% of 12.00 MiB  ETA 9s  1.00 MiB/s"),
            (60, "sea.jpg  [##--------]  25% of 12.00 MiB  ETA 9s  1.00 MiB/s"),
            (50, "sea.jpg  25% of 12.00 MiB  ETA 9s  1.00 MiB/s"),
            (40, "sea.jpg  25% of 12.00 MiB  ETA 9s"),
            (30, "sea.jpg  25% of 12.00 MiB"),
            (10, "sea.jpg"),
            (6, "sea.…"),
            (1, ""),
        ] {
            assert_eq!(line(columns, "sea.jpg", &HALFWAY), expected, "{columns}");
        }
    }

    #[test]
    fn no_line_is_wider_than_its_terminal() {
        let far = At {
            bytes: u64::MAX - 1,
            total: Some(u64::MAX),
            per_second: u64::MAX,
            left: Duration::MAX,
        };
        let unknown = At { total: None, ..HALFWAY };
        let verifying = At { bytes: 12 << 20, ..HALFWAY };
        for name in ["", "x", "a name of more than thirty-two columns", &"海".repeat(40)] {
            for columns in 0..200 {
                for at in [HALFWAY, far, unknown, verifying, At::default()] {
                    let line = line(columns, name, &at);
                    assert!(line.width() <= columns.saturating_sub(1), "{columns}: {line}");
                    assert!(columns < 40 || name.is_empty() || !line.starts_with(' '), "{line}");
                }
            }
        }
    }

    #[test]
    fn at_forty_columns_a_long_name_leaves_room_for_the_rest() {
        assert_eq!(
            line(40, "holiday-photos.tar", &HALFWAY),
            "holiday-phot…  25% of 12.00 MiB  ETA 9s"
        );
        assert_eq!(line(40, &"海".repeat(40), &HALFWAY), "海海海海海海…  25% of 12.00 MiB  ETA 9s");
    }

    #[test]
    fn it_is_drawn_and_removed() {
        let (during, after) = shown("sea.jpg", Progress { bytes: 1 << 20, total: Some(4 << 20) });
        assert!(during.starts_with("sea.jpg  [######------"), "{during}");
        assert!(during.contains("25% of 4.00 MiB"), "{during}");
        assert_eq!(after, "");
    }

    #[test]
    fn what_is_drawn_is_as_wide_as_the_terminal() {
        let written = Arc::new(Mutex::new(Vec::new()));
        let stream = Stream::new(Written(Arc::clone(&written)), true);
        let terminal = Terminal { stream, drawn: Mutex::default(), columns: || 40 };
        let target = ProgressDrawTarget::term_like_with_hz(Box::new(terminal), 255);
        let mut bar = Bar::draw(target, "sea.jpg", || 40);
        bar.update(Progress { bytes: 1 << 20, total: Some(4 << 20) });
        bar.bar.force_draw();
        drop(bar);
        let text = String::from_utf8(mem::take(&mut *lock(&written))).unwrap();
        let line = text.split("\r\x1b[2K").find(|line| line.contains("25%")).unwrap();
        assert_eq!(line.width(), 40, "{text:?}");
        assert!(text.ends_with("\r\x1b[2K"), "{text:?}");
    }

    /// The pieces that were written, in order.
    struct Written(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Written {
        fn write(&mut self, data: &[u8]) -> io::Result<usize> {
            lock(&self.0).extend_from_slice(data);
            Ok(data.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn what_is_printed_stands_above_the_bar_and_whole() {
        use indicatif::TermLike as _;

        let terminal = InMemoryTerm::new(4, 80);
        let target = ProgressDrawTarget::term_like_with_hz(Box::new(terminal.clone()), 255);
        let mut bar = Bar::new(target, "sea.jpg");
        bar.update(Progress { bytes: 1, total: Some(4) });
        bar.bar.force_draw();
        console::beside(|| terminal.write_line("sky.jpg  4 bytes  stored")).unwrap();
        let shown = terminal.contents();
        assert!(shown.starts_with("sky.jpg  4 bytes  stored\nsea.jpg"), "{shown}");
        drop(bar);
        assert_eq!(terminal.contents(), "sky.jpg  4 bytes  stored");
        assert_eq!(console::beside(|| 1), 1);
    }

    #[test]
    fn when_all_bytes_have_moved_it_says_that_it_verifies() {
        let (during, _) = shown("sea.jpg", Progress { bytes: 5, total: Some(5) });
        assert_eq!(during, "sea.jpg  5 B  verifying");
        let (empty, _) = shown("empty", Progress { bytes: 0, total: Some(0) });
        assert_eq!(empty, "empty  0 B  verifying");
    }

    #[test]
    fn an_unknown_size_has_no_share() {
        let (during, _) = shown("-", Progress { bytes: 2048, total: None });
        assert!(during.starts_with("-  2.00 KiB"), "{during}");
        assert!(!during.contains('%'), "{during}");
    }

    #[test]
    fn a_name_is_escaped_and_cut() {
        let name = format!("\u{202e}{}", "n".repeat(200));
        let (during, _) = shown(&name, Progress { bytes: 0, total: None });
        assert!(during.contains(r"\u{202e}nnn"), "{during}");
        assert!(during.contains("n…"), "{during}");
    }
}
