//! What looks like a secret or a payment card's number.
//!
//! There is one list of what does, and two ways to look. Who refuses a value for it must be sure, or nothing could be
//! written; who leaves it out of a log takes too much rather than too little (PCI DSS 4.0 requirement 3.3, and 10.3 for
//! the logs themselves). Every search takes time linear in the text.

mod pattern;
mod redact;
mod sure;
mod token;
mod value;
mod wary;

use std::ops::Range;

use sallyport_policy::card;

pub use redact::{redact, redact_start};

/// How a text is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Look {
    /// What is found is a secret: it stands by itself, as its issuer writes it.
    Sure,
    /// What is found may be one, wherever it stands.
    Wary,
}

/// What looks like a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    PrivateKey,
    Jwt,
    AwsKeyId,
    Token(&'static str),
    SlackWebhook,
    AwsSecretKey,
    Bearer,
    Basic,
    InUrl,
    InDataSourceName,
    InSetting,
    InArgument,
    Card,
}

impl Kind {
    /// In words.
    fn what(self) -> &'static str {
        match self {
            Self::PrivateKey => "a private key",
            Self::Jwt => "a JSON Web Token",
            Self::AwsKeyId => "an AWS access key id",
            Self::Token(what) => what,
            Self::SlackWebhook => "a Slack webhook",
            Self::AwsSecretKey => "an AWS secret access key",
            Self::Bearer => "a bearer token",
            Self::Basic => "basic credentials",
            Self::InUrl => "a password in a URL",
            Self::InDataSourceName => "a password in a data source name",
            Self::InSetting => "a password in a connection string",
            Self::InArgument => "a password in a command line",
            Self::Card => "a card number",
        }
    }

    /// In the place of what is left out.
    fn name(self) -> &'static str {
        match self {
            Self::PrivateKey => "pem",
            Self::Jwt => "jwt",
            Self::AwsKeyId | Self::AwsSecretKey => "aws-key",
            Self::Token(_) | Self::SlackWebhook => "token",
            Self::Bearer => "bearer-token",
            Self::Basic => "basic-credentials",
            Self::InUrl | Self::InDataSourceName | Self::InArgument => "password",
            Self::InSetting => "secret",
            Self::Card => "card-number",
        }
    }
}

/// Something found.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Found {
    range: Range<usize>,
    kind: Kind,
}

/// What kind of secret a value is or holds, in words; of several, the one that says most.
pub(crate) fn shape(value: &str) -> Option<&'static str> {
    let found = pattern::find(value, Look::Sure).into_iter().map(|found| found.kind);
    let kind = found.min().or_else(|| card::is_in(value).then_some(Kind::Card))?;
    Some(kind.what())
}
