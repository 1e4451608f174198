//! `RateLimitResponse`, to a request with one descriptor.

use std::time::Duration;

use super::Descriptor;
use super::wire::{Malformed, Message};

/// What a service answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// All hits are within the limit.
    Granted {
        /// How many more are left in this window.
        remaining: u32,
        /// How long until the window ends: whole seconds, at most one too many.
        reset: Duration,
    },
    /// They are not; the service may have counted them all the same.
    Refused {
        /// How long until the window ends.
        reset: Duration,
    },
    /// The service counted nothing, or by another limit than it was told: it does not know our domain, or is too old to
    /// take a limit from a request.
    NotCounted,
}

const OK: u32 = 1;
const OVER_LIMIT: u32 = 2;

#[derive(Default)]
struct Status {
    current_limit: Option<CurrentLimit>,
    remaining: u32,
    reset: RawDuration,
}

#[derive(Default)]
struct CurrentLimit {
    requests: u32,
    unit: u32,
}

/// Reads the answer to a request for this limit. Without `duration_until_reset` the window ends at once.
///
/// `overall_code` decides. Where the service's operator runs it in shadow or quota mode, it is OK whatever the status
/// says.
///
/// # Errors
/// The bytes are no RateLimitResponse.
pub fn decode(bytes: &[u8], descriptor: &Descriptor) -> Result<Answer, Malformed> {
    let mut message = Message(bytes);
    let (mut overall_code, mut statuses, mut first) = (0, 0_usize, Status::default());
    while let Some((number, value)) = message.field()? {
        match number {
            1 => overall_code = value.u32()?,
            2 => {
                let status = Status::read(value.message()?)?;
                if statuses == 0 {
                    first = status;
                }
                statuses += 1;
            }
            _ => {}
        }
    }
    let counts_ours = first.current_limit.as_ref().is_some_and(|limit| {
        limit.requests == descriptor.requests && limit.unit == u32::from(descriptor.unit as u8)
    });
    Ok(match overall_code {
        _ if statuses != 1 || !counts_ours => Answer::NotCounted,
        OK => Answer::Granted { remaining: first.remaining, reset: first.reset.get() },
        OVER_LIMIT => Answer::Refused { reset: first.reset.get() },
        _ => Answer::NotCounted,
    })
}

impl Status {
    fn read(mut message: Message<'_>) -> Result<Self, Malformed> {
        let mut status = Self::default();
        while let Some((number, value)) = message.field()? {
            match number {
                1 => {
                    value.varint()?;
                }
                2 => status.current_limit.get_or_insert_default().read(value.message()?)?,
                3 => status.remaining = value.u32()?,
                4 => status.reset.read(value.message()?)?,
                _ => {}
            }
        }
        Ok(status)
    }
}

impl CurrentLimit {
    fn read(&mut self, mut message: Message<'_>) -> Result<(), Malformed> {
        while let Some((number, value)) = message.field()? {
            match number {
                1 => self.requests = value.u32()?,
                2 => self.unit = value.u32()?,
                _ => {}
            }
        }
        Ok(())
    }
}

/// `google.protobuf.Duration`: a field that comes twice is one message in two parts.
#[derive(Clone, Copy, Default)]
struct RawDuration {
    seconds: u64,
    nanos: u32,
}

impl RawDuration {
    fn read(&mut self, mut message: Message<'_>) -> Result<(), Malformed> {
        while let Some((number, value)) = message.field()? {
            match number {
                1 => self.seconds = value.varint()?,
                2 => self.nanos = value.u32()?,
                _ => {}
            }
        }
        Ok(())
    }

    /// No time at all, where it is negative or otherwise not well formed.
    fn get(self) -> Duration {
        let is_valid = self.seconds <= LONGEST && self.nanos < 1_000_000_000;
        if is_valid { Duration::new(self.seconds, self.nanos) } else { Duration::ZERO }
    }
}

/// The longest google.protobuf.Duration, in seconds: about 10,000 years.
const LONGEST: u64 = 315_576_000_000;
