//! The reviews that are sent, and what their answers have to say.

use anyhow::{Context as _, Result, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use sallyport_bench::http1::find;
use serde_json::{Value, json};

/// Stands where a call's own uid goes: as long as a UUID.
const UID: &str = "00000000-0000-4000-8000-000000000000";

/// What an answer has to say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Want {
    /// Allowed, and no patch.
    Allowed,
    /// Allowed, with a patch that makes the hardened pod of the unhardened one, and nothing else of it.
    Hardened,
    /// Refused.
    Denied,
    /// The body that was sent.
    Echo,
}

/// A call: where to, with what, and what has to come back.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) path: &'static str,
    pub(crate) body: Vec<u8>,
    pub(crate) want: Want,
}

/// The two pods, each as an AdmissionReview of its creation.
pub(crate) struct Reviews {
    unhardened: Vec<u8>,
    hardened: Vec<u8>,
}

impl Reviews {
    pub(crate) fn load() -> Result<Self> {
        let pod: Value = serde_saphyr::from_str(include_str!("../../../data/webhook/pod.yaml"))?;
        let body = |pod: Value| review(&pod).to_string().into_bytes();
        Ok(Self { hardened: body(hardened(pod.clone())), unhardened: body(pod) })
    }

    /// How many bytes each has, the unhardened first.
    pub(crate) fn bytes(&self) -> (usize, usize) {
        (self.unhardened.len(), self.hardened.len())
    }

    /// The unhardened pod.
    pub(crate) fn unhardened(&self, path: &'static str, want: Want) -> Call {
        Call { path, body: self.unhardened.clone(), want }
    }

    /// The hardened pod.
    pub(crate) fn hardened(&self, path: &'static str, want: Want) -> Call {
        Call { path, body: self.hardened.clone(), want }
    }
}

/// What the policies make of the pod.
fn hardened(mut pod: Value) -> Value {
    pod["metadata"]["labels"]["team"] = json!("shop");
    pod["spec"]["securityContext"] =
        json!({ "runAsNonRoot": true, "seccompProfile": { "type": "RuntimeDefault" } });
    pod["spec"]["containers"][0]["securityContext"] =
        json!({ "allowPrivilegeEscalation": false, "capabilities": { "drop": ["ALL"] } });
    pod
}

fn review(pod: &Value) -> Value {
    let kind = json!({ "group": "", "version": "v1", "kind": "Pod" });
    let resource = json!({ "group": "", "version": "v1", "resource": "pods" });
    json!({
        "kind": "AdmissionReview",
        "apiVersion": "admission.k8s.io/v1",
        "request": {
            "uid": UID,
            "kind": kind,
            "resource": resource,
            "requestKind": kind,
            "requestResource": resource,
            "namespace": "shop",
            "operation": "CREATE",
            "userInfo": {
                "username": "system:serviceaccount:kube-system:replicaset-controller",
                "uid": "c9d1c7a4-3a2c-4d5e-9b8f-6b7f0e2a1d34",
                "groups": ["system:serviceaccounts", "system:serviceaccounts:kube-system", "system:authenticated"],
                "extra": { "authentication.kubernetes.io/credential-id": ["JTI=2b6d3f8e-7b7a-4a8e-9a51-0c5f7d2e9b10"] },
            },
            "object": pod,
            "oldObject": null,
            "dryRun": false,
            "options": { "kind": "CreateOptions", "apiVersion": "meta.k8s.io/v1" },
        },
    })
}

impl Call {
    /// Where the uid stands in the body.
    pub(crate) fn uid_at(&self) -> Result<usize> {
        find(&self.body, UID.as_bytes()).context("the review has no uid")
    }

    /// Holds an answer against what is wanted. `uid` is the one that was sent.
    pub(crate) fn check(&self, uid: &[u8], answer: &[u8]) -> Result<()> {
        if self.want == Want::Echo {
            ensure!(
                answer.len() == self.body.len() && find(answer, uid).is_some(),
                "the body came back changed"
            );
            return Ok(());
        }
        let review: Value = serde_json::from_slice(answer).context("the answer is no JSON")?;
        let response = &review["response"];
        ensure!(
            response["uid"].as_str().map(str::as_bytes) == Some(uid),
            "another uid came back: {response}"
        );
        ensure!(
            response["allowed"] == json!(self.want != Want::Denied),
            "wanted {:?}: {response}",
            self.want
        );
        let patch = response["patch"].as_str().unwrap_or_default();
        if self.want != Want::Hardened {
            ensure!(matches!(&*BASE64.decode(patch)?, b"" | b"[]"), "an unwanted patch: {response}");
            return Ok(());
        }
        let patch: json_patch::Patch = serde_json::from_slice(&BASE64.decode(patch)?)
            .with_context(|| format!("no patch came back: {response}"))?;
        let sent: Value = serde_json::from_slice(&self.body)?;
        let pod = &sent["request"]["object"];
        let mut patched = pod.clone();
        json_patch::patch(&mut patched, &patch)?;
        ensure!(patched == hardened(pod.clone()), "another pod than the hardened one: {patched}");
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const UID: &[u8] = super::UID.as_bytes();

    fn answer(response: Value) -> Vec<u8> {
        json!({ "response": response }).to_string().into_bytes()
    }

    #[test]
    fn an_answer_that_says_something_else_is_told_from_one_that_is_right() -> Result<()> {
        let reviews = Reviews::load()?;
        let uid = super::UID;
        let allowed = answer(json!({ "uid": uid, "allowed": true }));
        let denied = answer(json!({ "uid": uid, "allowed": false }));
        let another = answer(json!({ "uid": "another", "allowed": true }));
        let patched = |operations: Value| {
            let patch = BASE64.encode(operations.to_string());
            answer(json!({ "uid": uid, "allowed": true, "patch": patch }))
        };
        let label = json!({ "op": "add", "path": "/metadata/labels/team", "value": "shop" });
        let pod = json!({
            "op": "replace", "path": "/spec/securityContext",
            "value": { "runAsNonRoot": true, "seccompProfile": { "type": "RuntimeDefault" } },
        });
        let container = json!({
            "op": "add", "path": "/spec/containers/0/securityContext",
            "value": { "allowPrivilegeEscalation": false, "capabilities": { "drop": ["ALL"] } },
        });
        let all = patched(json!([label, pod, container]));
        let part = patched(json!([label, pod]));

        let cases: [(Want, &[u8], bool); 9] = [
            (Want::Allowed, &allowed, true),
            (Want::Allowed, &denied, false),
            (Want::Allowed, &another, false),
            (Want::Allowed, &all, false),
            (Want::Denied, &denied, true),
            (Want::Denied, &allowed, false),
            (Want::Hardened, &all, true),
            (Want::Hardened, &part, false),
            (Want::Hardened, &allowed, false),
        ];
        for (case, (want, answer, right)) in cases.into_iter().enumerate() {
            let checked = reviews.unhardened("/", want).check(UID, answer);
            assert_eq!(checked.is_ok(), right, "case {case}: {checked:?}");
        }
        Ok(())
    }
}
