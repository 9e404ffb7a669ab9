//! The time a client gives its call: the header `grpc-timeout`.

use std::time::Duration;

use http::HeaderMap;

/// How long the call may take, if the client says it in a way that can be understood.
pub(crate) fn of(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get("grpc-timeout")?.to_str().ok()?;
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    // The protocol has at most eight digits.
    let amount: u64 = digits.parse().ok().filter(|_| digits.len() <= 8)?;
    match unit {
        "H" => Some(Duration::from_secs(amount * 60 * 60)),
        "M" => Some(Duration::from_secs(amount * 60)),
        "S" => Some(Duration::from_secs(amount)),
        "m" => Some(Duration::from_millis(amount)),
        "u" => Some(Duration::from_micros(amount)),
        "n" => Some(Duration::from_nanos(amount)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_unit_is_understood_and_nothing_else() {
        let of = |text: &str| {
            let mut headers = HeaderMap::new();
            headers.insert("grpc-timeout", text.parse().unwrap());
            of(&headers)
        };
        for (text, millis) in [("1H", 3_600_000), ("2M", 120_000), ("3S", 3000), ("40m", 40), ("5000u", 5)] {
            assert_eq!(of(text), Some(Duration::from_millis(millis)));
        }
        assert_eq!(of("99999999n"), Some(Duration::from_nanos(99_999_999)));
        for text in ["", "5", "S", "x5S", "-5S", "123456789S", "5s", "5é"] {
            assert_eq!(of(text), None, "{text}");
        }
    }
}
