//! What is found in the policies of `data/pass` and `data/fail`: a policy `NAME.yaml` has its findings in `NAME.want`.
//!
//! `SALLYPORT_BLESS=1` writes the findings there instead of comparing them.

use std::fs;
use std::path::Path;

use sallyport_policy::{Diagnostics, Severity};
use sallyport_traffic::{TrafficPolicySpec, check};
use serde::Deserialize;

#[derive(Deserialize)]
struct Manifest {
    spec: TrafficPolicySpec,
}

#[test]
fn policies_that_pass_have_no_errors_and_are_written_as_they_are_read() {
    for_each("pass", |name, text| {
        let manifest: Manifest =
            serde_saphyr::from_str(text).unwrap_or_else(|error| panic!("{name}: {error}"));
        let written = serde_json::to_string(&manifest.spec).unwrap();
        assert_eq!(serde_json::from_str::<TrafficPolicySpec>(&written).unwrap(), manifest.spec, "{name}");

        let findings = check(&manifest.spec);
        assert!(!findings.has_errors(), "{name}: {}", show(&findings));
        show(&findings)
    });
}

#[test]
fn every_error_is_found_with_its_field() {
    for_each("fail", |name, text| match serde_saphyr::from_str::<Manifest>(text) {
        Ok(manifest) => {
            let findings = check(&manifest.spec);
            assert!(findings.has_errors(), "{name}: {}", show(&findings));
            show(&findings)
        }
        Err(error) => format!("unreadable: {}\n", error.without_snippet()),
    });
}

fn show(findings: &Diagnostics) -> String {
    let lines = findings.iter().map(|finding| {
        let severity = if finding.severity == Severity::Error { "error" } else { "warning" };
        let help = finding.help.as_ref().map(|help| format!(" ({help})")).unwrap_or_default();
        format!("{severity}: {finding}{help}\n")
    });
    lines.collect()
}

#[track_caller]
fn for_each(folder: &str, findings: impl Fn(&str, &str) -> String) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(folder);
    let bless = std::env::var_os("SALLYPORT_BLESS").is_some();
    let mut policies = 0;
    for entry in fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "yaml") {
            assert!(path.with_extension("yaml").exists(), "{} belongs to no policy", path.display());
            continue;
        }
        policies += 1;
        let got = findings(&path.display().to_string(), &fs::read_to_string(&path).unwrap());
        let want = path.with_extension("want");
        if bless {
            fs::write(&want, got).unwrap();
        } else {
            let want =
                fs::read_to_string(&want).unwrap_or_else(|error| panic!("{}: {error}", want.display()));
            assert_eq!(got, want, "{}", path.display());
        }
    }
    assert!(policies > 0, "no policies in {}", folder.display());
}
