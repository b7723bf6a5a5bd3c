use super::*;
use crate::testkit::rules;

#[test]
fn every_rule_compiles() {
    for kind in Kind::ALL {
        let errors = compile_schema(schema(kind));
        assert!(
            !errors.has_errors(),
            "{kind}: {:?}",
            errors.compilation_errors()
        );
    }
}

#[test]
fn every_rule_accepts_and_refuses_its_cases() {
    for rule in rules() {
        for case in rule.cases {
            let (kind, new) = (case.kind, &case.new);
            // What the shape refuses, too, must not hide that a rule does.
            if case.refusal.is_none() {
                assert_eq!(crate::validate_structure(kind, new), [], "{}", rule.name);
            }
            let found = validate_cel(kind, new, case.old.as_ref());
            let is_expected = match (&case.refusal, found.as_slice()) {
                (None, []) => true,
                (Some(wanted), [one]) => {
                    one.path.starts_with(&wanted.field) && one.message.contains(&wanted.sentence)
                }
                _ => false,
            };
            assert!(is_expected, "{}: {case:#?}\nfound {found:#?}", rule.name);
        }
    }
}
