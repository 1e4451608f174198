//! The container image, of any static program: what is in it, and that it is the same each time.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use anyhow::{Context as _, Result, ensure};
use aws_lc_rs::digest::{SHA256, digest};
use sallyport_tests::programs;
use sallyport_tests::run_dir::RunDir;
use serde_json::{Value, json};

use crate::program;

const EPOCH: &str = "1767225600";

fn script(name: &str, args: &[&Path]) -> Result<Output> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../image").join(name);
    Ok(Command::new(script).args(args).env("SOURCE_DATE_EPOCH", EPOCH).output()?)
}

/// What a command prints.
fn printed(program: &str, args: &[&Path]) -> Result<Vec<u8>> {
    let output = Command::new(program).args(args).env("TZ", "UTC").output()?;
    ensure!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(output.stdout)
}

fn sha256(data: &[u8]) -> String {
    let hex: String = digest(&SHA256, data).as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{hex}")
}

/// The image of this program, as the tar of a layout, in this folder.
fn image(of: &Path, dir: &Path, name: &str) -> Result<Vec<u8>> {
    let (sbom, out) = (dir.join("sbom"), dir.join(name));
    fs::write(&sbom, "{}")?;
    let output = script("layout", &[of, &sbom, Path::new("1.2.3"), Path::new("c0ffee"), &out])?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(fs::read(out)?)
}

#[test]
fn an_image_is_a_layout_of_a_static_program_for_a_user_without_rights() -> Result<()> {
    let dir = RunDir::create()?;
    let dir = dir.path();
    let stand_in = programs::find("kustomize")?;
    let first = image(&stand_in, dir, "first.tar")?;
    ensure!(first == image(&stand_in, dir, "second.tar")?, "the same program gives another image");

    printed("tar", &[Path::new("-xf"), &dir.join("first.tar"), Path::new("-C"), dir])?;
    let read = |described: &Value| -> Result<Vec<u8>> {
        let digest = described["digest"].as_str().context("no digest")?;
        let data = fs::read(dir.join("blobs").join(digest.replace(':', "/")))?;
        ensure!(sha256(&data) == digest && described["size"] == data.len(), "{described}");
        Ok(data)
    };
    let index: Value = serde_json::from_slice(&fs::read(dir.join("index.json"))?)?;
    let manifest: Value = serde_json::from_slice(&read(&index["manifests"][0])?)?;
    let config: Value = serde_json::from_slice(&read(&manifest["config"])?)?;
    assert_eq!(config["config"]["User"], "65532:65532");
    assert_eq!(config["config"]["Entrypoint"], json!(["/sallyport"]));
    assert_eq!(config["config"]["Labels"]["org.opencontainers.image.version"], "1.2.3");
    assert_eq!(config["created"], "2026-01-01T00:00:00Z");

    fs::write(dir.join("layer.tar.gz"), read(&manifest["layers"][0])?)?;
    let layer = printed("gzip", &[Path::new("-dc"), &dir.join("layer.tar.gz")])?;
    assert_eq!(config["rootfs"]["diff_ids"], json!([sha256(&layer)]));
    fs::write(dir.join("layer.tar"), &layer)?;
    let listed = String::from_utf8(printed(
        "tar",
        &[Path::new("-tvf"), &dir.join("layer.tar"), Path::new("--numeric-owner")],
    )?)?;
    let files: Vec<(&str, &str, &str)> = listed
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>())
        .map(|words| (words[0], words[1], words[5]))
        .collect();
    let (program, text) = ("-rwxr-xr-x", "-rw-r--r--");
    let wanted =
        [(text, "0/0", "LICENSE"), (program, "0/0", "sallyport"), (text, "0/0", "sallyport.cdx.json")];
    assert_eq!(files, wanted);
    let inside = printed("tar", &[Path::new("-xOf"), &dir.join("layer.tar"), Path::new("sallyport")])?;
    ensure!(inside == fs::read(stand_in)?, "another program is in it");
    Ok(())
}

#[test]
fn a_program_that_wants_a_loader_is_refused() -> Result<()> {
    let dir = RunDir::create()?;
    let refused = image(program(), dir.path(), "image.tar");
    ensure!(refused.is_err_and(|error| error.to_string().contains("is not static")));
    Ok(())
}

#[test]
fn the_bill_of_materials_has_what_is_linked_and_nothing_else() -> Result<()> {
    let output = script("sbom", &[Path::new("x86_64-unknown-linux-gnu")])?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let bill: Value = serde_json::from_slice(&output.stdout)?;
    assert_eq!(bill["metadata"]["component"]["version"], env!("CARGO_PKG_VERSION"));
    let components = bill["components"].as_array().context("no components")?;
    let has = |name: &str| components.iter().any(|component| component["name"] == name);
    for linked in ["sallyport-admission", "kube", "rustls", "aws-lc-rs"] {
        ensure!(has(linked), "{linked} is linked");
    }
    for not in ["sallyport-tests", "sallyport-filter", "proptest", "jsonschema", "windows-sys"] {
        ensure!(!has(not), "{not} is not linked");
    }
    for component in components {
        let ours = component["name"].as_str().is_some_and(|name| name.starts_with("sallyport-"));
        ensure!(component["licenses"][0]["expression"].is_string(), "{component}");
        ensure!(ours || component["hashes"][0]["content"].is_string(), "{component}");
    }
    let known: Vec<&Value> = components.iter().map(|component| &component["bom-ref"]).collect();
    for needs in bill["dependencies"].as_array().context("no dependencies")? {
        for needed in needs["dependsOn"].as_array().into_iter().flatten() {
            ensure!(known.contains(&needed), "{needed} is needed and not there");
        }
    }
    Ok(())
}
