//! Which headers come and go.
//!
//! What a policy asks for is compiled once ([`RequestEdits`], [`ResponseEdits`]). For a message it becomes [`Changes`],
//! with the values of this request in them, and these become the fewest [`Operation`]s on the headers that are there:
//! each is a call to the proxy.
//!
//! Headers that frame a message or name its receiver are never changed ([`is_framing`]), nor are those by which the proxy
//! routes unless the policy names them: so a route that was chosen stays.

mod changes;
mod claims;
mod content_security_policy;
mod correlation;
mod framing;
mod identity;
mod name_set;
mod owasp;
mod permissions_policy;
mod request;
mod response;
mod value;

pub use changes::{Action, Change, Changes, Header, Operation, apply};
pub use claims::{FindClaim, as_header_value};
pub use content_security_policy::content_security_policy;
pub use correlation::{correlation_id, trace_id};
pub use framing::is_framing;
pub use identity::IdentityHeaders;
pub use name_set::NameSet;
pub use owasp::{FILLED as OWASP_FILLED, REVEALING as OWASP_REVEALING};
pub use permissions_policy::permissions_policy;
pub use request::{Gone, RequestEdits};
pub use response::{ResponseEdits, strict_transport_security};
pub use value::{Facts, InvalidValue, Value, Variable};
