//! Instants, durations and half-open intervals: nanoseconds, UTC. Text is read and printed by `jiff`.

use std::fmt;

/// Why a text is no instant or duration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TimeError {
    /// Not RFC 3339.
    #[error("not an RFC 3339 instant such as 2026-03-20T12:00:00Z: {0:?}")]
    Instant(String),
    /// Outside of what can be stored.
    #[error("not between 1970 and 2262: {0}")]
    Range(String),
    /// Not ISO 8601, or of months, years or no length.
    #[error(
        "not an ISO 8601 duration of weeks, days, hours, minutes and seconds such as P30D or PT1H: {0:?}"
    )]
    Duration(String),
}

/// A moment: nanoseconds since 1970-01-01T00:00:00Z, UTC, without leap seconds.
///
/// What comes from outside lies in [0, 2^63 - 2] (1970 to 2262). [`Instant::BEGINNING`] is before all of them and
/// [`Instant::FOREVER`] after all of them; both are bounds of intervals only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant(i64);

impl Instant {
    /// The open start of a window without a beginning.
    pub const BEGINNING: Self = Self(i64::MIN);
    /// The open end of what holds until further notice.
    pub const FOREVER: Self = Self(i64::MAX);

    /// From nanoseconds; any value, [`Instant::is_in_range`] tells whether it may come in.
    pub const fn from_nanos(nanos: i64) -> Self {
        Self(nanos)
    }

    /// Nanoseconds since the epoch.
    pub const fn nanos(self) -> i64 {
        self.0
    }

    /// Whether it lies between 1970 and 2262.
    pub const fn is_in_range(self) -> bool {
        self.0 >= 0 && self.0 < i64::MAX
    }

    /// That much later, at most [`Instant::FOREVER`].
    #[must_use]
    pub const fn plus(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(duration.0))
    }

    /// That much earlier, at least [`Instant::BEGINNING`].
    #[must_use]
    pub const fn minus(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(duration.0))
    }

    /// RFC 3339 with any offset, to the nanosecond (a leap second counts as the second before it).
    pub fn parse(text: &str) -> Result<Self, TimeError> {
        let Ok(parsed) = text.parse::<jiff::Timestamp>() else {
            // The library's own range ends in 9999: what is well-formed is told apart from what is not.
            let formed = jiff::fmt::temporal::Pieces::parse(text);
            return Err(match formed {
                Ok(pieces) if pieces.time().is_some() && pieces.offset().is_some() => {
                    TimeError::Range(text.to_owned())
                }
                _ => TimeError::Instant(text.to_owned()),
            });
        };
        let instant = i64::try_from(parsed.as_nanosecond()).map(Self);
        match instant {
            Ok(instant) if instant.is_in_range() => Ok(instant),
            _ => Err(TimeError::Range(text.to_owned())),
        }
    }
}

impl fmt::Display for Instant {
    /// RFC 3339 in UTC with a Z.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_nanosecond(i128::from(self.0)) {
            Ok(timestamp) => timestamp.fmt(f),
            Err(_) => write!(f, "{} ns", self.0),
        }
    }
}

/// A length of time in nanoseconds, never negative.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Duration(i64);

impl Duration {
    /// From nanoseconds; a negative length is none.
    pub const fn from_nanos(nanos: i64) -> Self {
        Self(if nanos < 0 { 0 } else { nanos })
    }

    /// From whole seconds.
    pub const fn from_secs(seconds: i64) -> Self {
        Self::from_nanos(seconds.saturating_mul(1_000_000_000))
    }

    /// Nanoseconds.
    pub const fn nanos(self) -> i64 {
        self.0
    }

    /// ISO 8601 weeks, days (of 24 hours), hours, minutes and seconds.
    pub fn parse(text: &str) -> Result<Self, TimeError> {
        let wrong = || TimeError::Duration(text.to_owned());
        let span = jiff::fmt::temporal::SpanParser::new().parse_span(text).map_err(|_| wrong())?;
        if span.get_years() != 0 || span.get_months() != 0 || span.is_negative() {
            return Err(wrong());
        }
        let days = i128::from(span.get_weeks()) * 7 + i128::from(span.get_days());
        let seconds = days * 86_400
            + i128::from(span.get_hours()) * 3600
            + i128::from(span.get_minutes()) * 60
            + i128::from(span.get_seconds());
        let nanos = seconds * 1_000_000_000
            + i128::from(span.get_milliseconds()) * 1_000_000
            + i128::from(span.get_microseconds()) * 1_000
            + i128::from(span.get_nanoseconds());
        i64::try_from(nanos).map(Self).map_err(|_| wrong())
    }
}

impl fmt::Display for Duration {
    /// ISO 8601, hours at most: `PT1H30M`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        jiff::SignedDuration::from_nanos(self.0).fmt(f)
    }
}

/// Half-open: `from` belongs to it, `to` does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Interval {
    /// The first moment.
    pub from: Instant,
    /// The first moment after it.
    pub to: Instant,
}

impl Interval {
    /// All of time.
    pub const ALWAYS: Self = Self { from: Instant::BEGINNING, to: Instant::FOREVER };

    /// `None` where it would be empty.
    pub fn new(from: Instant, to: Instant) -> Option<Self> {
        (from < to).then_some(Self { from, to })
    }

    /// Whether the moment belongs to it.
    pub fn contains(self, at: Instant) -> bool {
        self.from <= at && at < self.to
    }

    /// Whether both share a moment.
    pub fn overlaps(self, other: Self) -> bool {
        self.from < other.to && other.from < self.to
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn instants_are_read_to_the_nanosecond_and_bounded() {
        let at = Instant::parse("2026-03-20T13:00:00.000000001+01:00").unwrap();
        assert_eq!(at.to_string(), "2026-03-20T12:00:00.000000001Z");
        assert_eq!(Instant::parse("1970-01-01T00:00:00Z").unwrap().nanos(), 0);
        for text in ["1969-12-31T23:59:59Z", "9999-12-31T00:00:00Z", "2262-04-11T23:47:16.854775807Z"] {
            assert_eq!(Instant::parse(text), Err(TimeError::Range(text.into())), "{text}");
        }
        for text in ["", "2026-03-20", "2026-03-20T12:00:00", "yesterday", "2026-13-01T00:00:00Z"] {
            assert_eq!(Instant::parse(text), Err(TimeError::Instant(text.into())), "{text}");
        }
    }

    #[test]
    fn durations_have_a_fixed_length() {
        assert_eq!(Duration::parse("P1W2DT3H4M5.000000006S").unwrap().nanos(), 788_645_000_000_006);
        for text in ["P1M", "P1Y", "-PT1H", "1 hour", "P"] {
            assert_eq!(Duration::parse(text), Err(TimeError::Duration(text.into())), "{text}");
        }
    }
}
