//! Calls all the time, while something happens to those who answer.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use anyhow::{Context as _, Result, ensure};
use sallyport_tests::control_plane::ControlPlane;
use sallyport_tests::objects::Objects;
use sallyport_tests::replica::{Replica, Service};
use serde_json::json;

use crate::{cluster, eventually, pod, policy, program};

/// Clients at a time: each waits for an answer before it asks again.
pub(crate) const CLIENTS: usize = 4;

/// Creates pods all the time, without storing them.
pub(crate) struct Load {
    stop: Arc<AtomicBool>,
    counts: Arc<Counts>,
    tasks: Vec<tokio::task::JoinHandle<Result<()>>>,
}

#[derive(Default)]
struct Counts {
    answered: AtomicUsize,
    lost: AtomicUsize,
    last: std::sync::Mutex<String>,
}

/// What came of all calls.
pub(crate) struct Answered {
    pub(crate) answered: usize,
    /// Those that failed, and what the last of them said.
    pub(crate) lost: usize,
    pub(crate) last: String,
}

impl Load {
    pub(crate) fn start(cluster: &ControlPlane, namespace: &str) -> Self {
        let (stop, counts) = (Arc::new(AtomicBool::new(false)), Arc::<Counts>::default());
        let tasks = (0..CLIENTS).map(|_| {
            let (objects, namespace) = (cluster.objects(), namespace.to_owned());
            let (stop, counts) = (Arc::clone(&stop), Arc::clone(&counts));
            tokio::spawn(async move { ask(&objects, &namespace, &stop, &counts).await })
        });
        let tasks = tasks.collect();
        Self { stop, counts, tasks }
    }

    /// How many calls were answered by now.
    pub(crate) fn answered(&self) -> usize {
        self.counts.answered.load(Ordering::Relaxed)
    }

    /// Ends it.
    ///
    /// # Errors
    /// A pod was let through that no policy had completed.
    pub(crate) async fn end(self) -> Result<Answered> {
        self.stop.store(true, Ordering::Relaxed);
        for task in self.tasks {
            task.await??;
        }
        let Counts { answered, lost, last } = &*self.counts;
        let last = last.lock().map(|last| last.clone()).unwrap_or_default();
        Ok(Answered { answered: answered.load(Ordering::Relaxed), lost: lost.load(Ordering::Relaxed), last })
    }
}

async fn ask(objects: &Objects, namespace: &str, stop: &AtomicBool, counts: &Counts) -> Result<()> {
    while !stop.load(Ordering::Relaxed) {
        match objects.dry_run_create(&pod(namespace, &json!({}))).await {
            Ok(made) => {
                ensure!(made["metadata"]["labels"]["given"].is_string(), "a pod was not completed: {made}");
                counts.answered.fetch_add(1, Ordering::Relaxed);
            }
            Err(error) => {
                counts.lost.fetch_add(1, Ordering::Relaxed);
                if let Ok(mut last) = counts.last.lock() {
                    *last = error.to_string();
                }
            }
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn policies_change_all_the_time_and_a_replica_dies_with_the_calls_that_it_had() -> Result<()> {
    let cluster = cluster().await?;
    let objects = cluster.objects();
    objects.create(&policy("team", "first")).await?;
    let service = Service::start().await?;
    let first = Replica::start(&cluster, program(), "first", service.url(), &[]).await?;
    let mut second = Replica::start(&cluster, program(), "second", service.url(), &[]).await?;
    service.has(&[&first, &second]);
    let namespace = cluster.namespace(&[]).await?;
    let given = async |label: &str| {
        eventually("a policy is in force", async || {
            let made = objects.dry_run_create(&pod(&namespace, &json!({}))).await.ok()?;
            (made["metadata"]["labels"]["given"] == label).then_some(())
        })
        .await
    };
    given("first").await?;

    let load = Load::start(&cluster, &namespace);
    let change = async |label: &str| -> Result<()> {
        let mutate = json!([{ "name": "label", "metadata": { "labels": { "given": label } } }]);
        objects.merge(&policy("team", ""), &json!({ "spec": { "mutate": mutate } })).await?;
        given(label).await.with_context(|| label.to_owned())
    };
    for change_number in 0..10 {
        change(&format!("before-{change_number}")).await?;
    }
    let before = load.answered();
    second.kill()?;
    for change_number in 0..10 {
        change(&format!("after-{change_number}")).await?;
    }
    eventually("calls are answered after that", async || (load.answered() > before + 20).then_some(()))
        .await?;
    let answered = load.end().await?;
    // Each client had one call with the replica at most when it died.
    ensure!(answered.lost <= CLIENTS, "{} calls were lost; the last: {}", answered.lost, answered.last);
    Ok(())
}
