//! What tokens say.

use sallyport_policy::Glob;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::is_default;

/// The names that lead to a claim, from the token's outermost object: `[realm_access, roles]`. A list, because a name
/// may hold dots and slashes.
pub type ClaimPath = Vec<String>;

/// What a claim must be: exactly one of present, equals, oneOf, contains and matches. Numbers and booleans are compared
/// as JSON writes them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("x-kubernetes-validations" = [{
    "rule": "(has(self.present) ? 1 : 0) + (has(self.equals) ? 1 : 0) + (has(self.oneOf) ? 1 : 0) + \
             (has(self.contains) ? 1 : 0) + (has(self.matches) ? 1 : 0) == 1",
    "message": "exactly one of present, equals, oneOf, contains and matches is needed"
}]))]
pub struct ClaimRule {
    /// The names that lead to the claim: `[sub]`, `[realm_access, roles]`.
    #[schemars(length(min = 1, max = 8), inner(length(min = 1, max = 256)))]
    pub claim: ClaimPath,
    /// Whose token is looked at; by default every token that the rule accepted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub provider: Option<String>,
    /// Whether the claim is there. A claim that is null is not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub present: Option<bool>,
    /// The claim's value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub equals: Option<String>,
    /// The values that the claim may have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64), inner(length(max = 1024)))]
    pub one_of: Option<Vec<String>>,
    /// A value that the claim holds: an element of a list, or a word of a text with spaces, as in `scope`
    /// (RFC 8693 §4.2).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1024))]
    pub contains: Option<String>,
    /// A pattern for the claim's whole value, in which `*` stands for any run of characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1024))]
    pub matches: Option<Glob>,
}

/// The one test of a [`ClaimRule`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClaimTest<'a> {
    /// The claim is there, or is absent.
    Present(bool),
    /// Its value is this.
    Equals(&'a str),
    /// Its value is one of these.
    OneOf(&'a [String]),
    /// It holds this value.
    Contains(&'a str),
    /// Its value fits the pattern.
    Matches(&'a Glob),
}

impl ClaimRule {
    /// The test, when there is exactly one.
    #[must_use]
    pub fn test(&self) -> Option<ClaimTest<'_>> {
        let mut tests = [
            self.present.map(ClaimTest::Present),
            self.equals.as_deref().map(ClaimTest::Equals),
            self.one_of.as_deref().map(ClaimTest::OneOf),
            self.contains.as_deref().map(ClaimTest::Contains),
            self.matches.as_ref().map(ClaimTest::Matches),
        ]
        .into_iter()
        .flatten();
        tests.next().filter(|_| tests.next().is_none())
    }
}

/// A claim that the application gets as a request header.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ClaimToHeader {
    /// The names that lead to the claim. A claim that is absent sets no header.
    #[schemars(length(min = 1, max = 8), inner(length(min = 1, max = 256)))]
    pub claim: ClaimPath,
    /// The header's name (RFC 9110 §5.1).
    #[schemars(length(min = 1, max = 256))]
    pub header: String,
    /// How the claim is written: Text (the default) or Base64urlJson.
    #[serde(default, skip_serializing_if = "is_default")]
    pub encoding: ClaimEncoding,
}

/// How a claim is written into a header.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum ClaimEncoding {
    /// A text as it stands; a number, true and false as JSON writes them; of a list the elements, with commas between
    /// them. Nothing else sets a header: an object, a list in a list, a text with characters that a header can't hold or,
    /// in a list, with a comma.
    #[default]
    Text,
    /// The claim as JSON, in base64url without padding (RFC 4648 §5).
    Base64urlJson,
}
