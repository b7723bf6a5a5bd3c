//! The forms of names, labels and annotations, as an API server checks them.
//!
//! # Design
//! The patterns are part of the definitions where a schema can hold them. Those of a pod template are checked by the operator, since the definitions
//! keep pods as they are.

use schemars::Schema;
use serde_json::{Value, json};

use crate::{rules, validate::matches};

/// The form of names within one level of DNS.
pub(crate) const DNS_LABEL: &str = "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$";
/// The form of the names of most objects.
pub(crate) const DNS_SUBDOMAIN: &str =
    r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$";
/// The form of the keys of a Secret or ConfigMap.
pub(crate) const DATA_KEY: &str = "^[-._a-zA-Z0-9]+$";
const PORT_NAME: &str = "^([0-9]+-)*[0-9]*[a-z][a-z0-9]*(-[a-z0-9]+)*$";
const LABEL_VALUE: &str = "^(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?$";
/// Printable characters of ASCII except `=`.
const VARIABLE: &str = "^[ -<>-~]+$";
pub(crate) const LABEL_KEY: &str = r"^([a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*/)?([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]$";
/// An API server compares the keys of annotations without case.
pub(crate) const ANNOTATION_KEY: &str = r"^([A-Za-z0-9]([-A-Za-z0-9]*[A-Za-z0-9])?(\.[A-Za-z0-9]([-A-Za-z0-9]*[A-Za-z0-9])?)*/)?([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]$";
/// The lengths of prefix and name of a key.
pub(crate) const KEY_LENGTHS: &str = "^([^/]{1,253}/)?[^/]{1,63}$";

/// The bytes of all annotations of an object.
const MOST_ANNOTATIONS: usize = 256 << 10;

/// A form that an API server asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// The name of a container, volume or namespace.
    DnsLabel,
    /// The name of most objects.
    DnsSubdomain,
    /// The name of a port.
    PortName,
    /// The name of an environment variable.
    Variable,
    /// The key of a label.
    LabelKey,
    /// The value of a label.
    LabelValue,
    /// The key of an annotation.
    AnnotationKey,
}

impl Form {
    /// A sentence that says what a text must be; `None` if it is that.
    ///
    /// ```
    /// use angzarr_crds::Form;
    /// assert_eq!(Form::PortName.fault("page"), None);
    /// assert!(Form::PortName.fault("Page").is_some());
    /// ```
    pub fn fault(self, text: &str) -> Option<String> {
        let (most, pattern) = match self {
            Self::DnsLabel => (63, DNS_LABEL),
            Self::DnsSubdomain => (253, DNS_SUBDOMAIN),
            Self::PortName => (15, PORT_NAME),
            Self::Variable => (usize::MAX, VARIABLE),
            Self::LabelValue => (63, LABEL_VALUE),
            Self::LabelKey => (usize::MAX, LABEL_KEY),
            Self::AnnotationKey => (usize::MAX, ANNOTATION_KEY),
        };
        let has_lengths = match self {
            Self::LabelKey | Self::AnnotationKey => matches(KEY_LENGTHS, text),
            Self::DnsLabel
            | Self::DnsSubdomain
            | Self::PortName
            | Self::Variable
            | Self::LabelValue => text.len() <= most,
        };
        if has_lengths && matches(pattern, text) {
            return None;
        }
        Some(format!("{text:?} is not {}", self.wanted()))
    }

    fn wanted(self) -> &'static str {
        match self {
            Self::DnsLabel => {
                "a name; write at most 63 lower-case letters, digits and dashes, like page-cache"
            }
            Self::DnsSubdomain => {
                "a name; write at most 253 lower-case letters, digits, dashes and dots, like shop-db"
            }
            Self::PortName => {
                "the name of a port; write at most 15 lower-case letters, digits and single dashes, with a letter, like page"
            }
            Self::Variable => {
                "the name of a variable; write printable ASCII characters without =, like LOG_LEVEL"
            }
            Self::LabelValue => {
                "the value of a label; write at most 63 letters, digits, '-', '_' and '.', with a letter or digit at both ends"
            }
            Self::LabelKey | Self::AnnotationKey => {
                "a key; write at most 63 letters, digits, '-', '_' and '.', with a letter or digit at both ends, like team or example.com/team"
            }
        }
    }
}

/// Why annotations are too large together; `None` if they are not.
pub(crate) fn annotations_fault<'a>(
    entries: impl Iterator<Item = (&'a String, &'a Value)>,
) -> Option<String> {
    let bytes: usize = entries
        .map(|(key, value)| key.len() + value.as_str().map_or(0, str::len))
        .sum();
    (bytes > MOST_ANNOTATIONS)
        .then(|| format!("have {bytes} bytes; write at most {MOST_ANNOTATIONS}"))
}

/// Bounds the labels of a schema.
pub(crate) fn labels(schema: &mut Schema) {
    schema.insert(
        "additionalProperties".to_owned(),
        json!({ "type": "string", "maxLength": 63, "pattern": LABEL_VALUE }),
    );
    rules::keys(schema, "label", LABEL_KEY);
}

/// Bounds the annotations of a schema.
pub(crate) fn annotations(schema: &mut Schema) {
    rules::keys(schema, "annotation", ANNOTATION_KEY);
}

/// Bounds the names of variables in a schema.
pub(crate) fn variables(schema: &mut Schema) {
    if let Some(name) = schema.pointer_mut("/items/properties/name") {
        name["minLength"] = 1.into();
        name["pattern"] = VARIABLE.into();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_form_accepts_what_an_api_server_accepts() {
        let (long, longest) = ("x".repeat(64), "x".repeat(63));
        let prefix = format!("{}.{}.{}.{}", &longest, &longest, &longest, "x".repeat(61));
        let (whole, over) = (format!("{prefix}/{longest}"), format!("{prefix}x/a"));
        let cases: [(Form, &[&str], &[&str]); 7] = [
            (
                Form::DnsLabel,
                &["a", "0", "a-b", &longest],
                &["", "-a", "a-", "A", "a.b", "ä", &long, "a\n"],
            ),
            (
                Form::DnsSubdomain,
                &["a", "a.b-c.d", &prefix],
                &["", ".a", "a..b", "a.-b", "A", &"x".repeat(254)],
            ),
            (
                Form::PortName,
                &["a", "8a", "8-a-9", "a-1", "abcdefghijklmno"],
                &["", "80", "a--b", "-a", "a-", "A", "a_b", "abcdefghijklmnop"],
            ),
            (
                Form::Variable,
                &["A", "a.b-c", "1", "A B", "{x}"],
                &["", "A=B", "ä", "A\n"],
            ),
            (
                Form::LabelValue,
                &["", "a", "A.b_c-d", &longest],
                &[" ", "a b", "-a", "a.", "ä", &long],
            ),
            (
                Form::LabelKey,
                &["a", "A.b_c", "example.com/team", &whole],
                &["", "a b", "/a", "a/", "a/b/c", "A.com/x", &long, &over],
            ),
            (
                Form::AnnotationKey,
                &["a", "Example.com/Team", &whole],
                &["", "a b", "/a", "a/b/c", "-a", &over],
            ),
        ];
        for (form, good, bad) in cases {
            for text in good {
                assert_eq!(form.fault(text), None, "{form:?}");
            }
            for text in bad {
                assert!(form.fault(text).is_some(), "{form:?} {text:?}");
            }
        }
    }

    #[test]
    fn annotations_are_bounded_together() {
        let key = "a".to_owned();
        let (fits, over) = (
            json!("x".repeat(MOST_ANNOTATIONS - 1)),
            json!("x".repeat(MOST_ANNOTATIONS)),
        );
        assert_eq!(annotations_fault([(&key, &fits)].into_iter()), None);
        assert!(annotations_fault([(&key, &over)].into_iter()).is_some());
    }
}
