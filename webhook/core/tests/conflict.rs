//! Walks data/conflict: sets of policies, each with the conflicts that are found in it.
//!
//! A case is a stream of policies beside a file `.want` of lines `policy: finding`; none where nothing is found.

mod golden;
mod reading;

#[test]
fn conflicts_are_found_where_two_entries_can_meet() {
    let mut wrong = Vec::new();
    for case in reading::entries(&reading::data().join("conflict")) {
        if case.extension().is_some_and(|extension| extension == "yaml") {
            let set = reading::policy_set(&reading::text(&case).expect("the case can be read"));
            let found: String = set
                .conflicts()
                .iter()
                .map(|found| format!("{}: {}\n", found.loser.policy, found.diagnostic))
                .collect();
            wrong.extend(golden::compare(&case.with_extension("want"), &found));
        }
    }
    golden::all_right(&wrong);
}
