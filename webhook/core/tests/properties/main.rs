//! What holds of every decision about mutation, over generated pods and policies and over the pods that
//! pod-security-admission is tested with.

mod corpus;
mod index;
mod invariants;
mod kept;
mod mutation;
mod pods;
mod policies;
mod rfc6902;
mod shapeless;
mod validation;
mod validity;

#[path = "../reading/mod.rs"]
mod reading;
