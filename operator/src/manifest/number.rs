//! Numbers as kubectl hands them to an API server.

use serde_json::Value;

/// Whole numbers up to here are exact in a fraction's 64 bits.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// Makes integers of fractions that are whole, like `1.0`, `1e3` and `089`, which YAML 1.1 does not read as octal. kubectl sends them without a
/// point, and an API server refuses a point where a field is an integer.
pub(super) fn make_whole(value: &mut Value) {
    match value {
        Value::Number(number) if number.is_f64() => {
            let fraction = number.as_f64().unwrap_or_default();
            if fraction.fract() == 0.0 && fraction.abs() <= EXACT {
                *value = Value::from(fraction as i64);
            }
        }
        Value::Array(items) => items.iter_mut().for_each(make_whole),
        Value::Object(fields) => fields.values_mut().for_each(make_whole),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
