//! gRPC's deadlines.

use std::time::{Duration, Instant};

use http::{HeaderMap, HeaderValue};

/// How long the caller waits, from now.
pub(super) fn of(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get("grpc-timeout")?.to_str().ok()?;
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    // A number may have a sign where it is parsed, not here.
    let amount: u64 = digits.parse().ok().filter(|_| digits.bytes().all(|b| b.is_ascii_digit()))?;
    match unit {
        "H" => Some(Duration::from_secs(amount.checked_mul(3600)?)),
        "M" => Some(Duration::from_secs(amount.checked_mul(60)?)),
        "S" => Some(Duration::from_secs(amount)),
        "m" => Some(Duration::from_millis(amount)),
        "u" => Some(Duration::from_micros(amount)),
        "n" => Some(Duration::from_nanos(amount)),
        _ => None,
    }
}

/// The moment until which the caller waits, unless it is beyond reckoning.
pub(super) fn moment(headers: &HeaderMap) -> Option<Instant> {
    Instant::now().checked_add(of(headers)?)
}

/// The header for what is left of it; the form allows eight digits.
pub(super) fn header(left: Duration) -> HeaderValue {
    let micros = left.as_micros();
    let text = match micros {
        0..=99_999_999 => format!("{micros}u"),
        _ if left.as_secs() <= 99_999 => format!("{}m", left.as_millis()),
        _ => format!("{}S", left.as_secs().min(99_999_999)),
    };
    HeaderValue::try_from(text).unwrap_or_else(|_| HeaderValue::from_static("99999999S"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_is_told_in_eight_digits_and_read_back() {
        for (left, text) in [
            (Duration::from_micros(1), "1u"),
            (Duration::from_micros(99_999_999), "99999999u"),
            (Duration::from_secs(100), "100000m"),
            (Duration::from_secs(99_999), "99999000m"),
            (Duration::from_secs(100_000), "100000S"),
            (Duration::from_secs(u64::MAX), "99999999S"),
        ] {
            assert_eq!(header(left), text);
            let headers = HeaderMap::from_iter([("grpc-timeout".parse().unwrap(), header(left))]);
            assert_eq!(of(&headers), Some(left.min(Duration::from_secs(99_999_999))));
        }
    }
}
