//! Times of files, as RFC 3339 writes them.

use core::fmt;

/// A moment in UTC with nanoseconds, from year 0000 to 9999.
///
/// On the wire and in [`Display`](fmt::Display) it is RFC 3339 in UTC with `Z`. A fraction of zero is left out, and a
/// fraction has no trailing zeros. Leap seconds are not times of files: `:60` is refused.
///
/// ```
/// use haul_core::Timestamp;
///
/// let time = Timestamp::parse("2026-11-22T08:31:25Z").unwrap();
/// assert_eq!(time.seconds(), 1_795_336_285);
/// assert_eq!(time.to_string(), "2026-11-22T08:31:25Z");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp {
    seconds: i64,
    nanos: u32,
}

const SECONDS_PER_DAY: i64 = 86_400;
/// 0000-01-01T00:00:00Z.
const FIRST_SECOND: i64 = -62_167_219_200;
/// 9999-12-31T23:59:59Z.
const LAST_SECOND: i64 = 253_402_300_799;
const NANOS_PER_SECOND: u32 = 1_000_000_000;

impl Timestamp {
    /// 1970-01-01T00:00:00Z.
    pub const EPOCH: Self = Self { seconds: 0, nanos: 0 };

    /// The moment `seconds` and `nanos` after 1970-01-01T00:00:00Z, or `None` outside the years 0000–9999 or if `nanos`
    /// is a second or more.
    pub fn new(seconds: i64, nanos: u32) -> Option<Self> {
        let fits = (FIRST_SECOND..=LAST_SECOND).contains(&seconds) && nanos < NANOS_PER_SECOND;
        fits.then_some(Self { seconds, nanos })
    }

    /// Whole seconds since 1970-01-01T00:00:00Z, rounded down.
    pub fn seconds(self) -> i64 {
        self.seconds
    }

    /// Nanoseconds after the whole second: 0 to 999,999,999.
    pub fn nanos(self) -> u32 {
        self.nanos
    }

    /// Reads RFC 3339 in UTC: `2026-11-22T08:31:25Z`, with `T` and `Z` in upper case and 1 to 9 digits of fraction
    /// allowed.
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = text.as_bytes();
        let [date_time @ .., b'Z'] = bytes else {
            return None;
        };
        let (whole, fraction) = date_time.split_at_checked(19)?;
        let [
            y0,
            y1,
            y2,
            y3,
            b'-',
            mo0,
            mo1,
            b'-',
            d0,
            d1,
            b'T',
            h0,
            h1,
            b':',
            mi0,
            mi1,
            b':',
            s0,
            s1,
        ] = *whole
        else {
            return None;
        };
        let year = number(&[y0, y1, y2, y3])?;
        let month = number(&[mo0, mo1])?;
        let day = number(&[d0, d1])?;
        let (hour, minute, second) = (number(&[h0, h1])?, number(&[mi0, mi1])?, number(&[s0, s1])?);
        let valid = (1..=12).contains(&month)
            && (1..=days_in_month(year, month)).contains(&day)
            && hour < 24
            && minute < 60
            && second < 60;
        if !valid {
            return None;
        }
        let nanos = match fraction {
            [] => 0,
            [b'.', digits @ ..] if (1..=9).contains(&digits.len()) => {
                let scale = 10_u32.pow(u32::try_from(9 - digits.len()).ok()?);
                number(digits)? * scale
            }
            _ => return None,
        };
        let seconds = days_from_civil(year, month, day) * SECONDS_PER_DAY
            + i64::from(hour * 3600 + minute * 60 + second);
        Self::new(seconds, nanos)
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = civil_from_days(self.seconds.div_euclid(SECONDS_PER_DAY));
        let second = self.seconds.rem_euclid(SECONDS_PER_DAY);
        // Every line of a listing has a time, and the formatter takes three times as long.
        let mut text = *b"0000-00-00T00:00:00.000000000Z";
        for (at, value) in [
            (0..4, year),
            (5..7, month),
            (8..10, day),
            (11..13, second / 3600),
            (14..16, second / 60 % 60),
            (17..19, second % 60),
            (20..29, self.nanos.into()),
        ] {
            digits(&mut text[at], value);
        }
        let mut end = 29;
        while text[end - 1] == b'0' && end > 20 {
            end -= 1;
        }
        // No fraction, no decimal point.
        end = if end == 20 { 19 } else { end };
        text[end] = b'Z';
        f.write_str(str::from_utf8(&text[..=end]).map_err(|_| fmt::Error)?)
    }
}

/// Writes `value`, which fits, into `text` with leading zeros.
fn digits(text: &mut [u8], mut value: i64) {
    for digit in text.iter_mut().rev() {
        // The digit is below ten.
        *digit = b'0' + u8::try_from(value % 10).unwrap_or(0);
        value /= 10;
    }
}

fn number(digits: &[u8]) -> Option<u32> {
    digits.iter().try_fold(0, |value: u32, digit| {
        digit.is_ascii_digit().then(|| value * 10 + u32::from(digit - b'0'))
    })
}

fn is_leap(year: u32) -> bool {
    year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
}

fn days_in_month(year: u32, month: u32) -> u32 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

// The proleptic Gregorian calendar counted in 400-year eras that begin on 1 March, so that the leap day is the last of
// its year. Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms".
const DAYS_PER_ERA: i64 = 146_097;
const DAYS_FROM_ERA_0_TO_1970: i64 = 719_468;

fn days_from_civil(year: u32, month: u32, day: u32) -> i64 {
    let year = i64::from(year) - i64::from(month <= 2);
    let (era, year_of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let day_of_year = i64::from((153 * ((month + 9) % 12) + 2) / 5 + day - 1);
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * DAYS_PER_ERA + day_of_era - DAYS_FROM_ERA_0_TO_1970
}

fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let days = days + DAYS_FROM_ERA_0_TO_1970;
    let (era, day_of_era) = (days.div_euclid(DAYS_PER_ERA), days.rem_euclid(DAYS_PER_ERA));
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}
