//! Numbers on the command line, and what is said of wrong ones.

use std::fmt::Display;
use std::num::NonZeroUsize;
use std::ops::RangeInclusive;
use std::str::FromStr;
use std::time::Duration;

/// A year is as good as for ever, and fits wherever times are added up.
pub(crate) const SECONDS_PER_YEAR: u64 = 365 * 24 * 60 * 60;

/// Reads a time that something may take.
pub(crate) fn seconds(text: &str) -> Result<Duration, String> {
    whole("a whole number of seconds", 1..=SECONDS_PER_YEAR)(text).map(Duration::from_secs)
}

/// Reads a number within `range`, or says that it shall be `what` from its start to its end.
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

/// Reads how many of something there may be.
pub(crate) fn at_least_one(text: &str) -> Result<NonZeroUsize, String> {
    text.parse().map_err(|_| String::from("a whole number from 1"))
}
