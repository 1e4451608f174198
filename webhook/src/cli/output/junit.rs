//! JUnit XML: what continuous integration shows of tests. There is no standard; this is what Jenkins, GitLab and
//! GitHub's reporters read: testsuites, testsuite, testcase, failure, skipped, system-out.

use std::io::{self, Write};

use quick_xml::Writer;
use quick_xml::events::{BytesDecl, BytesText, Event};

use super::super::judge::Judged;
use super::super::told::{Told, Weight, told};
use crate::plain::{visible, visible_lines};

/// A report of several suites.
#[derive(Default)]
pub(in crate::cli) struct Junit {
    suites: Vec<Suite>,
}

struct Suite {
    name: String,
    cases: Vec<Case>,
}

/// One case.
#[derive(Default)]
pub(in crate::cli) struct Case {
    pub(in crate::cli) name: String,
    /// Why it failed: a line, and all that there is to say.
    pub(in crate::cli) failure: Option<(String, String)>,
    /// Why it was not run.
    pub(in crate::cli) skipped: Option<String>,
    /// What else there is to say.
    pub(in crate::cli) output: String,
}

impl Junit {
    /// Adds a case to the suite of a file.
    pub(in crate::cli) fn add(&mut self, file: &str, case: Case) {
        match self.suites.last_mut().filter(|suite| suite.name == file) {
            Some(suite) => suite.cases.push(case),
            None => self.suites.push(Suite { name: file.to_owned(), cases: vec![case] }),
        }
    }

    /// Adds a document as a case: it fails where it is refused, and its warnings are its output.
    pub(in crate::cli) fn add_document(&mut self, judged: &[Judged<'_>]) {
        let Some(one) = judged.first() else { return };
        let file = one.document.origin.name();
        let line = |told: &Told<'_>| {
            let path = if told.path.is_empty() { String::new() } else { format!(" {}:", told.path) };
            format!("{file}:{}: {}{path} {}", told.location.line, told.source, told.message)
        };
        let told = told(judged);
        let (refused, others): (Vec<_>, Vec<_>) =
            told.iter().partition(|told| told.weight == Weight::Refused);
        let text = |all: &[&Told<'_>]| all.iter().map(|told| line(told)).collect::<Vec<_>>().join("\n");
        let failure = refused.first().map(|first| {
            let more = refused.len() - 1;
            let more = if more == 0 { String::new() } else { format!(" (and {more} more)") };
            (format!("{}: {}{more}", first.source, first.message), text(&refused))
        });
        let output = text(&others);
        self.add(file, Case { name: one.title(), failure, output, ..Case::default() });
    }

    /// Writes the report.
    pub(in crate::cli) fn write(&self, out: &mut impl Write) -> io::Result<()> {
        let mut xml = Writer::new_with_indent(&mut *out, b' ', 2);
        xml.write_event(Event::Decl(BytesDecl::new("1.0", Some("UTF-8"), None)))?;
        let all = || self.suites.iter().flat_map(|suite| &suite.cases);
        xml.create_element("testsuites")
            .with_attribute(("name", "sallyport"))
            .with_attributes(counts(all()).iter().map(|(name, count)| (*name, count.as_str())))
            .write_inner_content(|xml| {
                for suite in &self.suites {
                    xml.create_element("testsuite")
                        .with_attribute(("name", &*visible(&suite.name)))
                        .with_attributes(
                            counts(suite.cases.iter()).iter().map(|(name, count)| (*name, count.as_str())),
                        )
                        .write_inner_content(|xml| {
                            suite.cases.iter().try_for_each(|case| write_case(xml, &suite.name, case))
                        })?;
                }
                Ok(())
            })?;
        writeln!(out)
    }
}

fn counts<'c>(cases: impl Iterator<Item = &'c Case>) -> [(&'static str, String); 4] {
    let (mut tests, mut failures, mut skipped) = (0, 0, 0);
    for case in cases {
        tests += 1;
        failures += usize::from(case.failure.is_some());
        skipped += usize::from(case.skipped.is_some());
    }
    [
        ("tests", tests.to_string()),
        ("failures", failures.to_string()),
        ("errors", "0".to_owned()),
        ("skipped", skipped.to_string()),
    ]
}

fn write_case<W: Write>(xml: &mut Writer<W>, suite: &str, case: &Case) -> io::Result<()> {
    let element = xml
        .create_element("testcase")
        .with_attribute(("name", &*visible(&case.name)))
        .with_attribute(("classname", &*visible(suite)));
    if case.failure.is_none() && case.skipped.is_none() && case.output.is_empty() {
        return element.write_empty().map(drop);
    }
    element.write_inner_content(|xml| {
        if let Some((message, text)) = &case.failure {
            xml.create_element("failure")
                .with_attribute(("message", &*visible(message)))
                .write_text_content(BytesText::new(&visible_lines(text)))?;
        }
        if let Some(reason) = &case.skipped {
            xml.create_element("skipped").with_attribute(("message", &*visible(reason))).write_empty()?;
        }
        if !case.output.is_empty() {
            xml.create_element("system-out")
                .write_text_content(BytesText::new(&visible_lines(&case.output)))?;
        }
        Ok(())
    })?;
    Ok(())
}
