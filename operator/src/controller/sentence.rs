//! The sentences of conditions.

use super::reasons::Reason;
use crate::validate::Finding;

/// A reason, and what it means here.
pub(super) type Said = (Reason, String);

/// The first reason of findings, and all their sentences.
pub(super) fn say(findings: &[&Finding]) -> Option<Said> {
    let said = findings.iter().map(|finding| match finding.field.as_str() {
        "" => finding.sentence.clone(),
        field => format!("{field}: {}", finding.sentence),
    });
    let sentence = said.collect::<Vec<_>>().join("; ");
    Some((findings.first()?.reason.into(), sentence))
}

/// The longest message that an API server takes in a condition, in characters.
const LONGEST_MESSAGE: usize = 32_768;

/// A sentence that fits.
pub(super) fn shortened(message: String) -> String {
    if message.chars().count() <= LONGEST_MESSAGE {
        return message;
    }
    let kept: String = message.chars().take(LONGEST_MESSAGE - 1).collect();
    format!("{kept}…")
}
