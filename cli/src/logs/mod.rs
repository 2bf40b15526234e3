//! Logs, on stderr.

mod queue;

use std::env;
use std::fmt;
use std::panic::{self, PanicHookInfo};
use std::time::Duration;

use clap::ColorChoice;
use haul_core::Escaped;
use tracing::{Event, Subscriber};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt::format::{FormatFields, Writer};
use tracing_subscriber::fmt::writer::BoxMakeWriter;
use tracing_subscriber::fmt::{FmtContext, FormatEvent};
use tracing_subscriber::registry::LookupSpan;

use crate::console::Stream;
use crate::error::{self, Error};
use crate::exit::Exit;
use queue::Queue;

/// The variable that selects what is logged, in the syntax of `RUST_LOG`.
const VARIABLE: &str = "HAUL_LOG";

/// From least to most.
const LEVELS: [LevelFilter; 4] =
    [LevelFilter::WARN, LevelFilter::INFO, LevelFilter::DEBUG, LevelFilter::TRACE];

/// How long the program waits at its end for its log to be written.
const LAST_LINES: Duration = Duration::from_secs(2);

/// The log of a program.
pub(crate) struct Logs {
    /// Only a server has one. The user of a client waits for its output anyway.
    queue: Option<Queue>,
}

impl Logs {
    /// Starts logging events of at least `level` to `stderr`, unless the environment selects others. Only the first
    /// call in a process has an effect.
    ///
    /// With `serving`, the log may have no reader and others depend on this program, so no thread that logs waits for
    /// `stderr`. A client prints events that concern the command as lines that begin with `program`, like its errors.
    pub(crate) fn start(
        program: &'static str,
        stderr: &Stream,
        level: LevelFilter,
        color: ColorChoice,
        serving: bool,
    ) -> Result<Self, Error> {
        let filter = filter(level)?;
        // A program that already has a subscriber keeps it.
        if tracing::dispatcher::has_been_set() {
            return Ok(Self { queue: None });
        }
        let queue = serving.then(|| Queue::start(stderr.clone())).transpose().map_err(|error| {
            let reason = error::plain(&error);
            Error::new(Exit::Unexpected, format!("cannot start the log: {reason}"))
        })?;
        let writer = if let Some(queue) = queue.clone() {
            panic::set_hook(Box::new(log_panic));
            BoxMakeWriter::new(move || queue.clone())
        } else {
            let stderr = stderr.clone();
            BoxMakeWriter::new(move || stderr.clone())
        };
        let detailed = serving || filter.max_level_hint() > Some(LevelFilter::INFO);
        let log = tracing_subscriber::fmt()
            .with_env_filter(filter)
            .with_ansi(stderr.has_color(color))
            .with_writer(writer)
            // It would print that a line could not be written. If that cannot be written either, as on a full disk, it
            // panics.
            .log_internal_errors(false);
        let _ = if detailed { log.try_init() } else { log.event_format(Note(program)).try_init() };
        Ok(Self { queue })
    }

    /// Waits for a short time until everything logged is written. Returns whether `stderr` accepts more.
    pub(crate) fn finish(&self) -> bool {
        self.queue.as_ref().is_none_or(|queue| queue.flush(LAST_LINES))
    }
}

/// Formats an event as a line for the user of a client.
struct Note(&'static str);

impl<S, N> FormatEvent<S, N> for Note
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        write!(writer, "{}: ", self.0)?;
        context.field_format().format_fields(writer.by_ref(), event)?;
        writeln!(writer)
    }
}

fn filter(level: LevelFilter) -> Result<EnvFilter, Error> {
    match env::var(VARIABLE) {
        Ok(directives) if !directives.is_empty() => EnvFilter::builder()
            .with_default_directive(level.into())
            .parse(&directives)
            .map_err(|error| {
                Error::usage(format!("{VARIABLE}: {error}"))
                    .advise("write a level such as debug, or haul_core=trace,info")
            }),
        _ => Ok(EnvFilter::default().add_directive(level.into())),
    }
}

/// Logs a panic. The default hook would wait for the reader of stderr.
fn log_panic(panic: &PanicHookInfo<'_>) {
    let panic = panic.to_string();
    tracing::error!(panic = %Escaped::new(&panic).quoted(), "a thread panicked");
}

/// The level for a program that logs `usual` by default, after `more` times `--verbose`, or `quiet`.
pub(crate) fn level(usual: LevelFilter, more: u8, quiet: bool) -> LevelFilter {
    if quiet {
        return LevelFilter::ERROR;
    }
    let first = LEVELS.iter().position(|level| *level == usual).unwrap_or_default();
    LEVELS[(first + usize::from(more)).min(LEVELS.len() - 1)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_v_shows_one_level_more() {
        assert_eq!(level(LevelFilter::WARN, 0, false), LevelFilter::WARN);
        assert_eq!(level(LevelFilter::WARN, 1, false), LevelFilter::INFO);
        assert_eq!(level(LevelFilter::INFO, 1, false), LevelFilter::DEBUG);
        assert_eq!(level(LevelFilter::INFO, 200, false), LevelFilter::TRACE);
        assert_eq!(level(LevelFilter::INFO, 3, true), LevelFilter::ERROR);
    }
}
