//! The program on one machine, from its start to its end, as whoever runs it sees it.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use sallyport_tests::control_plane::ControlPlane;
use sallyport_tests::registration::{self, Server as _};
use sallyport_tests::webhook::Webhook;
use sallyport_tests::{pki, tls};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::program;

fn policy(team: &str) -> String {
    format!(
        "apiVersion: sallyport.dev/v1alpha1\n\
         kind: WorkloadPolicy\n\
         metadata: {{name: team}}\n\
         spec:\n\
         \x20 match: {{kinds: [Pod]}}\n\
         \x20 mutate:\n\
         \x20 - name: label\n\
         \x20   metadata: {{labels: {{team: {team}}}}}\n"
    )
}

/// Puts a file in place as an editor does: whole or not at all.
fn put(folder: &Path, name: &str, text: &str) -> Result<()> {
    let beside = folder.join(format!(".{name}.new"));
    fs::write(&beside, text)?;
    fs::rename(&beside, folder.join(name))?;
    Ok(())
}

/// A webhook whose policies are in a folder of the test's, and a namespace before it.
struct Running {
    cluster: &'static ControlPlane,
    webhook: Webhook,
    namespace: String,
    policies: TempDir,
}

impl Running {
    async fn start(name: &str) -> Result<Self> {
        let cluster = ControlPlane::shared().await;
        let policies = tempfile::tempdir()?;
        put(policies.path(), "team.yaml", &policy("first"))?;
        let webhook = Webhook::start(program(), &[policies.path().to_owned()]).await?;
        let namespace = cluster.namespace(&[(&registration::label(name), "")]).await?;
        registration::mutating(cluster, name, &webhook, &namespace).await?;
        // A file that is put there before it is watched would not be noticed.
        webhook.log().says("following the policies' files").await?;
        Ok(Self { cluster, webhook, namespace, policies })
    }

    /// The label `team` of a pod that is created now.
    async fn team(&self) -> Result<Value> {
        let pod = json!({
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": { "name": "web", "namespace": self.namespace },
            "spec": { "containers": [{ "name": "web", "image": "web:1" }] },
        });
        let stored = self.cluster.objects().dry_run_create(&pod).await?;
        Ok(stored["metadata"]["labels"]["team"].clone())
    }

    async fn until_team_is(&self, team: &str) -> Result<()> {
        let start = Instant::now();
        while self.team().await? != team {
            // It ends a test that hangs, and decides none.
            ensure!(start.elapsed() < Duration::from_secs(60), "{}", self.webhook.log().text());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(())
    }
}

#[tokio::test]
async fn a_changed_policy_takes_effect_and_a_broken_one_does_not() -> Result<()> {
    let running = Running::start("standalone-reload").await?;
    let (log, folder) = (running.webhook.log(), running.policies.path());
    assert_eq!(running.team().await?, "first");
    put(folder, "team.yaml", &policy("second"))?;
    running.until_team_is("second").await?;

    put(folder, "team.yaml", &policy("third").replace("labels: {team", "lables: {team"))?;
    let line = log.says("policies are wrong").await?;
    let finding = line["finding"].as_str().context("the finding")?;
    assert!(finding.contains("team.yaml:8") && finding.contains("lables"), "{finding}");
    let line = log.says("the last good policies stay in force until the files are right").await?;
    assert_eq!(line["policies"], 1);
    assert_eq!(running.team().await?, "second");
    assert_eq!(running.webhook.metric("sallyport_policies_current", &[]).await?, 0.0);
    assert_eq!(running.webhook.metric("sallyport_policies", &[]).await?, 1.0);
    assert!(running.webhook.metric("sallyport_policy_reloads_refused_total", &[]).await? >= 1.0);
    log.says("the server reached its own TLS port").await?;
    assert_eq!(running.webhook.page("/readyz").await?, "ok\n");

    put(folder, "team.yaml", &policy("fourth"))?;
    running.until_team_is("fourth").await?;
    assert_eq!(running.webhook.metric("sallyport_policies_current", &[]).await?, 1.0);
    // What says nothing new is not told of, least of all a log that is written there.
    let reloads = running.webhook.metric("sallyport_policy_reloads_total", &[]).await?;
    put(folder, "notes.txt", "nothing for a policy")?;
    // One more file is followed as well.
    put(folder, "more.yaml", &policy("fifth").replace("name: team", "name: a-more"))?;
    running.until_team_is("fifth").await?;
    assert_eq!(running.webhook.metric("sallyport_policy_reloads_total", &[]).await?, reloads + 1.0);
    Ok(())
}

#[tokio::test]
async fn a_call_in_flight_is_answered_though_the_program_is_asked_to_end() -> Result<()> {
    let policies = tempfile::tempdir()?;
    put(policies.path(), "team.yaml", &policy("first"))?;
    let mut webhook = Webhook::start(program(), &[policies.path().to_owned()]).await?;
    let review = json!({
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "request": {
            "uid": "u",
            "kind": { "group": "", "version": "v1", "kind": "Pod" },
            "resource": { "group": "", "version": "v1", "resource": "pods" },
            "namespace": "default",
            "operation": "CREATE",
            "userInfo": { "username": "ada" },
            "object": { "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "web" }, "spec": { "containers": [] } },
        },
    })
    .to_string();
    let head = format!(
        "POST /mutate HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n\
         content-length: {}\r\nexpect: 100-continue\r\n\r\n",
        review.len()
    );
    let mut calls = Vec::new();
    for _ in 0..8 {
        let mut call = tls::connect(webhook.admission(), webhook.ca_pem()).await?;
        call.write_all(head.as_bytes()).await?;
        // Asked for once the call has begun.
        let mut asked = [0; 25];
        call.read_exact(&mut asked).await?;
        assert_eq!(&asked, b"HTTP/1.1 100 Continue\r\n\r\n");
        calls.push(call);
    }
    assert_eq!(webhook.metric("sallyport_admission_in_flight", &[]).await?, 8.0);

    webhook.ask_to_end()?;
    webhook.log().says("no longer accepting").await?;
    assert!(TcpStream::connect(webhook.admission()).await.is_err());
    for mut call in calls {
        call.write_all(review.as_bytes()).await?;
        let mut answer = Vec::new();
        // The end of the connection need not be TLS's own.
        let _ = call.read_to_end(&mut answer).await;
        let answer = String::from_utf8(answer)?;
        assert!(
            answer.starts_with("HTTP/1.1 200 ") && answer.contains(r#""patchType":"JSONPatch""#),
            "{answer}"
        );
    }
    let status = webhook.ended().await?;
    assert_eq!(status.code(), Some(0), "{status}: {}", webhook.log().text());
    assert_eq!(webhook.log().says("ended").await?["cut"], 0);
    Ok(())
}

/// Runs the program with these arguments to its end.
fn serve(arguments: &[&str]) -> Result<Output> {
    let any = "127.0.0.1:0";
    let mut command = Command::new(program());
    command.args(["serve", "--standalone", "--listen", any, "--operations", any]).args(arguments);
    Ok(command.output()?)
}

#[test]
fn wrong_policies_are_told_with_their_line_before_anything_is_served() -> Result<()> {
    let policies = tempfile::tempdir()?;
    let file = policies.path().join("team.yaml");
    fs::write(&file, policy("first").replace("labels: {team", "lables: {team"))?;
    let output = serve(&["--policies", &policies.path().display().to_string()])?;
    let told = String::from_utf8(output.stderr)?;
    assert_eq!(output.status.code(), Some(2), "{told}");
    assert!(told.contains(&format!("{}:8", file.display())) && told.contains("lables"), "{told}");
    Ok(())
}

#[test]
fn a_certificate_that_is_not_there_is_told_by_its_file() -> Result<()> {
    let dir = tempfile::tempdir()?;
    put(dir.path(), "team.yaml", &policy("first"))?;
    let path = |name: &str| dir.path().join(name).display().to_string();
    let (policies, certificate, key) = (path("team.yaml"), path("tls.crt"), path("tls.key"));
    let output = serve(&["--policies", &policies, "--tls-cert", &certificate, "--tls-key", &key])?;
    let told = String::from_utf8(output.stderr)?;
    assert_eq!(output.status.code(), Some(2), "{told}");
    assert!(told.contains(&certificate), "{told}");
    let output = serve(&["--policies", &policies, "--tls-cert", &certificate])?;
    let told = String::from_utf8(output.stderr)?;
    assert_eq!(output.status.code(), Some(2), "{told}");
    assert!(told.contains("--tls-key"), "{told}");
    Ok(())
}

#[tokio::test]
async fn the_api_server_trusts_a_certificate_from_files_and_a_renewed_one_is_served() -> Result<()> {
    let cluster = ControlPlane::shared().await;
    let dir = tempfile::tempdir()?;
    let policies = dir.path().join("policies");
    fs::create_dir(&policies)?;
    put(&policies, "team.yaml", &policy("first"))?;
    pki::write_server(dir.path())?;
    let path = |name: &str| dir.path().join(name);
    let (certificate, key, ca) = (path("tls.crt"), path("tls.key"), path("ca.crt"));
    let webhook = Webhook::start_as(program(), &[policies], &certificate, &key, &ca).await?;
    let name = "standalone-files";
    let namespace = cluster.namespace(&[(&registration::label(name), "")]).await?;
    // Called at all, over TLS that it verifies.
    registration::mutating(cluster, name, &webhook, &namespace).await?;

    pki::write_server(dir.path())?;
    let renewed = fs::read_to_string(&ca)?;
    tls::connect(webhook.admission(), &renewed).await?;
    assert!(tls::connect(webhook.admission(), webhook.ca_pem()).await.is_err());
    Ok(())
}
