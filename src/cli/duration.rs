//! Durations in Go's format, and with days and weeks: `24h0m0s`, `1h30m`, `500ms`, `8d`.

use std::time::Duration;

/// Reads a duration.
pub(super) fn parse(text: &str) -> Result<Duration, String> {
    let invalid =
        || format!("`{text}` is not a duration: write it like `30s`, `24h`, `1h30m` or `8d`");
    if text == "0" {
        return Ok(Duration::ZERO);
    }

    let mut total = Duration::ZERO;
    let mut rest = text;
    while !rest.is_empty() {
        let number_end =
            rest.find(|c: char| !c.is_ascii_digit() && c != '.').ok_or_else(invalid)?;
        let (number, tail) = rest.split_at(number_end);
        let unit_end = tail.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(unit_end);

        let seconds = number.parse::<f64>().ok().zip(unit_seconds(unit)).ok_or_else(invalid)?;
        let part = Duration::try_from_secs_f64(seconds.0 * seconds.1).map_err(|_| invalid())?;
        total = total.checked_add(part).ok_or_else(invalid)?;
        rest = tail;
    }

    if text.is_empty() { Err(invalid()) } else { Ok(total) }
}

/// Writes a duration, rounded down to milliseconds, as a flag would state it: `24h`, `3m`, `60s`, `20ms`.
pub(super) fn text(duration: Duration) -> String {
    if duration.subsec_millis() > 0 {
        return format!("{}ms", duration.as_millis());
    }
    match duration.as_secs() {
        seconds if seconds >= 3600 && seconds.is_multiple_of(3600) => {
            format!("{}h", seconds / 3600)
        }
        seconds if seconds > 60 && seconds.is_multiple_of(60) => format!("{}m", seconds / 60),
        seconds => format!("{seconds}s"),
    }
}

/// Reads a duration above zero.
pub(super) fn parse_positive(text: &str) -> Result<Duration, String> {
    match parse(text)? {
        Duration::ZERO => Err(format!("`{text}` must be longer than zero")),
        duration => Ok(duration),
    }
}

fn unit_seconds(unit: &str) -> Option<f64> {
    Some(match unit {
        "ns" => 1e-9,
        "us" | "µs" => 1e-6,
        "ms" => 1e-3,
        "s" => 1.0,
        "m" => 60.0,
        "h" => 3600.0,
        "d" => 86_400.0,
        "w" => 604_800.0,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_go_writes_them() {
        for (text, millis) in [
            ("24h", 86_400_000),
            ("1h30m", 5_400_000),
            ("500ms", 500),
            ("1.5s", 1500),
            ("2h45m30s", 9_930_000),
            ("0", 0),
            ("0s", 0),
        ] {
            assert_eq!(parse(text), Ok(Duration::from_millis(millis)), "{text}");
        }
        for text in
            ["", "h", "5", "5x", "-1h", "1h-", "..s", "1e9h", &format!("{}h", "9".repeat(400))]
        {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn what_is_written_is_read_back() {
        for millis in [0, 1, 20, 999, 1_000, 1_500, 60_000, 90_000, 180_000, 3_600_000, 90_000_000]
        {
            let duration = Duration::from_millis(millis);
            assert_eq!(parse(&text(duration)), Ok(duration), "{millis}");
        }
    }

    #[test]
    fn no_time_is_distinguished_from_a_short_one() {
        for text in ["0", "0s", "0h0m", "0.1ns"] {
            assert!(parse_positive(text).is_err(), "{text}");
        }
        assert_eq!(parse_positive("1ns"), Ok(Duration::from_nanos(1)));
    }
}
