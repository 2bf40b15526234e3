//! Logs, on stderr.

use std::env;

use clap::ColorChoice;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

use crate::console::Stream;
use crate::error::Error;

/// The variable that says in detail what is logged, in the words of `RUST_LOG`.
const VARIABLE: &str = "HAUL_LOG";

/// From little to much.
const LEVELS: [LevelFilter; 4] =
    [LevelFilter::WARN, LevelFilter::INFO, LevelFilter::DEBUG, LevelFilter::TRACE];

/// Begins to log to `stderr` what is at least as important as `level`, unless the environment says otherwise. Only the first call in a process has an effect.
pub(crate) fn start(stderr: &Stream, level: LevelFilter, color: ColorChoice) -> Result<(), Error> {
    let filter = match env::var(VARIABLE) {
        Ok(directives) if !directives.is_empty() => EnvFilter::builder()
            .with_default_directive(level.into())
            .parse(&directives)
            .map_err(|error| {
                Error::usage(format!("{VARIABLE}: {error}"))
                    .advise("write a level such as debug, or haul_core=trace,info")
            })?,
        _ => EnvFilter::default().add_directive(level.into()),
    };
    let stderr = stderr.clone();
    // A program that was given a subscriber already keeps it.
    let _ = tracing_subscriber::fmt()
        .compact()
        .with_env_filter(filter)
        .with_ansi(stderr.has_color(color))
        .with_writer(move || stderr.clone())
        // It would print that a line could not be written, which panics where that cannot be written either: on a full disk.
        .log_internal_errors(false)
        .try_init();
    Ok(())
}

/// The level of a program that begins with `usual` and was asked for `more` of it, or for `quiet`.
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
