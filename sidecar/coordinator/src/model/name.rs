//! Names and ids, parsed once at the edge and valid ever after.

use std::fmt;
use std::sync::Arc;

use uuid::Uuid;

/// A name or id that breaks a rule of its type.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what} {rule}")]
pub struct Invalid {
    /// What was read, such as `domain`.
    pub what: &'static str,
    /// The rule that it broke, as the end of a sentence.
    pub rule: &'static str,
}

fn invalid(what: &'static str, rule: &'static str) -> Invalid {
    Invalid { what, rule }
}

/// The name of an aggregate type: lower-case letters, digits and `-`, at most 63 bytes.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Domain(Arc<str>);

impl Domain {
    /// Reads a domain's name.
    ///
    /// # Errors
    /// [`Invalid`] unless the name starts with a letter, ends with a letter or digit, and holds only `a-z`, `0-9` and `-`.
    pub fn parse(name: &str) -> Result<Self, Invalid> {
        let inner = name
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        let ends = name.starts_with(|c: char| c.is_ascii_lowercase()) && !name.ends_with('-');
        if name.len() > 63 || !inner || !ends {
            return Err(invalid(
                "domain",
                "must be 1 to 63 of a-z, 0-9 and -, start with a letter and not end with -",
            ));
        }
        Ok(Self(name.into()))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name as text that is held in common, for what keeps it: a label costs no copy.
    pub fn to_shared(&self) -> Arc<str> {
        Arc::clone(&self.0)
    }
}

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident, $what:literal, $max:literal) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Reads the id.
            ///
            /// # Errors
            /// [`Invalid`] when the text is empty, longer than the limit in bytes, or has a control character.
            pub fn parse(text: &str) -> Result<Self, Invalid> {
                if text.is_empty() || text.len() > $max || text.chars().any(char::is_control) {
                    return Err(invalid($what, concat!("must be 1 to ", $max, " bytes without control characters")));
                }
                Ok(Self(text.into()))
            }

            /// The id as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }
        text_display!($name);
    };
}

macro_rules! text_display {
    ($name:ident) => {
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

text_display!(Domain);
text_id!(
    /// The idempotency key of a command within its stream.
    CommandId,
    "command id",
    200
);
text_id!(
    /// The idempotency key of a fact that happened elsewhere, within its stream.
    ExternalId,
    "external id",
    200
);
text_id!(
    /// The correlation id.
    CorrelationId,
    "correlation id",
    200
);

macro_rules! uuid_id {
    ($(#[$doc:meta])* $name:ident, $what:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(pub Uuid);

        impl $name {
            /// Makes a random id.
            pub fn random() -> Self {
                Self(Uuid::new_v4())
            }

            /// Reads the 16 bytes of an id.
            ///
            /// # Errors
            /// [`Invalid`] when there are not 16 bytes.
            pub fn from_bytes(bytes: &[u8]) -> Result<Self, Invalid> {
                let bytes = bytes.try_into().map_err(|_| invalid($what, "must be 16 bytes"))?;
                Ok(Self(Uuid::from_bytes(bytes)))
            }

            /// The 16 bytes.
            pub fn as_bytes(&self) -> &[u8; 16] {
                self.0.as_bytes()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

uuid_id!(
    /// The id of one instance of an aggregate.
    Root,
    "root"
);
uuid_id!(
    /// The random id of an append, unique over all stores.
    AppendId,
    "append id"
);
uuid_id!(
    /// The random id that a store writes when it is made.
    StoreId,
    "store id"
);
uuid_id!(
    /// The random id of a store's history, changed by a restore.
    Incarnation,
    "incarnation"
);

/// A named branch of history.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Edition {
    /// The main timeline.
    Main,
    /// A branch with its name.
    Branch(Arc<str>),
}

impl Edition {
    /// Reads an edition; an absent one, the empty text and `angzarr` are the main timeline.
    ///
    /// # Errors
    /// [`Invalid`] when the name is longer than 63 bytes or has a control character.
    pub fn parse(name: Option<&str>) -> Result<Self, Invalid> {
        match name {
            None | Some("" | "angzarr") => Ok(Self::Main),
            Some(name) if name.len() <= 63 && !name.chars().any(char::is_control) => {
                Ok(Self::Branch(name.into()))
            }
            Some(_) => Err(invalid(
                "edition",
                "must be at most 63 bytes without control characters",
            )),
        }
    }

    /// The name in keys; the main timeline is `angzarr`.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Main => "angzarr",
            Self::Branch(name) => name,
        }
    }
}

/// The edition for people.
impl fmt::Display for Edition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Main => f.write_str("the main timeline"),
            Self::Branch(name) => write!(f, "{name:?}"),
        }
    }
}

/// Names a stream: the events of one root of one edition. Shown as `domain/root` on the main timeline and as `domain/edition/root` on another.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StreamId {
    /// The partition that stores it.
    pub domain: Domain,
    /// The timeline that it belongs to.
    pub edition: Edition,
    /// The aggregate instance.
    pub root: Root,
}

impl fmt::Display for StreamId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.edition {
            Edition::Main => write!(f, "{}/{}", self.domain, self.root),
            Edition::Branch(name) => write!(f, "{}/{name}/{}", self.domain, self.root),
        }
    }
}

impl fmt::Debug for StreamId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// What reads events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ConsumerKind {
    /// Keeps a read model.
    Projector,
    /// Turns events into commands, without a state.
    Saga,
    /// Turns events into commands, with a state.
    ProcessManager,
}

impl ConsumerKind {
    /// The word in keys, metrics and logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Projector => "projector",
            Self::Saga => "saga",
            Self::ProcessManager => "process-manager",
        }
    }
}

/// Names a consumer; its progress lives under this name and survives the deletion of its resource.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConsumerId {
    /// The namespace of the component.
    pub namespace: Arc<str>,
    /// What it is.
    pub kind: ConsumerKind,
    /// The name of the component, unique within its kind and namespace.
    pub name: Arc<str>,
}

impl fmt::Display for ConsumerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.namespace, self.kind.as_str(), self.name)
    }
}
