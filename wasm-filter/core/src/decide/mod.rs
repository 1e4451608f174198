//! What becomes of a request.
//!
//! A [`Worker`] is what one worker of a proxy keeps: the program, keys, verified tokens, where limits are counted. It
//! decides about a request at once ([`Step::Done`]), or says what it waits for ([`Step::Wait`]); then it is asked again.

mod authenticate;
mod conclude;
mod exchange;
mod keyed;
mod keys;
mod limits;
mod logged;
mod reason;
mod record;
mod redacted;
mod series;
mod signature;
mod taken;
mod token;
mod waiting;
mod worker;

pub use authenticate::{Accepted, NotSignedIn, Reason, SignIn, SignedIn};
pub use exchange::Exchange;
pub use keys::{Ended, KeyState, NoEnvironmentKeys};
pub use limits::{Asking, Counted, Heard, Refused, RefusedFor, Said};
pub use logged::{logged_host, logged_path};
pub use record::{Record, Verdict};
pub use series::{Part, Series, metric};
pub use signature::Signatures;
pub use token::{Token, TokenError};
pub use waiting::{Awake, Waiting};
pub use worker::{Due, StartError, Tick, Worker};

use crate::answer::Answer;

/// How far a decision has come.
#[derive(Debug)]
pub enum Step {
    /// It is made.
    Done(Decision),
    /// It hangs on something.
    Wait(Wait),
}

/// What a decision hangs on.
#[derive(Debug)]
pub enum Wait {
    /// Keys that are on their way: to be decided anew when a fetch has ended.
    Keys,
    /// What the rate limit service says.
    Service(Asking),
}

/// What becomes of a request.
#[derive(Debug)]
pub struct Decision {
    /// Whether it passes.
    pub outcome: Outcome,
    /// What its response needs.
    pub exchange: Exchange,
    /// What is said of it.
    pub record: Record,
}

/// Whether a request passes.
#[derive(Debug)]
pub enum Outcome {
    /// It does.
    Pass,
    /// It is answered with this.
    Answer(Answer<'static>),
}
