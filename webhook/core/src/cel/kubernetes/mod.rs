//! Kubernetes' libraries of CEL, one a file: what k8s.io/apiserver/pkg/cel/library and cel-go's extensions give a
//! ValidatingAdmissionPolicy of Kubernetes 1.36.

mod cidr;
mod duration;
mod format_string;
mod formats;
mod go_text;
mod ip;
mod list;
mod network_address;
mod quantity;
mod re2;
mod regex;
mod semver;
mod sets;
mod strings;

mod timestamp;
mod two_variables;
mod url;
mod url_text;

use cel::common::ast::LiteralValue;
use cel::common::value::{StaticVal, Val};
use cel::{DeclarationError, Env, ExecutionError};

use super::library::Function;

pub(super) use format_string::check_literal as check_format;
pub(super) use re2::Pattern;
pub(super) use two_variables::ENTRIES;

/// The functions of all libraries.
pub(super) const FUNCTIONS: &[&[Function]] = &[
    quantity::FUNCTIONS,
    sets::FUNCTIONS,
    list::FUNCTIONS,
    strings::FUNCTIONS,
    regex::FUNCTIONS,
    ip::FUNCTIONS,
    cidr::FUNCTIONS,
    url::FUNCTIONS,
    formats::FUNCTIONS,
    semver::FUNCTIONS,
    duration::FUNCTIONS,
    timestamp::FUNCTIONS,
    two_variables::FUNCTIONS,
];

/// Declares them.
pub(super) fn declare(env: &mut Env) -> Result<(), DeclarationError> {
    quantity::declare(env)?;
    sets::declare(env)?;
    list::declare(env)?;
    strings::declare(env)?;
    regex::declare(env)?;
    ip::declare(env)?;
    cidr::declare(env)?;
    url::declare(env)?;
    formats::declare(env)?;
    semver::declare(env)?;
    duration::declare(env)?;
    timestamp::declare(env)?;
    two_variables::declare(env)
}

/// What the functions are, beyond what they do: sizes that only they know.
pub(super) fn size(value: &dyn Val) -> usize {
    value.downcast_ref::<url::Url>().map_or(0, url::Url::len)
        + value.downcast_ref::<semver::Semver>().map_or(0, semver::Semver::len)
}

/// A copy of a value of these libraries, which borrows from nothing.
pub(super) fn copied(value: &dyn Val) -> Option<Box<dyn Val>> {
    fn of<T: Val + StaticVal + Clone>(value: &dyn Val) -> Option<Box<dyn Val>> {
        value.downcast_ref::<T>().map(|value| -> Box<dyn Val> { Box::new(value.clone()) })
    }
    of::<quantity::Quantity>(value)
        .or_else(|| of::<duration::Duration>(value))
        .or_else(|| of::<timestamp::Timestamp>(value))
        .or_else(|| of::<ip::Ip>(value))
        .or_else(|| of::<cidr::Cidr>(value))
        .or_else(|| of::<url::Url>(value))
        .or_else(|| of::<semver::Semver>(value))
        .or_else(|| of::<formats::Format>(value))
}

/// Whether a literal makes a duration or a timestamp: what is wrong with it. As in Kubernetes, a literal int makes no
/// duration.
pub(super) fn try_time(function: &str, literal: &LiteralValue) -> Result<(), String> {
    let made = match (function, literal) {
        ("duration", LiteralValue::String(text)) => duration::Duration::parse(text.inner()).is_some(),
        ("duration", LiteralValue::Int(_)) => false,
        ("timestamp", LiteralValue::String(text)) => timestamp::Timestamp::parse(text.inner()).is_some(),
        ("timestamp", LiteralValue::Int(seconds)) => timestamp::of_seconds(seconds).is_ok(),
        _ => true,
    };
    if made { Ok(()) } else { Err(format!("the argument makes no {function}")) }
}

fn error(function: &str, message: impl Into<String>) -> ExecutionError {
    ExecutionError::function_error(function, message.into())
}

/// A value that only its own functions look into.
macro_rules! opaque {
    ($value:ty, $name:literal) => {
        impl cel::common::value::Val for $value {
            fn get_type(&self) -> &cel::common::types::Type {
                <Self as cel::common::value::Val>::cel_type()
            }

            fn cel_type() -> &'static cel::common::types::Type {
                static TYPE: cel::common::types::Type = cel::common::types::Type::new_unspecified_type($name);
                &TYPE
            }

            fn equals(&self, other: &dyn cel::common::value::Val) -> bool {
                other.downcast_ref::<Self>().is_some_and(|other| self == other)
            }

            fn clone_as_boxed<'v>(&self) -> Box<dyn cel::common::value::Val + 'v> {
                Box::new(self.clone())
            }

            fn as_any(&self) -> Option<&dyn std::any::Any> {
                Some(self)
            }
        }

        impl cel::common::value::StaticVal for $value {}
    };
}
use opaque;
