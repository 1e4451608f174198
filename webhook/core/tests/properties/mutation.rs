//! Generated pods under generated policies.

use proptest::prelude::*;

use crate::{invariants, pods, policies};

proptest! {
    #![proptest_config(ProptestConfig { cases: 1024, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_invariants_hold(pod in pods::pods(), set in policies::sets()) {
        invariants::hold(&set, &pod);
    }

    #[test]
    fn under_default_nothing_that_was_set_is_lost(pod in pods::pods(), set in policies::default_sets()) {
        let result = invariants::hold(&set, &pod);
        invariants::nothing_set_is_lost(&pod, &result);
    }
}
