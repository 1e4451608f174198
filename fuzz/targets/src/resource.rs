//! Policies as the API server hands them over: judged as a file that holds them is, and as serde reads them.

use std::collections::BTreeSet;
use std::sync::{Arc, LazyLock};

use sallyport::gate::PolicyGate;
use sallyport::policies::{Settings, Store, load};
use sallyport::server::Gate as _;
use sallyport::source::{SourceText, parse};
use sallyport_admission::resources::WorkloadPolicySpec;
use sallyport_admission::{GroupVersionKind, Policy};
use sallyport_policy::{API_VERSION, GROUP, Severity, VERSION};
use serde_json::Value;

use crate::{answer, input, source};

static GATE: LazyLock<PolicyGate> = LazyLock::new(|| {
    let opened =
        Store::open(Vec::new(), Settings::default()).unwrap_or_else(|_| panic!("no policies are right"));
    PolicyGate::new(Arc::new(opened.store), None)
});

pub(crate) fn run(bytes: &[u8]) -> bool {
    let Some(object) = input::json(bytes).filter(Value::is_object) else { return false };
    let mut request = input::request(&serde_json::json!({"object": object}));
    let kind = input::text(&object["kind"]).to_owned();
    request.kind = GroupVersionKind { group: GROUP.to_owned(), version: VERSION.to_owned(), kind };
    let decision = GATE.check_resource(&request).decision;
    answer::hold(&decision);
    source::read_again(&object);

    // The same, spread over many lines, where people can have written it so.
    let text = serde_json::to_string_pretty(&object).expect("JSON can be written");
    if text.chars().all(|c| c == '\n' || c.is_ascii_graphic() || c == ' ') {
        let (documents, errors) = parse(&Arc::new(SourceText::new("file", text)));
        // A file has no -0.0: what it says is 0, and so another object.
        if documents.iter().any(|document| document.value != object) {
            return decision.allowed;
        }
        let loaded = load(documents, &errors);
        let errors = loaded.findings.iter().map(|located| &located.diagnostic);
        let errors: BTreeSet<String> = errors
            .filter(|diagnostic| diagnostic.severity == Severity::Error)
            .map(|diagnostic| format!("{}: {}", diagnostic.path, diagnostic.message))
            .collect();
        let violations =
            decision.violations.iter().map(|it| format!("{}: {}", it.path, it.message)).collect();
        assert_eq!(errors, violations);
    }

    if object["apiVersion"] == API_VERSION && object["kind"] == "WorkloadPolicy" {
        assert_eq!(decision.allowed, is_right(&object), "{:#?}", decision.violations);
    }
    decision.allowed
}

/// Whether serde and the compiler take a WorkloadPolicy.
fn is_right(object: &Value) -> bool {
    let fields = ["apiVersion", "kind", "metadata", "spec", "status"];
    let known =
        object.as_object().is_some_and(|object| object.keys().all(|key| fields.contains(&key.as_str())));
    let name = match input::text(&object["metadata"]["name"]) {
        "" => input::text(&object["metadata"]["generateName"]),
        name => name,
    };
    let spec: Option<WorkloadPolicySpec> =
        object.get("spec").and_then(|spec| serde_json::from_value(spec.clone()).ok());
    known && spec.is_some_and(|spec| Policy::compile(name, &spec).0.is_some())
}
