//! How far a transfer is, for a person who waits.

use std::time::Duration;

use haul_core::Escaped;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use haul_core::client::Progress;

const KNOWN: &str = "{prefix}  [{bar:24}] {binary_bytes}/{binary_total_bytes}  {percent}%  {binary_bytes_per_sec}  ETA {eta}";
const UNKNOWN: &str = "{prefix}  {spinner} {binary_bytes}  {binary_bytes_per_sec}";
/// All bytes have moved; what is left is the other side's checking, syncing and publishing, or one's own.
const VERIFYING: &str = "{prefix}  {spinner} {binary_bytes}  verifying";

const NAME_CHARS: usize = 32;
const REDRAW: Duration = Duration::from_millis(100);

/// A line on stderr that is drawn again and again, and removed when it is dropped.
pub(crate) struct Bar {
    bar: ProgressBar,
    shape: &'static str,
}

impl Bar {
    /// A bar for the transfer of `name`, drawn on `target`.
    pub(crate) fn new(target: ProgressDrawTarget, name: &str) -> Self {
        let bar = ProgressBar::with_draw_target(None, target)
            .with_style(style(UNKNOWN))
            .with_prefix(Escaped::new(name).cut(NAME_CHARS).to_string());
        if !bar.is_hidden() {
            bar.enable_steady_tick(REDRAW);
        }
        Self { bar, shape: UNKNOWN }
    }

    /// Shows that so many of several files are done; `total` if it is known.
    pub(crate) fn count(&mut self, done: usize, total: Option<usize>) {
        if !self.bar.is_hidden() {
            let total = total.map(|total| format!("/{total}")).unwrap_or_default();
            self.bar.set_prefix(format!("{done}{total} files"));
        }
    }

    /// Shows how far the transfer is.
    pub(crate) fn update(&mut self, progress: Progress) {
        if let Some(total) = progress.total {
            self.bar.set_length(total);
        }
        self.bar.set_position(progress.bytes);
        let shape = match progress.total {
            Some(total) if progress.bytes >= total => VERIFYING,
            Some(_) => KNOWN,
            None => UNKNOWN,
        };
        if self.shape != shape {
            self.shape = shape;
            self.bar.set_style(style(shape));
        }
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

#[cfg(test)]
mod tests {
    use indicatif::InMemoryTerm;

    use super::*;

    fn shown(name: &str, progress: Progress) -> (String, String) {
        let terminal = InMemoryTerm::new(4, 120);
        let target = ProgressDrawTarget::term_like_with_hz(Box::new(terminal.clone()), 255);
        let mut bar = Bar::new(target, name);
        bar.update(progress);
        bar.bar.force_draw();
        let during = terminal.contents();
        drop(bar);
        (during, terminal.contents())
    }

    #[test]
    fn a_known_size_has_a_share_and_an_end() {
        let (during, after) = shown("sea.jpg", Progress { bytes: 1 << 20, total: Some(4 << 20) });
        assert!(during.contains("sea.jpg"), "{during}");
        assert!(during.contains("1.00 MiB/4.00 MiB  25%"), "{during}");
        assert!(during.contains("ETA"), "{during}");
        assert_eq!(after, "");
    }

    #[test]
    fn when_all_bytes_have_moved_it_says_that_it_verifies() {
        let (during, _) = shown("sea.jpg", Progress { bytes: 5, total: Some(5) });
        assert!(during.contains("5 B  verifying"), "{during}");
    }

    #[test]
    fn an_unknown_size_has_no_share() {
        let (during, _) = shown("-", Progress { bytes: 2048, total: None });
        assert!(during.contains("2.00 KiB"), "{during}");
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
