//! Numbers on the command line, and the errors for wrong ones.

use std::fmt::Display;
use std::num::NonZeroUsize;
use std::ops::RangeInclusive;
use std::str::FromStr;
use std::time::Duration;

/// A year is practically forever, and sums of such durations do not overflow.
pub(crate) const SECONDS_PER_YEAR: u64 = 365 * 24 * 60 * 60;

/// Parses a timeout in seconds.
pub(crate) fn seconds(text: &str) -> Result<Duration, String> {
    whole("a whole number of seconds", 1..=SECONDS_PER_YEAR)(text).map(Duration::from_secs)
}

/// Parses a number within `range`. The error says that it must be `what` within that range.
pub(crate) fn whole<T>(
    what: &'static str,
    range: RangeInclusive<T>,
) -> impl Fn(&str) -> Result<T, String> + Clone
where
    T: FromStr + PartialOrd + Display + Clone,
{
    move |text| {
        let number = text.parse().ok().filter(|number| range.contains(number));
        number.ok_or_else(|| format!("{what} from {} to {}", range.start(), range.end()))
    }
}

/// Parses a limit of at least 1.
pub(crate) fn at_least_one(text: &str) -> Result<NonZeroUsize, String> {
    text.parse().map_err(|_| String::from("a whole number from 1"))
}
