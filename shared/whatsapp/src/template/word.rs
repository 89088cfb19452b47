//! Meta's enumerations: known words are variants, unknown ones are kept as they are.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

macro_rules! words {
    ($($(#[$doc:meta])* $name:ident { $($variant:ident = $word:literal,)* })*) => {$(
        $(#[$doc])*
        ///
        /// Read in any case, written as Meta writes it. A word we do not know is `Other` and stays as it is.
        #[derive(Debug, Clone, PartialEq, Eq, Hash)]
        #[allow(missing_docs, reason = "the names are Meta's own words")]
        pub enum $name {
            $($variant,)*
            Other(String),
        }

        impl $name {
            /// The word.
            pub fn as_str(&self) -> &str {
                match self {
                    $(Self::$variant => $word,)*
                    Self::Other(word) => word,
                }
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let word = String::deserialize(deserializer)?;
                $(if word.eq_ignore_ascii_case($word) {
                    return Ok(Self::$variant);
                })*
                Ok(Self::Other(word))
            }
        }
    )*};
}

words! {
    /// What a template is for, and so what it costs (REQUIREMENTS §4).
    Category {
        Utility = "UTILITY",
        Marketing = "MARKETING",
        Authentication = "AUTHENTICATION",
    }
    /// How variables are written: `{{1}}` or `{{name}}`.
    ParameterFormat {
        Positional = "POSITIONAL",
        Named = "NAMED",
    }
    /// Where a template stands in Meta's review (WHATSAPP.md §2.4).
    Status {
        Approved = "APPROVED",
        Pending = "PENDING",
        Rejected = "REJECTED",
        Paused = "PAUSED",
        Disabled = "DISABLED",
        Flagged = "FLAGGED",
        InAppeal = "IN_APPEAL",
        Reinstated = "REINSTATED",
        PendingDeletion = "PENDING_DELETION",
        Deleted = "DELETED",
        Archived = "ARCHIVED",
        Unarchived = "UNARCHIVED",
        Locked = "LOCKED",
        LimitExceeded = "LIMIT_EXCEEDED",
    }
    /// Why Meta rejected a template.
    RejectedReason {
        None = "NONE",
        AbusiveContent = "ABUSIVE_CONTENT",
        IncorrectCategory = "INCORRECT_CATEGORY",
        InvalidFormat = "INVALID_FORMAT",
        Promotional = "PROMOTIONAL",
        Scam = "SCAM",
        TagContentMismatch = "TAG_CONTENT_MISMATCH",
    }
    /// What customers make of a template.
    Quality {
        Green = "GREEN",
        Yellow = "YELLOW",
        Red = "RED",
        Unknown = "UNKNOWN",
    }
    /// What a header is. `Gif` is for the Marketing Messages API, `Product` for cards of a catalogue.
    HeaderFormat {
        Text = "TEXT",
        Image = "IMAGE",
        Video = "VIDEO",
        Gif = "GIF",
        Document = "DOCUMENT",
        Location = "LOCATION",
        Product = "PRODUCT",
    }
    /// How a one-time code gets from the message into the app.
    OtpType {
        CopyCode = "COPY_CODE",
        OneTap = "ONE_TAP",
        ZeroTap = "ZERO_TAP",
    }
}
