//! Instants as AWS writes them.

use asof_model::Instant;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

/// RFC 3339; the same with a space or without a zone (then UTC); `Jul 10, 2023, 12:09:47 PM` (UTC); seconds
/// since 1970.
pub(crate) fn parse(text: &str) -> Option<Instant> {
    let text = text.trim();
    if let Ok(instant) = Instant::parse(text) {
        return Some(instant);
    }
    // Java has put a narrow no-break space before AM and PM since its release 20.
    let plain = text.replace(['\u{202f}', '\u{a0}'], " ");
    let civil = plain.parse::<DateTime>().ok().or_else(|| {
        ["%b %d, %Y, %I:%M:%S %p", "%b %d, %Y %I:%M:%S %p"]
            .iter()
            .find_map(|form| jiff::fmt::strtime::parse(form, &plain).ok()?.to_datetime().ok())
    });
    let nanos = match civil {
        Some(civil) => civil.to_zoned(TimeZone::UTC).ok()?.timestamp().as_nanosecond(),
        None => i128::from(plain.parse::<u32>().ok()?) * 1_000_000_000,
    };
    i64::try_from(nanos).ok().map(Instant::from_nanos).filter(|at| at.is_in_range())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::parse;

    #[test]
    fn reads_what_aws_writes() {
        for (text, expected) in [
            ("2023-07-10T12:09:47Z", "2023-07-10T12:09:47Z"),
            ("2023-03-09 10:41:45+00:00", "2023-03-09T10:41:45Z"),
            ("2022-10-13 16:35:33", "2022-10-13T16:35:33Z"),
            ("2025-01-21 18:12:33.000000000", "2025-01-21T18:12:33Z"),
            ("Jul 10, 2023, 12:09:47 PM", "2023-07-10T12:09:47Z"),
            ("Jul 10, 2023, 6:30:22\u{202f}PM", "2023-07-10T18:30:22Z"),
            ("Jul 10, 2023 12:07:14 AM", "2023-07-10T00:07:14Z"),
            ("1688990121", "2023-07-10T11:55:21Z"),
        ] {
            assert_eq!(parse(text).unwrap().to_string(), expected, "{text}");
        }
        assert_eq!(parse("..."), None);
        assert_eq!(parse(""), None);
    }
}
