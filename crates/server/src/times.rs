//! Moments and lengths of time as people write them.

use asof_model::{Duration, Instant};

/// RFC 3339, or a day alone: its first moment, UTC.
pub(crate) fn instant(text: &str) -> Result<Instant, String> {
    let day = text.len() == 10 && !text.contains('T');
    Instant::parse(&if day { format!("{text}T00:00:00Z") } else { text.to_owned() })
        .map_err(|error| error.to_string())
}

/// ISO 8601, or a number and a unit: `90m`, `1h`, `30d`, `2w`.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let iso = match text.as_bytes().last() {
        Some(b'P' | b'p') | None => text.to_owned(),
        Some(unit) if !text.starts_with(['P', 'p']) => {
            let number = &text[..text.len() - usize::from(text.is_char_boundary(text.len() - 1))];
            match unit.to_ascii_lowercase() {
                b'w' => format!("P{number}W"),
                b'd' => format!("P{number}D"),
                b'h' => format!("PT{number}H"),
                b'm' => format!("PT{number}M"),
                b's' => format!("PT{number}S"),
                _ => text.to_owned(),
            }
        }
        Some(_) => text.to_owned(),
    };
    Duration::parse(&iso)
        .map_err(|_| format!("{text:?} is no length of time such as 90m, 1h, 30d, 2w or PT1H30M"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_spellings_of_a_length() {
        for (text, seconds) in
            [("90m", 5400), ("1h", 3600), ("30d", 2_592_000), ("2W", 1_209_600), ("PT1H30M", 5400), ("5s", 5)]
        {
            assert_eq!(duration(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        for text in ["", "h", "1y", "x1h", "-1h", "1", "ä", "P"] {
            assert!(duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_day_is_its_first_moment() {
        assert_eq!(instant("2026-03-20"), instant("2026-03-20T00:00:00Z"));
        assert!(instant("2026-03").is_err());
    }
}
