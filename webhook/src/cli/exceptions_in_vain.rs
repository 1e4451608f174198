//! Exceptions that no policy would honour: their authors think that they are in force.

use sallyport_admission::resources::PolicyExceptionSpec;
use sallyport_admission::{List, NotHonoured};
use sallyport_policy::{Diagnostic, FieldPath, nearest};

use crate::policies::Loaded;
use crate::source::{Located, decode};

/// A warning for each policy and entry from which an exception is made in vain. Where no policy is here at all,
/// nothing can be said.
pub(super) fn exceptions_in_vain(loaded: &Loaded, now: i64) -> Vec<Located> {
    let mut found = Vec::new();
    if loaded.set.policies().is_empty() {
        return found;
    }
    for (exception, document) in &loaded.exceptions {
        let Ok(spec) = decode::<PolicyExceptionSpec>(document, &FieldPath::of("spec")) else { continue };
        for excepted in &spec.policies {
            let at = FieldPath::of("spec.policies").named(excepted.name.clone());
            let Some(policy) = loaded.set.policies().iter().find(|policy| policy.name() == excepted.name)
            else {
                let names = loaded.set.policies().iter().map(|policy| policy.name());
                let mut diagnostic = Diagnostic::warning(
                    at.field("name"),
                    "no WorkloadPolicy of this name is among these files",
                );
                diagnostic.help = nearest(&excepted.name, names).map(|near| format!("did you mean {near}?"));
                found.push(document.place(diagnostic));
                continue;
            };
            if let Err(reason) = exception.honoured_by(policy, now) {
                let field = match reason {
                    NotHonoured::UnknownPolicy => at.field("name"),
                    NotHonoured::NamespaceNotListed => FieldPath::of("metadata.namespace"),
                    NotHonoured::TooLong | NotHonoured::Expired => FieldPath::of("spec.expires"),
                };
                let message =
                    format!("the policy {} does not honour this exception: {reason}", policy.name());
                found.push(document.place(Diagnostic::warning(field, message)));
            }
            for (index, entry) in excepted.entries.iter().enumerate() {
                let at = at.field("entries").index(index);
                match policy.entry_named(entry) {
                    None => {
                        let message = format!("the policy {} has no entry of this name", policy.name());
                        let mut diagnostic = Diagnostic::warning(at, message);
                        let known = policy.entries().map(|(source, _)| &*source.entry);
                        diagnostic.help = nearest(entry, known).map(|near| format!("did you mean {near}?"));
                        found.push(document.place(diagnostic));
                    }
                    Some(meant) if **entry == *meant.entry && meant.list == List::Validate => {
                        let other = format!("mutate/{entry}");
                        if policy.entry_named(&other).is_some() {
                            let message = format!("validate/{entry} is meant; {other} stays in force");
                            let mut diagnostic = Diagnostic::warning(at, message);
                            diagnostic.help = Some(format!("write validate/{entry}, or {other}"));
                            found.push(document.place(diagnostic));
                        }
                    }
                    Some(_) => {}
                }
            }
        }
    }
    found
}
