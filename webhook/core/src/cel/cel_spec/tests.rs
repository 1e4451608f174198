//! Runs them all, from where `e2e/tools/install cel-spec` links them to.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::PathBuf;
use std::{env, fs, io};

use serde::Deserialize;

use super::case::Case;

/// Tests that are left out, by what they have in common.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LeftOut {
    reason: String,
    /// `FILE`, `FILE/SECTION` or `FILE/SECTION/TEST`.
    tests: Vec<String>,
}

fn cases() -> Vec<Case> {
    let home = || PathBuf::from(env::var_os("HOME").expect("HOME is set")).join(".cache");
    let caches = || env::var_os("XDG_CACHE_HOME").map_or_else(home, PathBuf::from);
    let cache = env::var_os("SALLYPORT_CACHE").map_or_else(|| caches().join("sallyport"), PathBuf::from);
    let folder = cache.join("corpus/cel-spec");
    let files =
        fs::read_dir(&folder).unwrap_or_else(|_| panic!("{} is missing: run `make tools`", folder.display()));
    let mut files: Vec<PathBuf> = files.map(|entry| entry.expect("the folder can be read").path()).collect();
    files.sort();
    let mut cases = Vec::new();
    for file in files.iter().filter(|file| file.extension().is_some_and(|of| of == "textproto")) {
        let name = file.file_stem().and_then(|name| name.to_str()).expect("a file has a name");
        cases.extend(Case::all_of(name, &fs::read_to_string(file).expect("the file can be read")));
    }
    cases
}

#[test]
fn expressions_give_what_cel_spec_says_or_are_left_out_for_a_reason() {
    let table = include_str!("../../../tests/data/cel/cel-spec.yaml");
    let left_out: Vec<LeftOut> = serde_saphyr::from_str(table).expect("the table can be read");
    let mut entries: BTreeMap<String, usize> = BTreeMap::new();
    for LeftOut { reason, tests } in &left_out {
        assert!(!reason.is_empty() && !tests.is_empty());
        for test in tests {
            assert!(entries.insert(test.clone(), 0).is_none(), "{test} is listed twice");
        }
    }
    let (mut passed, mut skipped, mut wrong) = (0, 0, Vec::new());
    let cases = cases();
    for case in &cases {
        let [file, section, name] = &case.path;
        let paths = [file.clone(), format!("{file}/{section}"), format!("{file}/{section}/{name}")];
        let listed: Vec<&String> = paths.iter().filter(|path| entries.contains_key(*path)).collect();
        for path in &listed {
            *entries.get_mut(*path).expect("it is listed") += 1;
        }
        let (path, source) = (&paths[2], case.source());
        match (case.run(), listed.as_slice()) {
            (Ok(()), []) => passed += 1,
            (Err(_), [_]) => skipped += 1,
            (Err(difference), []) => wrong.push(format!("{path}: {source}: {difference}")),
            (Ok(()), listed) => {
                wrong.push(format!("{path}: {source}: passes, and is left out by {listed:?}"));
            }
            (Err(_), listed) => wrong.push(format!("{path} is left out more than once: {listed:?}")),
        }
    }
    let unused = entries.iter().filter(|(_, count)| **count == 0);
    wrong.extend(unused.map(|(path, _)| format!("{path}: there is no such test")));
    // Past the capture of output, so that the figures are seen where the test passes.
    let count = cases.len();
    writeln!(
        io::stderr(),
        "cel-spec: {count} tests, {passed} passed, {skipped} left out, {} wrong",
        wrong.len()
    )
    .expect("standard error can be written to");
    assert!(wrong.is_empty(), "{} of {count}:\n{}", wrong.len(), wrong.join("\n"));
    let said = format!("{passed} of {count}");
    assert!(
        include_str!("../../../../../docs/cel.md").contains(&said),
        "docs/cel.md says otherwise than {said}"
    );
}
