//! The defaults of a list of amounts.

use super::canonical_quantity::CanonicalQuantity;
use super::object;
use crate::object::Fields;

/// Rounds the amounts in field `name` up to thousandths (SetDefaults_ResourceList), in their canonical form.
pub(super) fn apply(fields: &mut Fields, name: &str) {
    let Some(amounts) = object(fields, name) else { return };
    for amount in amounts.values_mut() {
        if let Some(mut quantity) = CanonicalQuantity::read(amount) {
            quantity.round_up_to_milli();
            *amount = quantity.to_string().into();
        }
    }
}
