//! The tables of `manifests/examples/REQUIREMENTS.md` are whole, and name files and tests that are there.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use sallyport_tests::examples::manifests;

/// How many lines each guide has.
const GUIDES: [(char, usize); 5] = [('M', 9), ('F', 12), ('A', 8), ('V', 9), ('P', 10)];

/// A row of a table: what is asked for, what it is met by, and the tests.
struct Row {
    met_by: String,
    tests: String,
}

/// The rows by their identifiers; one that comes twice is refused.
fn rows() -> Result<BTreeMap<String, Row>> {
    let text = fs::read_to_string(manifests().join("examples/REQUIREMENTS.md"))?;
    let mut rows = BTreeMap::new();
    for line in text.lines().filter(|line| line.starts_with("| ")) {
        let cells: Vec<&str> = line.trim_matches('|').split(" | ").map(str::trim).collect();
        if let [id, asked, met_by, tests] = cells[..]
            && is_identifier(id)
        {
            ensure!(!asked.is_empty() && !met_by.is_empty(), "{id}: {line}");
            let row = Row { met_by: met_by.to_owned(), tests: tests.to_owned() };
            ensure!(rows.insert(id.to_owned(), row).is_none(), "{id} comes twice");
        }
    }
    Ok(rows)
}

fn is_identifier(text: &str) -> bool {
    let mut characters = text.chars();
    characters.next().is_some_and(|first| GUIDES.iter().any(|(guide, _)| *guide == first))
        && text.len() > 1
        && characters.all(|digit| digit.is_ascii_digit())
}

#[test]
fn every_line_of_the_guides_has_its_row() -> Result<()> {
    let wanted =
        GUIDES.iter().flat_map(|(guide, lines)| (1..=*lines).map(move |line| format!("{guide}{line}")));
    let (wanted, there) = (wanted.collect::<BTreeSet<_>>(), rows()?.into_keys().collect::<BTreeSet<_>>());
    assert_eq!(wanted, there);
    Ok(())
}

#[test]
fn every_file_that_a_row_names_is_there_and_every_row_is_shown_or_says_why_not() -> Result<()> {
    let folder = manifests().join("examples");
    for (id, row) in rows()? {
        let files: Vec<&str> =
            row.met_by.split("](").skip(1).filter_map(|rest| rest.split([')', '#']).next()).collect();
        for file in &files {
            ensure!(folder.join(file).exists(), "{id}: {file}");
        }
        let outside = row.met_by.to_lowercase().contains("outside: ");
        let shown = !names(&row.tests).is_empty();
        ensure!(shown || outside, "{id} is shown by no test, and says nothing of why");
        ensure!(!files.is_empty() || row.met_by.contains('`') || outside, "{id} is met by nothing");
    }
    Ok(())
}

/// Both ways: a test that no row names is one that nobody finds.
#[test]
fn every_test_that_a_row_names_is_there_and_no_test_of_a_line_is_left_out() -> Result<()> {
    let mut named = BTreeSet::new();
    for (id, row) in rows()? {
        for name in names(&row.tests) {
            let of = name.split('_').next().unwrap_or_default().to_uppercase();
            ensure!(of == id, "{name} is in the row of {id}");
            named.insert(name.to_owned());
        }
    }
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let mut there = BTreeSet::new();
    for binary in ["integration", "filter", "systems"] {
        let mut sources = Vec::new();
        sources_below(&folder.join(binary), &mut sources)?;
        for source in sources {
            let text = fs::read_to_string(&source).with_context(|| source.display().to_string())?;
            there.extend(
                text.split("#[test]\n").skip(1).chain(text.split("#[tokio::test]\n").skip(1)).filter_map(
                    |rest| {
                        let (_, after) = rest.split_once("fn ")?;
                        let name = after.split('(').next()?;
                        is_of_a_line(name).then(|| name.to_owned())
                    },
                ),
            );
        }
    }
    assert_eq!(named, there);
    Ok(())
}

fn sources_below(folder: &Path, sources: &mut Vec<PathBuf>) -> Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            sources_below(&path, sources)?;
        } else if path.extension().is_some_and(|it| it == "rs") {
            sources.push(path);
        }
    }
    Ok(())
}

/// The tests that a cell names: `m1_every_pod`, with the way to it before it.
fn names(cell: &str) -> Vec<&str> {
    let code = cell.split('`').skip(1).step_by(2);
    code.filter_map(|code| code.rsplit("::").next()).filter(|name| is_of_a_line(name)).collect()
}

/// Whether a test is about a line: it begins with its identifier.
fn is_of_a_line(name: &str) -> bool {
    name.split_once('_').is_some_and(|(id, _)| is_identifier(&id.to_uppercase()))
}
