//! Durations as users write them: `500ms`, `30s`, `1h30m`.

use std::{borrow::Cow, fmt, str::FromStr, time};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A duration, written as numbers with a unit of `ms`, `s`, `m` or `h`.
///
/// ```
/// let wait: angzarr_crds::Duration = "1m30s".parse()?;
/// assert_eq!(wait.get().as_secs(), 90);
/// # Ok::<(), angzarr_crds::DurationError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Duration(time::Duration);

/// Why a text is not a duration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a duration; write numbers with a unit of ms, s, m or h, like 30s or 1h30m")]
pub struct DurationError(String);

const PATTERN: &str = "^([0-9]{1,9}(ms|s|m|h))+$";
const UNITS: [(&str, u64); 4] = [("ms", 1), ("h", 3_600_000), ("m", 60_000), ("s", 1_000)];

impl Duration {
    /// A span of whole milliseconds.
    pub const fn from_millis(millis: u64) -> Self {
        Self(time::Duration::from_millis(millis))
    }

    /// A span of whole seconds.
    pub const fn from_secs(secs: u64) -> Self {
        Self(time::Duration::from_secs(secs))
    }

    /// The span as the standard library has it.
    pub const fn get(self) -> time::Duration {
        self.0
    }
}

impl From<time::Duration> for Duration {
    /// The span in whole milliseconds, which is what a text can say.
    fn from(span: time::Duration) -> Self {
        Self::from_millis(u64::try_from(span.as_millis()).unwrap_or(u64::MAX))
    }
}

impl From<Duration> for time::Duration {
    fn from(span: Duration) -> Self {
        span.0
    }
}

impl FromStr for Duration {
    type Err = DurationError;

    fn from_str(text: &str) -> Result<Self, DurationError> {
        parse_millis(text)
            .map(Self::from_millis)
            .ok_or_else(|| DurationError(text.to_owned()))
    }
}

fn parse_millis(text: &str) -> Option<u64> {
    let mut rest = text;
    let mut total = 0_u64;
    loop {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        if digits == 0 || digits > 9 {
            return None;
        }
        let (number, tail) = rest.split_at(digits);
        let (unit, scale) = UNITS.iter().find(|(unit, _)| tail.starts_with(unit))?;
        let part = number.parse::<u64>().ok()?.checked_mul(*scale)?;
        total = total.checked_add(part)?;
        rest = &tail[unit.len()..];
        if rest.is_empty() {
            return Some(total);
        }
    }
}

impl fmt::Display for Duration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = self.0.as_millis();
        let parts = [
            (millis / 3_600_000, "h"),
            (millis / 60_000 % 60, "m"),
            (millis / 1_000 % 60, "s"),
            (millis % 1_000, "ms"),
        ];
        if millis == 0 {
            return f.write_str("0s");
        }
        for (number, unit) in parts.into_iter().filter(|(number, _)| *number > 0) {
            write!(f, "{number}{unit}")?;
        }
        Ok(())
    }
}

impl Serialize for Duration {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Duration {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}

impl JsonSchema for Duration {
    fn schema_name() -> Cow<'static, str> {
        "Duration".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": PATTERN, "maxLength": 32 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_add_up_and_print_in_the_largest_units() {
        for (text, millis, printed) in [
            ("500ms", 500, "500ms"),
            ("30s", 30_000, "30s"),
            ("90s", 90_000, "1m30s"),
            ("5m", 300_000, "5m"),
            ("1h30m", 5_400_000, "1h30m"),
            ("0s", 0, "0s"),
        ] {
            let span: Duration = text.parse().unwrap();
            assert_eq!(span, Duration::from_millis(millis), "{text}");
            assert_eq!(span.to_string(), printed);
        }
    }

    #[test]
    fn a_text_without_unit_or_number_is_refused() {
        for text in [
            "",
            "30",
            "s",
            "-1s",
            "1.5s",
            "1d",
            "1s ",
            "1 s",
            "1234567890s",
        ] {
            assert!(text.parse::<Duration>().is_err(), "{text:?}");
        }
    }
}
