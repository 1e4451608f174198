//! The documents are right: every policy that they show is one, every entry belongs in one, and every command works as
//! it is typed.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use sallyport::policies::load;
use sallyport::source::{SourceText, parse};
use sallyport_tests::control_plane::ControlPlane;
use sallyport_tests::log::Log;
use sallyport_tests::process::Process;
use sallyport_tests::run_dir::RunDir;
use serde_json::Value;

use super::program;

#[test]
fn every_policy_that_the_documents_show_is_right() -> Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut wrong = String::new();
    let mut policies = 0;
    for file in documents(&root)? {
        let text = fs::read_to_string(root.join(&file)).with_context(|| file.display().to_string())?;
        for (line, block) in blocks(&text, "yaml") {
            let Some((lines, policy)) = policy_of(&block) else { continue };
            // As many lines before it, so that a finding has the line of the document.
            let source = SourceText::new(file.display().to_string(), "\n".repeat(line - lines) + &policy);
            let (documents, errors) = parse(&Arc::new(source));
            policies += documents.iter().filter(|document| document.kind() == "WorkloadPolicy").count();
            let loaded = load(documents, &errors);
            for located in loaded.findings {
                if located.to_json()["severity"] == "error" {
                    writeln!(wrong, "{located}")?;
                }
            }
        }
    }
    ensure!(wrong.is_empty(), "{wrong}");
    ensure!(policies >= 20, "only {policies} policies were found");
    Ok(())
}

/// A field that nobody can look up is one that nobody uses.
#[test]
fn every_field_of_a_traffic_policy_is_in_the_documents() -> Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let text = fs::read_to_string(root.join("docs/traffic-fields.md"))?;
    let crd = fs::read_to_string(root.join("manifests/crds/sallyport.dev_trafficpolicies.yaml"))?;
    let crd: Value = serde_saphyr::from_str(&crd)?;
    let spec = crd.pointer("/spec/versions/0/schema/openAPIV3Schema/properties/spec").context("no spec")?;
    let mut names = BTreeSet::new();
    fields_of(spec, &mut names);
    ensure!(names.len() > 80, "only {} fields were found", names.len());
    // As code: alone, or in what it is written in.
    let code: Vec<&str> = text.split('`').skip(1).step_by(2).collect();
    let is_name = |c: char| c.is_ascii_alphanumeric();
    let written =
        |name: &&String| code.iter().any(|code| code.split(|c| !is_name(c)).any(|word| word == *name));
    let missing: Vec<&String> = names.iter().filter(|name| !written(name)).collect();
    ensure!(missing.is_empty(), "docs/traffic-fields.md says nothing of {missing:?}");
    Ok(())
}

/// The names of all fields that a schema has, at any depth.
fn fields_of(schema: &Value, names: &mut BTreeSet<String>) {
    for (name, field) in schema["properties"].as_object().into_iter().flatten() {
        names.insert(name.clone());
        fields_of(field, names);
    }
    for inner in
        [&schema["items"], &schema["additionalProperties"]].into_iter().filter(|inner| inner.is_object())
    {
        fields_of(inner, names);
    }
}

#[tokio::test]
async fn the_api_server_takes_the_webhook_configurations_that_the_documents_show() -> Result<()> {
    let cluster = ControlPlane::shared().await;
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut taken = Vec::new();
    for file in documents(&root)? {
        let text = fs::read_to_string(root.join(&file))?;
        for (line, block) in
            blocks(&text, "yaml").into_iter().filter(|(_, block)| block.contains("CA_BUNDLE"))
        {
            let at = format!("{}:{line}", file.display());
            let block = block.replace("CA_BUNDLE", &BASE64.encode(cluster.ca_pem()));
            let objects: Vec<Value> = serde_saphyr::from_multiple(&block).with_context(|| at.clone())?;
            for object in objects {
                let answer =
                    cluster.objects().create_strictly(&object, true).await.with_context(|| at.clone())?;
                ensure!(answer.warnings.is_empty(), "{at}: {:?}", answer.warnings);
                taken.push(object["kind"].as_str().unwrap_or_default().to_owned());
            }
        }
    }
    assert_eq!(taken, ["MutatingWebhookConfiguration", "ValidatingWebhookConfiguration"]);
    Ok(())
}

/// Commands that other tests run: with the filter's module, and with a cluster.
const ELSEWHERE: [&str; 3] = ["sallyport render ", "sallyport pause", "sallyport resume"];

#[tokio::test]
async fn every_command_that_the_documents_show_works_as_it_is_typed() -> Result<()> {
    let root = fs::canonicalize(Path::new(env!("CARGO_MANIFEST_DIR")).join(".."))?;
    // As the repository's folder, with what the README has saved there.
    let dir = RunDir::create()?;
    for shared in ["manifests", "docs"] {
        symlink(root.join(shared), dir.path().join(shared))?;
    }
    for (_, block) in blocks(&fs::read_to_string(root.join("README.md"))?, "yaml") {
        let name = block
            .lines()
            .next()
            .and_then(|line| line.strip_prefix("# "))
            .context("a block without a name")?;
        fs::write(dir.path().join(name), &block)?;
    }
    let bin = dir.path().join("bin");
    fs::create_dir(&bin)?;
    symlink(program(), bin.join("sallyport"))?;
    let path = format!("{}:/usr/bin:/bin", bin.display());
    let mut ran = 0;
    for file in documents(&root)?.into_iter().chain(["manifests/examples/README.md".into()]) {
        for (line, block) in blocks(&fs::read_to_string(root.join(&file))?, "sh") {
            let mut script = "set -e\n".to_owned();
            for typed in block.replace("\\\n", " ").lines() {
                let at = format!("{}, the block at line {line}: {typed}", file.display());
                if typed.starts_with("sallyport serve") {
                    serves(typed, dir.path()).await.context(at)?;
                } else if typed.starts_with("cd ") {
                    script.push_str(&format!("{typed}\n"));
                    continue;
                } else if typed.starts_with("sallyport ") && !ELSEWHERE.iter().any(|it| typed.starts_with(it))
                {
                    let mut sh = Command::new("sh");
                    let output = sh.args(["-c", &format!("{script}{typed}")]).env("PATH", &path);
                    let output = output.current_dir(dir.path()).output()?;
                    let said = String::from_utf8_lossy(&output.stderr);
                    let in_vain = said.contains("no policy is about");
                    ensure!(output.status.success() && !in_vain, "{at}\n{}\n{said}", output.status);
                } else {
                    continue;
                }
                ran += 1;
            }
        }
    }
    ensure!(ran >= 12, "only {ran} commands were found");
    Ok(())
}

/// Serves as is typed, on free ports.
async fn serves(typed: &str, dir: &Path) -> Result<()> {
    let words = typed.split(" #").next().unwrap_or_default().split_whitespace().skip(1);
    let mut args: Vec<String> = words.map(str::to_owned).collect();
    if let Some(listen) = args.iter().position(|word| word == "--listen") {
        args.drain(listen..listen + 2);
    }
    let any = "127.0.0.1:0";
    args.extend(["--listen", any, "--operations", any, "--log-format", "json"].map(str::to_owned));
    let (_process, errors) = Process::start_heard::<&str>("sallyport", program(), &args, &[], dir)?;
    Log::of(errors).says("listening").await?;
    Ok(())
}

/// The webhook of this name that a document shows.
pub(crate) fn shown(name: &str) -> Result<Value> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    for file in documents(&root)? {
        for (_, block) in blocks(&fs::read_to_string(root.join(&file))?, "yaml") {
            if !block.contains("CA_BUNDLE") {
                continue;
            }
            let objects: Vec<Value> = serde_saphyr::from_multiple(&block)?;
            let webhooks = objects.iter().filter_map(|object| object["webhooks"].as_array()).flatten();
            if let Some(webhook) = webhooks.into_iter().find(|webhook| webhook["name"] == name) {
                return Ok(webhook.clone());
            }
        }
    }
    anyhow::bail!("no document shows {name}")
}

/// README.md and what stands in docs.
fn documents(root: &Path) -> Result<Vec<PathBuf>> {
    let mut files = vec![PathBuf::from("README.md")];
    for entry in fs::read_dir(root.join("docs"))? {
        let name = PathBuf::from(entry?.file_name());
        if name.extension().is_some_and(|extension| extension == "md") {
            files.push(Path::new("docs").join(name));
        }
    }
    files.sort();
    Ok(files)
}

/// The blocks fenced as of this language, each with the number of lines before its first.
fn blocks(text: &str, language: &str) -> Vec<(usize, String)> {
    let begin = format!("```{language}");
    let mut blocks = Vec::new();
    let mut lines = text.lines().enumerate();
    while let Some((fence, line)) = lines.next() {
        if line == begin {
            let block: Vec<&str> =
                lines.by_ref().map(|(_, line)| line).take_while(|line| *line != "```").collect();
            blocks.push((fence + 1, block.join("\n") + "\n"));
        }
    }
    blocks
}

/// The policy that a block shows, and how many lines stand before the block's own. An entry that stands alone is one of
/// a policy for pods.
fn policy_of(block: &str) -> Option<(usize, String)> {
    if block.starts_with("- name: ") {
        let indented: String = block.lines().map(|line| format!("    {line}\n")).collect();
        return Some((ENTRY_OF.lines().count(), ENTRY_OF.to_owned() + &indented));
    }
    block.lines().any(|line| line == "kind: WorkloadPolicy").then(|| (0, block.to_owned()))
}

const ENTRY_OF: &str = "\
apiVersion: sallyport.dev/v1alpha1
kind: WorkloadPolicy
metadata: {name: an-entry}
spec:
  match: {kinds: [Pod]}
  mutate:
";
