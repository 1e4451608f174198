//! What the fuzz targets do with their input, as plain functions: libFuzzer's programs (the folder above) and the tests
//! of this package run the very same ones.
//!
//! A target takes any bytes. It passes over those that are not of its form, and panics where a property does not hold.
//! Nearly all read JSON or text, so that a seed can be read and written by hand; what changes inputs knows their form
//! (see [`mutators`]).

mod answer;
mod cel;
mod difference;
mod exception;
mod headers;
mod images;
mod input;
mod jwks;
mod jws;
mod limit_table;
#[allow(dead_code)]
#[path = "../../../wasm-filter/core/tests/limit/memory.rs"]
mod memory;
mod mutation;
pub mod mutators;
mod path;
#[allow(dead_code)]
#[path = "../../../wasm-filter/core/tests/limit/protobuf.rs"]
mod protobuf;
#[path = "../../../wasm-filter/core/tests/limit/reference.rs"]
mod reference;
mod resource;
mod review;
#[path = "../../../webhook/core/tests/properties/rfc6902.rs"]
mod rfc6902;
mod rls;
#[path = "../../../wasm-filter/core/src/route/servers.rs"]
mod servers;
mod source;
mod validation;

use mutators::{Dice, Form};

/// Something that reads what others wrote, and what must hold of it whatever they wrote.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// The name: of the program, of the folder of seeds.
    pub name: &'static str,
    /// Takes any input, and panics where a property does not hold. Whether the input got past the reader: those that
    /// did are worth making others of.
    pub run: fn(&[u8]) -> bool,
    /// The form of its inputs.
    pub form: Form,
}

impl Target {
    /// Another input made of one, the same for the same dice; empty where the other would be longer than `longest`.
    #[must_use]
    pub fn mutated(&self, input: &[u8], longest: usize, dice: &mut Dice) -> Vec<u8> {
        let mut mutated = mutators::mutated(self.form, input, dice);
        if mutated.len() > longest {
            mutated.clear();
        }
        mutated
    }
}

/// AdmissionReviews, as they come from the socket.
pub const REVIEW: Target = Target { name: "review", run: review::run, form: Form::Review };
/// Files of policies.
pub const SOURCE: Target = Target { name: "source", run: source::run, form: Form::Yaml };
/// Policies and exceptions, as the API server hands them over.
pub const RESOURCE: Target = Target { name: "resource", run: resource::run, form: Form::Json };
/// CEL expressions over objects.
pub const CEL: Target = Target { name: "cel", run: cel::run, form: Form::Json };
/// Image references.
pub const IMAGES: Target = Target { name: "images", run: images::run, form: Form::Image };
/// What objects are given.
pub const MUTATION: Target = Target { name: "mutation", run: mutation::run, form: Form::Json };
/// The patch from one object to another.
pub const DIFFERENCE: Target = Target { name: "difference", run: difference::run, form: Form::Json };
/// What objects are refused for.
pub const VALIDATION: Target = Target { name: "validation", run: validation::run, form: Form::Json };
/// PolicyExceptions.
pub const EXCEPTION: Target = Target { name: "exception", run: exception::run, form: Form::Json };
/// Paths of requests.
pub const PATH: Target = Target { name: "path", run: path::run, form: Form::Http };
/// Headers of requests.
pub const HEADERS: Target = Target { name: "headers", run: headers::run, form: Form::Http };
/// Answers of a rate limit service.
pub const RLS: Target = Target { name: "rls", run: rls::run, form: Form::Binary };
/// What limits find in the memory that all plugins of a proxy share.
pub const LIMIT_TABLE: Target = Target { name: "limit_table", run: limit_table::run, form: Form::Binary };
/// Signed tokens, or their headers.
pub const JWS: Target = Target { name: "jws", run: jws::run, form: Form::Jose };
/// Keys that signatures are checked with.
pub const JWKS: Target = Target { name: "jwks", run: jwks::run, form: Form::Jose };

/// All targets.
pub const TARGETS: [Target; 15] = [
    REVIEW,
    SOURCE,
    RESOURCE,
    CEL,
    IMAGES,
    MUTATION,
    DIFFERENCE,
    VALIDATION,
    EXCEPTION,
    PATH,
    HEADERS,
    RLS,
    LIMIT_TABLE,
    JWS,
    JWKS,
];
