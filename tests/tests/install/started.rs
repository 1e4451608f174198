//! The program as the Deployment starts it, with the rights that come with it.

use std::fs;

use anyhow::{Context as _, Result, ensure};
use sallyport_tests::control_plane::ControlPlane;
use sallyport_tests::log::Log;
use sallyport_tests::pki;
use sallyport_tests::process::Process;
use sallyport_tests::replica::{ACCOUNT, NAMESPACE};
use sallyport_tests::run_dir::RunDir;
use serde_json::Value;

use crate::{established, of_kind, program, rendered};

/// A replica, ended when dropped.
pub(crate) struct Started {
    process: Process,
    log: Log,
    _dir: RunDir,
}

impl Started {
    /// Starts the program with the arguments of the Deployment among these objects, but for where it listens, which other
    /// tests do too; where its certificates are mounted, a folder is.
    pub(crate) async fn start(cluster: &ControlPlane, objects: &[Value]) -> Result<Self> {
        let dir = RunDir::create()?;
        pki::write_server_of(&["sallyport.sallyport.svc"], dir.path())?;
        let kubeconfig = dir.path().join("kubeconfig");
        fs::write(&kubeconfig, cluster.kubeconfig_as(ACCOUNT))?;
        let container = &of_kind(objects, "Deployment")?["spec"]["template"]["spec"]["containers"][0];
        let args = container["args"].as_array().context("a Deployment without arguments")?;
        let folder = format!("{}/", dir.path().display());
        let args = args.iter().filter_map(Value::as_str).map(|arg| match arg.split_once("=[::]:") {
            Some((flag, _)) => format!("{flag}=127.0.0.1:0"),
            None => arg.replace("/certificates/", &folder),
        });
        // What it knows in a pod.
        let kubeconfig = format!("--kubeconfig={}", kubeconfig.display());
        let args: Vec<String> = args.chain([kubeconfig, format!("--namespace={NAMESPACE}")]).collect();
        let (process, errors) =
            Process::start_heard("sallyport", program(), &args, &[] as &[(String, String)], dir.path())?;
        let log = Log::of(errors);
        log.says("listening").await.with_context(|| format!("{args:?}"))?;
        Ok(Self { process, log, _dir: dir })
    }

    /// Ends it, as its node would with it.
    pub(crate) fn end(self) {
        drop(self.process);
    }

    /// What it said.
    pub(crate) fn log(&self) -> &Log {
        &self.log
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn it_starts_with_every_kind_of_certificate_and_needs_no_further_right() -> Result<()> {
    for values in [
        "certificates.from=sallyport",
        "certificates.from=cert-manager",
        "certificates.from=secret,certificates.secret=a",
    ] {
        let cluster = ControlPlane::start().await?;
        let objects = cluster.objects();
        let installed = rendered(&["--set", values])?;
        let namespace =
            serde_json::json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": NAMESPACE } });
        objects.apply(&namespace).await?;
        for object in
            installed.iter().filter(|object| object["kind"] != "Certificate" && object["kind"] != "Issuer")
        {
            objects.apply(object).await?;
        }
        for definition in installed.iter().filter(|object| object["kind"] == "CustomResourceDefinition") {
            established(&objects, definition).await?;
        }
        let started = Started::start(&cluster, &installed).await.with_context(|| values.to_owned())?;
        // It leads, and looks for a replica behind the Service before it registers.
        let waits = |line: &Value| {
            line.to_string().contains("no replica is ready yet behind the Service").then_some(())
        };
        started.log().find(waits).await.with_context(|| values.to_owned())?;
        let refused = cluster.refused(ACCOUNT)?;
        ensure!(refused.is_empty(), "{values}: these rights are missing: {refused:?}");
    }
    Ok(())
}
