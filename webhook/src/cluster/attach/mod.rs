//! The attachments: having the mesh's proxies run the filter with each TrafficPolicy in force.
//!
//! What stays as it is, is not written. Of a policy that can't be attached as it stands, what was attached before stays.

mod objects;
mod pods;
mod reach;
mod standing;
mod targets;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use anyhow::anyhow;
use sallyport_attach::Plugin;
use sallyport_attach::mesh::{self, Options, Policy, Resource, place, render};
use sallyport_policy::API_VERSION;
use serde_json::{Value, json};

pub(super) use objects::Watches;
use objects::{Live, Place};
pub(super) use pods::Counted;
pub(super) use standing::Standing;

use super::lead::{Leader, Memory};
use super::metrics::Written;
use super::mirror::Key;
use super::modules::Modules;
use super::policies::{Followed, Kind};
use crate::policies::{ROOT_NAMESPACE, Said};

/// What attachments say of where things are.
pub(crate) struct Attaching {
    /// The modules that replicas serve.
    pub(crate) modules: Arc<Modules>,
    /// Where proxies find the replicas: `http://HOST:PORT`.
    pub(crate) url: String,
    /// A file in the proxies with the authorities that hosts of keys are trusted for.
    pub(crate) ca_file: String,
}

/// A TrafficPolicy in force.
struct InForce<'f> {
    key: &'f Key,
    followed: &'f Followed,
    plugin: &'f Plugin,
}

impl InForce<'_> {
    /// What a policy's attachments are removed with.
    fn owner(&self) -> Value {
        json!([{
            "apiVersion": API_VERSION,
            "kind": Kind::TrafficPolicy.resource().kind,
            "name": self.key.name,
            "uid": self.followed.uid,
            "controller": true,
        }])
    }
}

impl Leader {
    /// Attaches every TrafficPolicy in force, and notes what has become of each.
    pub(super) async fn attach(&self, memory: &mut Memory) -> anyhow::Result<()> {
        let Some(attaching) = &self.attaching else { return Ok(()) };
        let served = self.served(memory).await?;
        let serves = |resource: Resource| {
            served.iter().any(|one| {
                let of = &one.kind;
                one.resource == resource.plural()
                    && of.kind == resource.kind()
                    && resource.api_version().starts_with(&of.group)
            })
        };
        let resources: BTreeSet<Resource> = Resource::ALL.into_iter().filter(|one| serves(*one)).collect();
        memory.watches.keep(&self.client, &resources);
        let seen = self.policies.seen().borrow().clone();
        let policies: Vec<InForce<'_>> = seen
            .policies
            .iter()
            .filter_map(|((_, key), followed)| match &followed.in_force.as_ref()?.said {
                Said::Traffic { plugin, .. } => Some(InForce { key, followed, plugin }),
                Said::Policy(_) | Said::Exception(_) => None,
            })
            .collect();
        if resources.is_empty() {
            let all = policies.iter().map(|policy| (policy.key.clone(), Standing::NoMesh));
            memory.standing = all.collect();
            return Ok(());
        }
        let mut standing = BTreeMap::new();
        let placed = self.targeted(&policies, &mut standing).await?;
        let options = Options {
            url: attaching.module_url(),
            sha256: attaching.modules.digest().to_owned(),
            ca_file: attaching.ca_file.clone(),
            connect_to: BTreeMap::new(),
            resources: resources.clone(),
        };
        let live = objects::list(&self.client, &resources).await?;
        if !policies.is_empty() {
            // Before anybody is told of it.
            attaching.modules.keep(&objects::digests(&live)).await?;
        }
        let wanted = wanted(&policies, &placed, &options, &mut standing);
        let brought = self.bring_about(attaching, wanted, live, &mut standing, &mut memory.written).await;
        let counted = self.count(&placed, memory, &mut standing).await;
        memory.standing = standing;
        brought.and(counted)
    }

    /// The policies of which is known whom they are for; what is wrong with the others goes into `standing`.
    async fn targeted(
        &self,
        policies: &[InForce<'_>],
        standing: &mut BTreeMap<Key, Standing>,
    ) -> anyhow::Result<Vec<Policy>> {
        let mut placed = Vec::new();
        for policy in policies {
            let found = targets::find(&self.client, policy.plugin).await?;
            let named = policy.plugin.spec.target_refs.iter().zip(&found);
            let object = |target: &_| named.clone().find(|(one, _)| *one == target)?.1.as_ref();
            match mesh::targets(policy.plugin, object) {
                Ok(targets) => placed.push(Policy {
                    plugin: policy.plugin.clone(),
                    created: policy.followed.created.unwrap_or_default(),
                    mesh_wide: policy.key.namespace == ROOT_NAMESPACE,
                    targets,
                }),
                Err(why) => {
                    standing.insert(policy.key.clone(), Standing::NotAttachable(why));
                }
            }
        }
        Ok(placed)
    }

    /// Has what is wanted stand in the cluster, and nothing else that was attached by us.
    async fn bring_about(
        &self,
        attaching: &Attaching,
        wanted: BTreeMap<Place, Wanted>,
        live: BTreeMap<Place, Live>,
        standing: &mut BTreeMap<Key, Standing>,
        written: &mut Written,
    ) -> anyhow::Result<()> {
        let mut failed = Ok(());
        let is_right =
            |place: &Place, wanted: &Wanted| live.get(place).is_some_and(|live| live.is_as(&wanted.object));
        let mut missing: Vec<_> = wanted.iter().filter(|(place, wanted)| !is_right(place, wanted)).collect();
        if !missing.is_empty()
            && let Err(why) = attaching.reach().await
        {
            for (_, wanted) in missing.drain(..) {
                standing.insert(wanted.policy.clone(), Standing::FilterAway(why.clone()));
            }
            failed = Err(anyhow!("proxies would not get the filter: {why}"));
        }
        for (place, wanted) in missing {
            let (kind, namespace, name) = (place.resource.kind(), &place.key.namespace, &place.key.name);
            match objects::put(&self.client, place, &wanted.object, live.get(place)).await {
                Ok(()) if written.again(&format!("{kind} {namespace}/{name}"), &wanted.object) => {
                    self.metrics.restored(kind);
                    tracing::warn!(
                        kind,
                        namespace,
                        name,
                        "somebody had changed it: it is as it should be again"
                    );
                }
                Ok(()) => tracing::info!(kind, namespace, name, "attached"),
                // The API server's own word about one object keeps no other from being attached.
                Err(error) => {
                    let why = format!("{error:#}");
                    tracing::error!(kind, namespace, name, why, "can't be attached");
                    standing.insert(wanted.policy.clone(), Standing::Refused(why));
                    if !objects::is_refusal(&error) {
                        failed = Err(error);
                    }
                }
            }
        }
        for (place, live) in live.iter().filter(|(place, _)| !wanted.contains_key(place)) {
            let of = live.policy(&place.key.namespace);
            let stays = of.and_then(|key| standing.get(&key)).is_some_and(Standing::keeps_what_was);
            if !stays {
                objects::remove(&self.client, place, live).await?;
                let (kind, namespace, name) = (place.resource.kind(), &place.key.namespace, &place.key.name);
                written.forget(&format!("{kind} {namespace}/{name}"));
                tracing::info!(kind, namespace, name, "detached");
            }
        }
        failed
    }
}

/// An object that attaches a policy.
struct Wanted {
    policy: Key,
    object: Value,
}

/// What is to stand in the cluster; what keeps a policy from being attached goes into `standing`.
fn wanted(
    policies: &[InForce<'_>],
    placed: &[Policy],
    options: &Options,
    standing: &mut BTreeMap<Key, Standing>,
) -> BTreeMap<Place, Wanted> {
    let owners: BTreeMap<&Key, Value> = policies.iter().map(|policy| (policy.key, policy.owner())).collect();
    let mut all = BTreeMap::new();
    for one in place(placed) {
        let key = Key::from(&one.policy.plugin.policy);
        if let Some(older) = one.conflicts_with {
            standing.insert(key, Standing::Conflicts(older.clone()));
            continue;
        }
        match render(&one, options) {
            Ok(objects) => {
                let owner = owners.get(&key);
                for mut object in objects {
                    object["metadata"]["ownerReferences"] = owner.cloned().unwrap_or_default();
                    let Some(place) = Place::of(&object) else { continue };
                    let attached = standing.entry(key.clone()).or_insert_with(Standing::attached);
                    attached.add(&place);
                    all.insert(place, Wanted { policy: key.clone(), object });
                }
            }
            Err(why) => {
                standing.insert(key, Standing::NotAttachable(why));
            }
        }
    }
    all
}
