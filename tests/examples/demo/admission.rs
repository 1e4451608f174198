//! The webhook, called as the API server calls it, with every object of the five systems.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context as _, bail};
use base64::Engine as _;
use sallyport::source::{Document, read};
use sallyport_admission::offline::{apply_defaults, pod_of};
use sallyport_admission::{GroupVersionKind, PodBearing};
use sallyport_tests::registration::Server as _;
use sallyport_tests::webhook::Webhook;
use serde_json::{Value, json};

use crate::{CYAN, FAINT, GREEN, STRONG, SYSTEMS, YELLOW};

/// Sends every object, and prints what the answers say was injected, and by which policy entry.
pub(crate) async fn show(examples: &Path, out: &mut impl Write) -> anyhow::Result<()> {
    let policies: Vec<PathBuf> =
        SYSTEMS.iter().map(|(name, _)| examples.join(name).join("policies")).collect();
    let mut webhook = Webhook::start(&program()?, &policies).await?;
    let serving = webhook.log().says("serving").await?;
    let client = ApiServer::of(&webhook)?;
    writeln!(
        out,
        "\n{STRONG}The first gate{STRONG:#}  one webhook, every object sent as the API server sends it\n"
    )?;
    writeln!(
        out,
        "  {FAINT}webhook {FAINT:#} {}  {FAINT}TLS, certificate made for this run{FAINT:#}",
        client.url
    )?;
    writeln!(
        out,
        "  {FAINT}policies{FAINT:#} {} WorkloadPolicies, manifests/examples/*/policies",
        serving["policies"]
    )?;

    let (mut asked, mut changed, mut fields) = (0, 0, 0);
    let started = Instant::now();
    for (name, what) in SYSTEMS {
        writeln!(out, "\n{STRONG}{name}{STRONG:#}  {what}")?;
        let (documents, errors) = read(&[examples.join(name).join("workloads")]);
        if let Some(error) = errors.first() {
            bail!("{error}");
        }
        let mut unchanged = Vec::new();
        for document in &documents {
            let object = asked_about(document);
            let answer = client.review(&object.kind, &object.value).await?;
            asked += 1;
            if answer.set.is_empty() {
                unchanged.push(object.title);
                continue;
            }
            changed += 1;
            writeln!(out, "  {GREEN}✓{GREEN:#} {}", object.title)?;
            for (entry, paths) in &answer.set {
                fields += paths.len();
                for (i, line) in wrap(&gathered(paths), 78).iter().enumerate() {
                    let entry = if i == 0 { entry.as_str() } else { "" };
                    writeln!(out, "      {CYAN}{entry:<38}{CYAN:#} {line}")?;
                }
            }
            for (entry, reason) in &answer.left_alone {
                writeln!(out, "      {CYAN}{entry:<38}{CYAN:#} {YELLOW}left alone{YELLOW:#} {reason}")?;
            }
        }
        if !unchanged.is_empty() {
            writeln!(out, "  {FAINT}· nothing to do for {}{FAINT:#}", listed(&unchanged))?;
        }
    }
    let took = started.elapsed();
    writeln!(
        out,
        "\n{STRONG}{asked} AdmissionReviews, {changed} objects completed, {fields} fields set{STRONG:#}  \
         {FAINT}in {} ms{FAINT:#}",
        took.as_millis()
    )?;
    let try_it = "target/debug/sallyport explain -p manifests/examples/mita/policies manifests/examples/mita/workloads";
    writeln!(out, "\nWhich line of which policy did what:\n  {try_it}\n")?;
    webhook.ask_to_end()?;
    let status = webhook.ended().await?;
    if status.success() { Ok(()) } else { bail!("the webhook ended with {status}") }
}

/// The program, which is built beside this one.
fn program() -> anyhow::Result<PathBuf> {
    let here = std::env::current_exe()?;
    let program = here.ancestors().nth(2).map(|target| target.join("sallyport"));
    program
        .filter(|program| program.is_file())
        .context("the program is not built: `cargo build --workspace --bin sallyport`")
}

/// Calls the webhook as an API server does.
struct ApiServer {
    url: String,
    client: reqwest::Client,
}

impl ApiServer {
    fn of(webhook: &Webhook) -> anyhow::Result<Self> {
        let authority = reqwest::Certificate::from_pem(webhook.ca_pem().as_bytes())?;
        let client = reqwest::Client::builder().tls_certs_only([authority]).no_proxy().build()?;
        Ok(Self { url: format!("https://{}", webhook.admission()), client })
    }

    /// Sends an object as a new one, and reads the answer.
    async fn review(&self, kind: &GroupVersionKind, object: &Value) -> anyhow::Result<Answer> {
        let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
        let review = json!({
            "apiVersion": "admission.k8s.io/v1",
            "kind": "AdmissionReview",
            "request": {
                "uid": "demo",
                "kind": kind,
                "resource": kind.resource(),
                "name": text("/metadata/name"),
                "namespace": text("/metadata/namespace"),
                "operation": "CREATE",
                "userInfo": {"username": "demo", "groups": ["system:authenticated"]},
                "object": object,
                "dryRun": true,
            },
        });
        let response = self.client.post(format!("{}/mutate", self.url)).json(&review).send().await?;
        let status = response.status();
        let body: Value = response.json().await.with_context(|| format!("the webhook answered {status}"))?;
        Answer::read(&body["response"], object)
    }
}

/// What an answer says, from its audit annotations: the fields that each entry set, and what it left alone and why.
struct Answer {
    set: BTreeMap<String, Vec<String>>,
    left_alone: BTreeMap<String, String>,
}

impl Answer {
    fn read(response: &Value, object: &Value) -> anyhow::Result<Self> {
        if response["allowed"] != json!(true) {
            bail!("the webhook refused: {}", response["status"]["message"]);
        }
        // The patch has to fit, as the API server sees to.
        if let Some(patch) = response["patch"].as_str() {
            let bytes = base64::engine::general_purpose::STANDARD.decode(patch)?;
            let patch: json_patch::Patch = serde_json::from_slice(&bytes)?;
            json_patch::patch(&mut object.clone(), &patch)?;
        }
        let mut answer = Self { set: BTreeMap::new(), left_alone: BTreeMap::new() };
        for (key, value) in response["auditAnnotations"].as_object().into_iter().flatten() {
            let value = value.as_str().unwrap_or_default();
            if let Some(entry) = key.strip_prefix("skipped.") {
                answer.left_alone.insert(entry.replacen('.', "/", 1), value.to_owned());
            } else {
                answer.set.insert(key.replacen('.', "/", 1), value.split(", ").map(str::to_owned).collect());
            }
        }
        Ok(answer)
    }
}

/// An object as the API server would ask about it.
struct Asked {
    title: String,
    kind: GroupVersionKind,
    value: Value,
}

/// The pod of a controller, else the object itself, with the API server's static defaults.
fn asked_about(document: &Document) -> Asked {
    let kind = GroupVersionKind::of(&document.value);
    let title = format!("{} {}", document.kind(), document.name());
    let of = PodBearing::of(&kind);
    let made = of.filter(|of| *of != PodBearing::Pod).and_then(|of| pod_of(of, &document.value));
    let (title, kind, mut value) = match made {
        Some(made) => {
            let pod = GroupVersionKind { group: String::new(), version: "v1".into(), kind: "Pod".into() };
            (format!("Pod of {title}"), pod, made.pod)
        }
        None => (title, kind, document.value.clone()),
    };
    if let Some(of) = PodBearing::of(&kind) {
        apply_defaults(of, &mut value);
    }
    Asked { title, kind, value }
}

/// Paths by what they are about: `pod runAsUser, fsGroup · api, worker readOnlyRootFilesystem`.
fn gathered(paths: &[String]) -> Vec<String> {
    let mut by_part: Vec<(String, Vec<String>)> = Vec::new();
    for path in paths {
        let (part, field) = part_and_field(path);
        let field = field.strip_prefix("securityContext.").unwrap_or(field).to_owned();
        match by_part.iter_mut().find(|(name, _)| *name == part) {
            Some((_, fields)) => fields.push(field),
            None => by_part.push((part, vec![field])),
        }
    }
    // Containers that were given the same are told of together.
    let mut told: Vec<(Vec<String>, Vec<String>)> = Vec::new();
    for (part, fields) in by_part {
        match told.iter_mut().find(|(_, same)| *same == fields) {
            Some((parts, _)) => parts.push(part),
            None => told.push((vec![part], fields)),
        }
    }
    told.into_iter().map(|(parts, fields)| format!("{} {}", parts.join(", "), fields.join(", "))).collect()
}

/// What a path is about, and the field of it.
fn part_and_field(path: &str) -> (String, &str) {
    let Some(of_pod) = path.strip_prefix("spec.") else {
        return path.split_once('.').map_or((String::new(), path), |(part, field)| (part.to_owned(), field));
    };
    let lists = ["containers[", "initContainers[", "ephemeralContainers["];
    match lists.iter().find_map(|list| of_pod.strip_prefix(list)?.split_once(']')) {
        Some((name, "")) => ("new container".to_owned(), name),
        Some((name, field)) => (name.to_owned(), field.trim_start_matches('.')),
        None => ("pod".to_owned(), of_pod),
    }
}

/// Parts as lines of at most `width` characters; a part that is longer stands alone.
fn wrap(parts: &[String], width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for part in parts {
        match lines.last_mut() {
            Some(line) if line.chars().count() + part.chars().count() + 3 <= width => {
                line.push_str(" · ");
                line.push_str(part);
            }
            _ => lines.push(part.clone()),
        }
    }
    lines
}

fn listed(titles: &[String]) -> String {
    const SHOWN: usize = 3;
    let shown = titles.iter().take(SHOWN).cloned().collect::<Vec<_>>().join(", ");
    match titles.len().saturating_sub(SHOWN) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}
