//! What has become of a policy in the mesh.

use sallyport_attach::mesh::NotAttachable;
use sallyport_traffic::program::PolicyName;

use super::objects::Place;
use super::pods::Pods;

/// What has become of a policy.
#[derive(Clone, Debug)]
pub(in crate::cluster) enum Standing {
    /// Proxies are told of it.
    Attached {
        /// By what: kinds and names.
        by: Vec<String>,
        /// The pods that it is for.
        pods: Option<Pods>,
    },
    /// The API server does not take what would attach it.
    Refused(String),
    /// Proxies would not get the filter.
    FilterAway(String),
    /// It can't be attached as it stands.
    NotAttachable(NotAttachable),
    /// Another one, which is older, is about the same.
    Conflicts(PolicyName),
    /// There is nobody to attach it for.
    NoMesh,
}

impl Standing {
    /// One that is attached, by nothing so far.
    pub(super) const fn attached() -> Self {
        Self::Attached { by: Vec::new(), pods: None }
    }

    pub(super) fn add(&mut self, place: &Place) {
        if let Self::Attached { by, .. } = self {
            by.push(format!("{} {}", place.resource.kind(), place.key.name));
        }
    }

    /// Whether what attached it before stays: to take it away would leave somebody without.
    pub(super) const fn keeps_what_was(&self) -> bool {
        match self {
            Self::NotAttachable(_) | Self::Refused(_) | Self::FilterAway(_) => true,
            Self::Attached { .. } | Self::Conflicts(_) | Self::NoMesh => false,
        }
    }

    /// Whether proxies run it; a word for why, and a sentence.
    pub(in crate::cluster) fn attachment(&self) -> (bool, &'static str, String) {
        match self {
            Self::Attached { by, pods } => {
                let by = by.join(", ");
                match pods {
                    Some(Pods { selected: 0, .. }) => {
                        (false, "SelectsNothing", format!("{by} stands ready, but selects no pod"))
                    }
                    Some(Pods { selected, proxied: 0 }) => {
                        let them = if *selected == 1 {
                            "the pod that it selects has"
                        } else {
                            "none of the pods that it selects has"
                        };
                        let no = if *selected == 1 { "no proxy" } else { "a proxy" };
                        (false, "NoProxy", format!("{by} stands ready, but {them} {no} of the mesh"))
                    }
                    Some(Pods { selected, proxied }) => {
                        let message = format!(
                            "{by}; {proxied} of the {selected} pods that it selects have a proxy of the mesh"
                        );
                        (true, "Attached", message)
                    }
                    None => (true, "Attached", by),
                }
            }
            Self::Refused(why) => (
                false,
                "Refused",
                format!("what attaches it is not taken: {why}; what was attached before stays"),
            ),
            Self::FilterAway(why) => (
                false,
                "FilterAway",
                format!("proxies would not get the filter, and refuse everything: {why}"),
            ),
            Self::NotAttachable(why) => {
                (false, reason(why), format!("{why}; what was attached before stays"))
            }
            Self::Conflicts(older) => (false, "Conflicted", format!("{older} is in force in its place")),
            Self::NoMesh => {
                (false, "NoMesh", "the cluster has none of Istio's resources that attach filters".to_owned())
            }
        }
    }

    /// Whether another policy is in force in its place; a word for why, and a sentence.
    pub(in crate::cluster) fn conflict(&self) -> (bool, &'static str, String) {
        match self {
            Self::Conflicts(older) => {
                let message = format!(
                    "{older} is older, and about the same pods and hosts: give them other hosts or selectors, or make one \
                     policy of both"
                );
                (true, "OlderPolicy", message)
            }
            _ => (false, "NoConflict", "no older policy is about the same pods and hosts".to_owned()),
        }
    }
}

const fn reason(why: &NotAttachable) -> &'static str {
    match why {
        NotAttachable::Selector | NotAttachable::NobodySelected => "Selector",
        NotAttachable::NoTarget(_) => "TargetNotFound",
        NotAttachable::TargetWithoutLabels(_) => "TargetWithoutLabels",
        NotAttachable::TargetsOverlap => "TargetsOverlap",
        NotAttachable::SecretOfRoot(_) => "SecretInRootNamespace",
        NotAttachable::NoResource(_) => "NoResource",
        NotAttachable::Name => "NameTooLong",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_policy_that_some_proxy_runs_is_attached() {
        let with = |pods| Standing::Attached { by: vec!["EnvoyFilter sallyport-api.pods".to_owned()], pods };
        let said = |selected, proxied| {
            let (holds, reason, message) = with(Some(Pods { selected, proxied })).attachment();
            format!("{holds} {reason}: {message}")
        };
        let stands = "EnvoyFilter sallyport-api.pods stands ready, but";
        assert_eq!(said(0, 0), format!("false SelectsNothing: {stands} selects no pod"));
        assert_eq!(
            said(1, 0),
            format!("false NoProxy: {stands} the pod that it selects has no proxy of the mesh")
        );
        assert_eq!(
            said(2, 0),
            format!("false NoProxy: {stands} none of the pods that it selects has a proxy of the mesh")
        );
        assert_eq!(
            said(3, 2),
            "true Attached: EnvoyFilter sallyport-api.pods; 2 of the 3 pods that it selects have a proxy of the mesh"
        );
    }
}
