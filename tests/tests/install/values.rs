//! The chart's values: each is in the documents, and one that is wrong is refused in words that help.

use std::collections::BTreeMap;
use std::fs;

use anyhow::{Context as _, Result, ensure};
use sallyport_tests::examples::{manifests, read};
use serde_json::Value;

use crate::{chart, helm, kustomized, of_kind, rendered};

#[test]
fn a_value_that_is_wrong_is_refused_with_its_name_and_what_is_wanted() -> Result<()> {
    let chart = chart().display().to_string();
    for (value, said) in [
        ("replicas=two", ["/replicas", "want integer"]),
        ("replica=3", ["additional properties", "'replica'"]),
        ("certificates.from=vault", ["/certificates/from", "'sallyport', 'cert-manager', 'secret'"]),
        ("certificates.from=secret", ["certificates.secret names", "only there"]),
        ("certificates.secret=ours", ["certificates.secret names", "only there"]),
        ("image.digest=sha256:00", ["/image/digest", "does not match pattern"]),
        ("excludeNamespaces={Istio}", ["/excludeNamespaces/0", "does not match pattern"]),
        ("extraArgs={timeout}", ["/extraArgs/0", "does not match pattern"]),
        ("networkPolicy.apiServer={192.0.2.1}", ["/networkPolicy/apiServer/0", "does not match pattern"]),
    ] {
        let output = helm(&["template", "sallyport", &chart, "--set", value])?;
        let message = String::from_utf8_lossy(&output.stderr).into_owned();
        ensure!(!output.status.success(), "{value} is taken");
        ensure!(said.iter().all(|part| message.contains(part)), "{value}: {message}");
    }
    let output = helm(&["template", "other", &chart])?;
    let message = String::from_utf8_lossy(&output.stderr).into_owned();
    ensure!(!output.status.success() && message.contains("its release is called sallyport"), "{message}");
    Ok(())
}

/// What a table of values says of their defaults.
fn documented() -> Result<BTreeMap<String, String>> {
    let text = fs::read_to_string(manifests().join("../docs/install.md"))?;
    let (_, table) = text.split_once("\n| value | ").context("there is no table of values")?;
    let rows = table.lines().skip(2).take_while(|line| line.starts_with('|'));
    let row = |line: &str| -> Option<(String, String)> {
        let cells: Vec<&str> = line.trim_matches('|').split(" | ").map(str::trim).collect();
        let [value, _, default] = cells.as_slice() else { return None };
        Some((value.trim_matches('`').to_owned(), default.trim_matches('`').to_owned()))
    };
    rows.map(|line| row(line).with_context(|| line.to_owned())).collect()
}

/// The values that have no further ones below them, with their defaults.
fn leaves(path: &str, value: &Value, found: &mut BTreeMap<String, String>) {
    match value {
        Value::Object(members) if path != "resources" && !members.is_empty() => {
            for (name, member) in members {
                let dot = if path.is_empty() { "" } else { "." };
                leaves(&format!("{path}{dot}{name}"), member, found);
            }
        }
        Value::String(text) => drop(found.insert(path.to_owned(), text.clone())),
        other => drop(found.insert(path.to_owned(), other.to_string())),
    }
}

#[test]
fn the_documents_have_every_value_with_its_default() -> Result<()> {
    let mut wanted = BTreeMap::new();
    leaves("", &read(&chart().join("values.yaml"))?[0], &mut wanted);
    let mut documented = documented()?;
    // Where none is set, another value says which.
    let tag = documented.get_mut("image.tag").context("no image.tag")?;
    ensure!(tag.contains("appVersion"), "{tag}");
    tag.clear();
    // JSON, in whatever order.
    for map in [&mut wanted, &mut documented] {
        let resources = map.get_mut("resources").context("no resources")?;
        *resources = serde_json::from_str::<Value>(resources)?.to_string();
    }
    assert_eq!(documented, wanted);
    Ok(())
}

#[test]
fn what_is_installed_is_of_the_programs_version() -> Result<()> {
    let version = env!("CARGO_PKG_VERSION");
    let described = &read(&chart().join("Chart.yaml"))?[0];
    assert_eq!(described["version"], version);
    assert_eq!(described["appVersion"], version);
    for objects in [rendered(&[])?, kustomized("base")?] {
        let image = &of_kind(&objects, "Deployment")?["spec"]["template"]["spec"]["containers"][0]["image"];
        assert_eq!(*image, format!("ghcr.io/sallyport-dev/sallyport:{version}"));
    }
    Ok(())
}
