//! Which proxies a policy is for.

use std::collections::BTreeMap;

use sallyport_policy::{LabelSelector, LabelSelectorOperator};
use sallyport_traffic::{TargetKind, TargetRef};
use serde_json::Value;

use super::NotAttachable;

/// The label of the pods that serve a Gateway of the Gateway API (GEP-1762).
const GATEWAY_NAME: &str = "gateway.networking.k8s.io/gateway-name";
/// The label that Istio's own gateways have: `ingressgateway`, `egressgateway`.
const ISTIO: &str = "istio";

/// What proxies do: a gateway's filters are for what comes in, as a sidecar's are; Istio calls the first the side of the
/// client and the second that of the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Proxies {
    /// Beside workloads.
    Sidecars,
    /// At the edge.
    Gateways,
    /// What they are is not known.
    Any,
}

/// Some of the proxies that a policy is for: those of the pods with these labels.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Target {
    /// The labels; none: all pods.
    pub labels: BTreeMap<String, String>,
    /// What they do.
    pub proxies: Proxies,
}

impl Target {
    /// The pods that a policy selects by their labels.
    ///
    /// # Errors
    /// Istio's resources can't select so.
    pub fn of_selector(selector: &LabelSelector) -> Result<Self, NotAttachable> {
        let mut labels = selector.match_labels.clone();
        for requirement in &selector.match_expressions {
            match (requirement.operator, requirement.values.as_slice()) {
                (LabelSelectorOperator::In, [value]) => {
                    let other = labels.insert(requirement.key.clone(), value.clone());
                    if other.is_some_and(|other| other != *value) {
                        return Err(NotAttachable::NobodySelected);
                    }
                }
                _ => return Err(NotAttachable::Selector),
            }
        }
        Ok(Self { labels, proxies: Proxies::Any })
    }

    /// The pods behind the object that a policy names; `object` is what the cluster has by that name.
    ///
    /// # Errors
    /// It is not there, or does not say which pods are its own.
    pub fn of_reference(reference: &TargetRef, object: Option<&Value>) -> Result<Self, NotAttachable> {
        let TargetRef { kind, name } = reference;
        let selector = match kind {
            // Its controller names the pods after it, whatever else they are called.
            TargetKind::Gateway => {
                let labels = BTreeMap::from([(GATEWAY_NAME.to_owned(), name.clone())]);
                return Ok(Self { labels, proxies: Proxies::Gateways });
            }
            TargetKind::Service => "/spec/selector",
            TargetKind::Deployment | TargetKind::StatefulSet | TargetKind::DaemonSet => {
                "/spec/selector/matchLabels"
            }
        };
        let object = object.ok_or_else(|| NotAttachable::NoTarget(reference.clone()))?;
        let selected =
            object.pointer(selector).and_then(Value::as_object).filter(|labels| !labels.is_empty());
        // What `matchExpressions` leave out, others than those pods may have.
        let is_whole = object.pointer("/spec/selector/matchExpressions").is_none();
        let labels = selected.filter(|_| is_whole).and_then(|labels| {
            labels.iter().map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned()))).collect()
        });
        let labels = labels.ok_or_else(|| NotAttachable::TargetWithoutLabels(reference.clone()))?;
        Ok(Self { labels, proxies: Proxies::Sidecars })
    }

    /// Whether a proxy may be one of both.
    #[must_use]
    pub fn overlaps(&self, other: &Self) -> bool {
        let apart = matches!(
            (self.proxies, other.proxies),
            (Proxies::Sidecars, Proxies::Gateways) | (Proxies::Gateways, Proxies::Sidecars)
        );
        let agree = |(key, value)| other.labels.get(key).is_none_or(|other| other == value);
        !apart && self.labels.iter().all(agree)
    }

    /// Whether every proxy of the other is one of this.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        let all = self.proxies == Proxies::Any || self.proxies == other.proxies;
        all && self.labels.iter().all(|(key, value)| other.labels.get(key) == Some(value))
    }

    /// What its proxies most probably are, where a resource has to say it.
    pub(super) fn likely(&self) -> Proxies {
        let is_gateway = self.labels.contains_key(GATEWAY_NAME)
            || self.labels.get(ISTIO).is_some_and(|value| value.ends_with("gateway"));
        match (self.proxies, is_gateway) {
            (Proxies::Any, true) => Proxies::Gateways,
            (Proxies::Any, false) => Proxies::Sidecars,
            (known, _) => known,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn target(labels: &[(&str, &str)], proxies: Proxies) -> Target {
        let labels = labels.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        Target { labels: labels.collect(), proxies }
    }

    fn selected(text: &str) -> Result<Target, NotAttachable> {
        Target::of_selector(&serde_saphyr::from_str(text).unwrap())
    }

    #[test]
    fn a_selector_is_what_labels_alone_can_say() {
        let api = target(&[("app", "api")], Proxies::Any);
        assert_eq!(selected("matchLabels: {app: api}"), Ok(api.clone()));
        assert_eq!(selected("matchExpressions: [{key: app, operator: In, values: [api]}]"), Ok(api));
        assert_eq!(selected("{}"), Ok(target(&[], Proxies::Any)));
        let two = "matchExpressions: [{key: app, operator: In, values: [api, web]}]";
        assert_eq!(selected(two), Err(NotAttachable::Selector));
        assert_eq!(
            selected("matchExpressions: [{key: app, operator: Exists}]"),
            Err(NotAttachable::Selector)
        );
        let none = "{matchLabels: {app: api}, matchExpressions: [{key: app, operator: In, values: [web]}]}";
        assert_eq!(selected(none), Err(NotAttachable::NobodySelected));
    }

    #[test]
    fn a_reference_is_the_pods_of_what_it_names() {
        let reference = |kind| TargetRef { kind, name: "api".to_owned() };
        let gateway = Target::of_reference(&reference(TargetKind::Gateway), None).unwrap();
        assert_eq!(gateway, target(&[(GATEWAY_NAME, "api")], Proxies::Gateways));
        let service = reference(TargetKind::Service);
        let pods = json!({ "spec": { "selector": { "app": "api" } } });
        let api = target(&[("app", "api")], Proxies::Sidecars);
        assert_eq!(Target::of_reference(&service, Some(&pods)), Ok(api.clone()));
        assert_eq!(Target::of_reference(&service, None), Err(NotAttachable::NoTarget(service.clone())));
        // As of a Service whose endpoints somebody else writes.
        for without in [json!({ "spec": {} }), json!({ "spec": { "selector": {} } })] {
            let wanted = Err(NotAttachable::TargetWithoutLabels(service.clone()));
            assert_eq!(Target::of_reference(&service, Some(&without)), wanted);
        }
        let deployment = reference(TargetKind::Deployment);
        let pods = json!({ "spec": { "selector": { "matchLabels": { "app": "api" } } } });
        assert_eq!(Target::of_reference(&deployment, Some(&pods)), Ok(api));
        let narrower = json!({ "spec": { "selector": {
            "matchLabels": { "app": "api" }, "matchExpressions": [{ "key": "canary", "operator": "Exists" }] } } });
        assert!(Target::of_reference(&deployment, Some(&narrower)).is_err());
    }

    #[test]
    fn targets_overlap_unless_no_pod_can_be_one_of_both() {
        let (all, api) = (target(&[], Proxies::Any), target(&[("app", "api")], Proxies::Any));
        let web = target(&[("app", "web")], Proxies::Any);
        let tier = target(&[("tier", "back")], Proxies::Any);
        let both = target(&[("app", "api"), ("tier", "back")], Proxies::Any);
        let sidecars = target(&[("app", "api")], Proxies::Sidecars);
        let gateways = target(&[], Proxies::Gateways);
        for (one, other, overlap) in [
            (&all, &api, true),
            (&api, &web, false),
            (&api, &tier, true),
            (&web, &both, false),
            (&sidecars, &gateways, false),
            (&sidecars, &api, true),
        ] {
            assert_eq!((one.overlaps(other), other.overlaps(one)), (overlap, overlap), "{one:?} {other:?}");
        }
        assert!(all.covers(&api) && !api.covers(&all));
        assert!(api.covers(&both) && tier.covers(&both) && !api.covers(&tier));
        assert!(api.covers(&sidecars) && !sidecars.covers(&api));
    }

    #[test]
    fn istios_own_gateways_are_known_by_their_labels() {
        let likely = |labels: &[(&str, &str)]| target(labels, Proxies::Any).likely();
        assert_eq!(likely(&[("istio", "ingressgateway")]), Proxies::Gateways);
        assert_eq!(likely(&[(GATEWAY_NAME, "shop")]), Proxies::Gateways);
        assert_eq!(likely(&[("app", "api")]), Proxies::Sidecars);
        assert_eq!(target(&[("istio", "ingressgateway")], Proxies::Sidecars).likely(), Proxies::Sidecars);
    }
}
