//! What evaluations may spend, counted in steps: about one for each part of an expression that is evaluated.
//!
//! The interpreter counts nothing, so a compiled expression carries calls that do (see `metering`). Counting is exact
//! and depends on the expression and the object alone: the same request is refused everywhere or nowhere.

use std::any::Any;
use std::sync::atomic::{AtomicU64, Ordering};

use cel::ExecutionError;
use cel::common::types::Type;
use cel::common::value::{StaticVal, Val};

/// Steps that a policy's evaluations over one object may take together. A million take about a tenth of a second.
#[derive(Debug)]
pub struct Budget {
    limit: u64,
    /// What is left; `u64::MAX` once it was not enough.
    left: AtomicU64,
}

impl Budget {
    /// As much as Kubernetes grants a ValidatingAdmissionPolicy, whose costs are of about the same size.
    pub const DEFAULT: u64 = 10_000_000;

    /// A budget of so many steps.
    #[must_use]
    pub fn new(steps: u64) -> Self {
        let limit = steps.min(u64::MAX - 1);
        Self { limit, left: AtomicU64::new(limit) }
    }

    /// The steps taken so far.
    #[must_use]
    pub fn spent(&self) -> u64 {
        match self.left.load(Ordering::Relaxed) {
            u64::MAX => self.limit,
            left => self.limit.saturating_sub(left),
        }
    }

    /// Whether an evaluation needed more than there was. Every later evaluation fails.
    #[must_use]
    pub fn is_exhausted(&self) -> bool {
        self.left.load(Ordering::Relaxed) == u64::MAX
    }

    /// Fails once an evaluation needed more than there was.
    pub(super) fn check(&self) -> Result<(), ExecutionError> {
        self.spend(0)
    }

    /// Takes `steps`, or marks the budget as exhausted.
    pub(super) fn spend(&self, steps: u64) -> Result<(), ExecutionError> {
        let left = self.left.load(Ordering::Relaxed);
        let rest = if left == u64::MAX { None } else { left.checked_sub(steps) };
        self.left.store(rest.unwrap_or(u64::MAX), Ordering::Relaxed);
        rest.map(drop).ok_or_else(|| ExecutionError::function_error("budget", "exhausted"))
    }
}

impl Default for Budget {
    fn default() -> Self {
        Self::new(Self::DEFAULT)
    }
}

static BUDGET_TYPE: Type = Type::new_unspecified_type("@budget");

/// A value, so that it can be handed to the functions that count.
impl Val for Budget {
    fn get_type(&self) -> &Type {
        Self::cel_type()
    }

    fn cel_type() -> &'static Type {
        &BUDGET_TYPE
    }

    /// No expression can name a budget, so none is ever cloned; a clone has nothing to spend.
    fn clone_as_boxed<'v>(&self) -> Box<dyn Val + 'v> {
        Box::new(Self::new(0))
    }

    fn as_any(&self) -> Option<&dyn Any> {
        Some(self)
    }
}

impl StaticVal for Budget {}
