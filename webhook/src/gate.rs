//! The gate that the server asks: decisions over the policies in force.

use std::sync::Arc;

use sallyport_admission::{Decision, Finding, Mode, Request, Source, decide};
use sallyport_policy::{GROUP, Severity};

use crate::policies::{Store, load};
use crate::server::Gate;
use crate::source::{SourceText, parse};

/// Decides over the policies of a store.
#[derive(Debug)]
pub struct PolicyGate {
    store: Arc<Store>,
}

impl PolicyGate {
    /// A gate over the store's policies.
    #[must_use]
    pub fn new(store: Arc<Store>) -> Self {
        Self { store }
    }
}

impl Gate for PolicyGate {
    fn mutate(&self, request: &Request) -> Decision {
        let loaded = self.store.current();
        decide(&loaded.set, request, loaded.namespace(&request.namespace))
    }

    fn check_resource(&self, request: &Request) -> Decision {
        let mut decision = Decision { allowed: true, ..Decision::default() };
        if request.kind.group != GROUP || request.object.is_null() {
            return decision;
        }
        // The very code that reads files, so that both say the same of the same resource.
        let text = SourceText::new("request", request.object.to_string());
        let (documents, errors) = parse(&Arc::new(text));
        let loaded = load(documents, &errors);
        let finding = |path: String, message: String| Finding {
            source: Source { policy: request.name.as_str().into(), entry: "".into() },
            mode: Mode::Enforce,
            path,
            message,
        };
        decision.warnings.extend(loaded.not_in_force().map(|message| finding(String::new(), message)));
        for located in loaded.findings {
            let diagnostic = located.diagnostic;
            let found = finding(diagnostic.path.to_string(), diagnostic.message);
            match diagnostic.severity {
                Severity::Error => decision.violations.push(found),
                Severity::Warning => decision.warnings.push(found),
            }
        }
        decision.allowed = decision.violations.is_empty();
        decision
    }

    fn ready(&self) -> Result<(), String> {
        Ok(())
    }
}
