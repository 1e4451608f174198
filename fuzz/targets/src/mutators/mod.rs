//! One input made of another, in keeping with its form, so that most get past the parser. All randomness is the dice's:
//! the same dice make the same inputs, everywhere.

mod binary;
mod dice;
mod dictionary;
mod expression;
mod json;
mod text;

pub use dice::Dice;
use dictionary::Dictionary;
use serde_json::Value;

/// The form of a target's inputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// JSON, changed as a tree.
    Json,
    /// An AdmissionReview: JSON, whose bytes are changed too.
    Review,
    /// A JOSE header or keys: JSON, whose bytes are changed too; or a token or PEM.
    Jose,
    /// YAML, changed by lines and words.
    Yaml,
    /// An image reference, changed by its parts.
    Image,
    /// Lines of a request, changed by lines and words.
    Http,
    /// Bytes that no person reads, changed by bits, numbers and fields.
    Binary,
}

/// What one throw in four does to JSON that is read strictly.
const BYTES: usize = 4;

pub(crate) fn mutated(form: Form, input: &[u8], dice: &mut Dice) -> Vec<u8> {
    let words = Dictionary::of(form);
    let as_tree = match form {
        Form::Json => true,
        Form::Review | Form::Jose => !dice.one_in(BYTES),
        Form::Yaml | Form::Image | Form::Http | Form::Binary => false,
    };
    if as_tree && let Ok(mut tree) = serde_json::from_slice::<Value>(input) {
        for _ in 0..changes(dice) {
            json::change(&mut tree, words, dice);
        }
        return tree.to_string().into_bytes();
    }
    let mut bytes = input.to_vec();
    for _ in 0..changes(dice) {
        match form {
            Form::Binary => binary::change(&mut bytes, words, dice),
            _ => text::change(&mut bytes, words, dice),
        }
    }
    bytes
}

/// Mostly one: what is changed in many places is seldom read.
fn changes(dice: &mut Dice) -> usize {
    if dice.one_in(4) { 1 + dice.below(4) } else { 1 }
}
