//! Lines from a file or a pipe.

use std::io::BufRead;

use super::line::Line;
use super::{Flow, execute};
use crate::app::App;
use crate::commands::tally::Tally;
use crate::error::{self, Error};
use crate::exit::Exit;
use crate::transport::Transport;

/// Runs the lines of `input`, called `name` in errors, up to its end or an `EXIT`. Unless `keep_going` is set, the
/// first failure ends it too, and its code is returned.
pub(super) fn run<T: Transport>(
    app: &mut App<'_, T>,
    name: &str,
    input: impl BufRead,
    keep_going: bool,
) -> Exit {
    let mut tally = Tally::default();
    for (number, text) in (1_u64..).zip(input.lines()) {
        let (line, readable) = match text {
            Ok(text) => (Line::parse(&text), true),
            Err(error) => (Err(Error::new(Exit::Local, error::plain(&error))), false),
        };
        if matches!(line, Ok(Line::Nothing)) {
            continue;
        }
        app.place = Some(format!("{name}:{number}"));
        match line.and_then(|line| execute(app, line)) {
            Ok(Flow::End) => break,
            Ok(Flow::Continue) => tally.count(app, &Ok(0)),
            Ok(Flow::Failed(exit)) if exit == Exit::Interrupted || !keep_going => return exit,
            Ok(Flow::Failed(exit)) => tally.reported(exit),
            Err(error) => {
                let over = !readable || error.is_silent() || error.exit() == Exit::Interrupted;
                if over || !keep_going {
                    return app.report(&error);
                }
                tally.count(app, &Err(error));
            }
        }
    }
    tally.exit()
}
