//! The known word that a misspelled word may stand for.

/// Returns the known word most similar to `word`, if one is similar enough. Case, `-` and `_` are
/// ignored.
pub fn nearest<'a>(word: &str, known: &[&'a str]) -> Option<&'a str> {
    let plain = |text: &str| text.replace(['-', '_'], "").to_lowercase();
    let wanted = plain(word);
    known
        .iter()
        .map(|candidate| {
            let score = strsim::jaro_winkler(&wanted, &plain(candidate));
            (score, *candidate)
        })
        .filter(|(score, _)| *score >= 0.82)
        .max_by(|left, right| left.0.total_cmp(&right.0))
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn a_slip_finds_the_word_and_a_stranger_finds_none() {
        let known = [
            "domain",
            "eventTypes",
            "eventStoreRef",
            "replicas",
            "sources",
        ];
        for (word, meant) in [
            ("domian", Some("domain")),
            ("event_types", Some("eventTypes")),
            ("replica", Some("replicas")),
            ("Source", Some("sources")),
            ("colour", None),
        ] {
            assert_eq!(nearest(word, &known), meant, "{word}");
        }
    }
}
