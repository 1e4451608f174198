//! The requests that the API server would make of objects in files.

use serde_json::Value;

use super::{Owner, PodOf, apply_defaults};
use crate::{GroupVersionKind, Operation, PodBearing, Request, UserInfo};

impl Request {
    /// The request that creates an object, as a webhook is shown it: with the API server's static defaults filled in.
    /// `namespace` is that of an object that names none, where its kind has one. A Namespace is in itself, as the API
    /// server has it (apiserver pkg/endpoints/handlers, createHandler).
    #[must_use]
    pub fn creation(mut object: Value, namespace: &str, user_info: UserInfo) -> Self {
        let kind = GroupVersionKind::of(&object);
        if let Some(kind) = PodBearing::of(&kind) {
            apply_defaults(kind, &mut object);
        }
        let text = |pointer| object.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
        let namespace = match text("/metadata/namespace") {
            _ if kind.group.is_empty() && kind.kind == "Namespace" => text("/metadata/name"),
            _ if kind.is_cluster_scoped() => String::new(),
            own if own.is_empty() => namespace.to_owned(),
            own => own,
        };
        Self {
            uid: String::new(),
            resource: kind.resource(),
            kind,
            sub_resource: String::new(),
            request_kind: None,
            request_resource: None,
            request_sub_resource: String::new(),
            name: text("/metadata/name"),
            namespace,
            operation: Operation::Create,
            user_info,
            object,
            old_object: Value::Null,
            dry_run: Some(true),
            options: Value::Null,
        }
    }

    /// The request by which a controller creates its pod. `user_info` is who creates it where nobody controls it.
    #[must_use]
    pub fn creation_by_controller(made: PodOf, namespace: &str, user_info: &UserInfo) -> Self {
        let PodOf { pod, owner } = made;
        let user_info = owner.as_ref().map_or_else(|| user_info.clone(), Owner::controller);
        Self::creation(pod, namespace, user_info)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_object_is_created_where_the_api_server_would_create_it() {
        for (version, kind, own, namespace, resource) in [
            ("v1", "Pod", "", "shop", "pods"),
            ("v1", "Pod", "own", "own", "pods"),
            ("v1", "Namespace", "", "object", "namespaces"),
            ("storage.k8s.io/v1", "CSIDriver", "", "", "csidrivers"),
            ("gateway.networking.k8s.io/v1", "Gateway", "", "shop", "gateways"),
        ] {
            let metadata = json!({"name": "object", "namespace": own});
            let object = json!({"apiVersion": version, "kind": kind, "metadata": metadata});
            let request = Request::creation(object, "shop", UserInfo::default());
            assert_eq!((&*request.namespace, &*request.resource.resource), (namespace, resource), "{kind}");
        }
    }
}
