//! Files of policies: whatever they hold, everything that is said of them stands at a place in them, and nothing that
//! is shown steers a terminal.

use std::path::PathBuf;
use std::sync::Arc;

use sallyport::policies::load;
use sallyport::source::{Colour, Document, Located, Location, Reporter, SourceText, parse, read_from};
use sallyport_policy::FieldPath;
use serde_json::Value;

pub(crate) fn run(file: &[u8]) -> bool {
    let (documents, errors) = read_from(&[PathBuf::from("-")], &mut &*file);
    for error in &errors {
        assert!(!error.to_string().is_empty());
        if let Some((text, at)) = &error.place {
            in_text(text, at);
        }
    }
    for document in &documents {
        assert!(!document.kind().is_empty() && !document.api_version().is_empty());
        each_field_has_its_place(document, &document.value, &FieldPath::root());
        read_again(&document.value);
    }
    let texts: Vec<Arc<SourceText>> = documents.iter().map(|document| Arc::clone(&document.origin)).collect();
    let read = !documents.is_empty();
    let loaded = load(documents, &errors);
    for located in &loaded.findings {
        if let (Some(text), Some(at)) = (texts.first(), located.location()) {
            in_text(text, at);
        }
        let written = located.to_json();
        assert_eq!(written["line"].is_null(), located.location().is_none());
        assert!(!located.to_string().contains(steers), "{located}");
    }
    shown(&loaded.findings);
    read
}

/// What JSON writes, the reader of YAML reads: so the webhook reads a policy as the command line does.
pub(crate) fn read_again(value: &Value) {
    let text = Arc::new(SourceText::of_value("request", value));
    let (documents, errors) = parse(&text);
    assert!(errors.is_empty(), "{}\n{}", errors[0], text.text());
    assert_eq!(documents.len(), 1, "{}", text.text());
    assert!(same(&documents[0].value, value), "{}\nis read as\n{}", text.text(), documents[0].value);
}

/// Whether two values are one; Go writes whole floats as integers.
fn same(one: &Value, two: &Value) -> bool {
    match (one, two) {
        (Value::Number(one), Value::Number(two)) => one == two || one.as_f64() == two.as_f64(),
        (Value::Array(one), Value::Array(two)) => {
            one.len() == two.len() && one.iter().zip(two).all(|(one, two)| same(one, two))
        }
        (Value::Object(one), Value::Object(two)) => {
            one.len() == two.len()
                && one.iter().all(|(key, one)| two.get(key).is_some_and(|two| same(one, two)))
        }
        _ => one == two,
    }
}

fn each_field_has_its_place(document: &Document, value: &Value, path: &FieldPath) {
    for at in [document.locate(path), document.locate_key(path), document.locate_value(path)] {
        in_text(&document.origin, &at);
    }
    match value {
        Value::Object(fields) => {
            fields
                .iter()
                .for_each(|(key, value)| each_field_has_its_place(document, value, &path.field(key.clone())));
        }
        Value::Array(list) => {
            list.iter()
                .enumerate()
                .for_each(|(index, value)| each_field_has_its_place(document, value, &path.index(index)));
        }
        _ => {}
    }
}

#[track_caller]
fn in_text(text: &SourceText, at: &Location) {
    assert!(text.text().get(at.byte_range.clone()).is_some(), "{at:?}");
    assert_eq!(&text.location(at.byte_range.clone()), at);
    assert!(at.line >= 1 && at.column >= 1);
}

fn shown(findings: &[Located]) {
    for columns in [None, Some(40)] {
        let mut out = Vec::new();
        let mut reporter = Reporter::new(&mut out, Colour::Off).within(columns);
        for located in findings {
            reporter.located(located).expect("a Vec takes it");
        }
        reporter.finish().expect("a Vec takes it");
        let shown = String::from_utf8(out).expect("a report is UTF-8");
        assert!(!shown.contains(|c| steers(c) && c != '\n'), "{shown:?}");
    }
}

/// Controls, and what changes the direction of text.
fn steers(c: char) -> bool {
    c.is_control() || matches!(c, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}
