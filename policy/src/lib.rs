//! What both gates share: field paths, diagnostics, names, selectors, durations, quantities, status conditions, card numbers.
//!
//! Everything here is pure: no clock, no environment, no file system, no network, no cluster.

pub mod card;
mod diagnostic;
mod duration;
mod glob;
mod label_selector;
mod name;
mod nearest;
mod path;
mod quantity;
mod secret_variable;
mod status_condition;

pub use diagnostic::{Diagnostic, Diagnostics, Severity};
pub use duration::{Duration, DurationError};
pub use glob::Glob;
pub use label_selector::{LabelSelector, LabelSelectorOperator, LabelSelectorRequirement, Selector};
pub use name::{
    InvalidName, NameKind, check_dns_label, check_dns_subdomain, check_label_key, check_label_value,
};
pub use nearest::nearest;
pub use path::{FieldPath, Segment};
pub use quantity::{Quantity, QuantityError};
pub use secret_variable::{SECRET_VARIABLE_PREFIX, secret_variable};
pub use status_condition::{ConditionStatus, StatusCondition};

/// The API group of all of Sallyport's resources.
pub const GROUP: &str = "sallyport.dev";
/// The version of all of Sallyport's resources.
pub const VERSION: &str = "v1alpha1";
/// `apiVersion` of all of Sallyport's resources.
pub const API_VERSION: &str = "sallyport.dev/v1alpha1";

/// What the names of all that attaches the filter to proxies begin with.
pub const ATTACHMENT_PREFIX: &str = "sallyport-";
/// The label that all of it has.
pub const MANAGED_BY: (&str, &str) = ("app.kubernetes.io/managed-by", "sallyport");
