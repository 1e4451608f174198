//! Who checks signatures.

use crate::host::Host;
use crate::jose::host_verify::{host_call, result};
use crate::jose::probe::{HostAlgorithms, probe};
use crate::jose::{HostCall, Jws, Key, verify};
use crate::program::Verification;

/// Who checks signatures: the proxy, of the algorithms that it showed to check rightly, and the filter all others. The
/// verdict is the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signatures {
    host: HostAlgorithms,
}

impl Signatures {
    /// Chooses as the configuration says; `None` where it says Host, and the proxy checks nothing rightly.
    #[must_use]
    pub fn choose(verification: Verification, host: &dyn Host) -> Option<Self> {
        let algorithms = match verification {
            Verification::Wasm => HostAlgorithms::default(),
            Verification::Auto | Verification::Host => {
                probe(|arguments| host.verify_signature(arguments).ok())
            }
        };
        let is_missing = verification == Verification::Host && algorithms == HostAlgorithms::default();
        (!is_missing).then_some(Self { host: algorithms })
    }

    /// Whether the key has signed the token.
    pub(super) fn verify(&self, key: &Key, jws: &Jws<'_>, host: &dyn Host) -> bool {
        let (algorithm, input, signature) = (jws.algorithm(), jws.signing_input(), jws.signature());
        if self.host.contains(algorithm) {
            match host_call(key, algorithm, input, signature) {
                HostCall::Refused => return false,
                HostCall::Call(arguments) => {
                    let answer = host.verify_signature(&arguments).ok();
                    if let Some(valid) = answer.and_then(|answer| result(&answer)) {
                        return valid;
                    }
                }
                HostCall::Unsupported => {}
            }
        }
        verify(key, algorithm, input, signature)
    }
}
