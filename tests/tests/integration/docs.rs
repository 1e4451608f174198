//! The documents are right: every policy that they show is one, and every entry belongs in one.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use sallyport::policies::load;
use sallyport::source::{SourceText, parse};
use sallyport_tests::control_plane::ControlPlane;
use serde_json::Value;

#[test]
fn every_policy_that_the_documents_show_is_right() -> Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut wrong = String::new();
    let mut policies = 0;
    for file in documents(&root)? {
        let text = fs::read_to_string(root.join(&file)).with_context(|| file.display().to_string())?;
        for (line, block) in yaml_blocks(&text) {
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

#[tokio::test]
async fn the_api_server_takes_the_webhook_configurations_that_the_documents_show() -> Result<()> {
    let cluster = ControlPlane::shared().await;
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut taken = Vec::new();
    for file in documents(&root)? {
        let text = fs::read_to_string(root.join(&file))?;
        for (line, block) in yaml_blocks(&text).into_iter().filter(|(_, block)| block.contains("CA_BUNDLE")) {
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

/// The blocks fenced as YAML, each with the number of lines before its first.
fn yaml_blocks(text: &str) -> Vec<(usize, String)> {
    let mut blocks = Vec::new();
    let mut lines = text.lines().enumerate();
    while let Some((fence, line)) = lines.next() {
        if line == "```yaml" {
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
