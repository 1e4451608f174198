//! The types that an expression is checked against, and which of them fit which, as cel-go's checker has it.
//!
//! `object`, `oldObject` and `item` are `dyn`: what is read from them fits everything, and is looked at when it is
//! evaluated. What an expression makes itself has a type, and is refused where it can't fit.

use std::fmt;

/// A type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Type {
    Dyn,
    Bool,
    Int,
    Uint,
    Double,
    String,
    Bytes,
    Null,
    Duration,
    Timestamp,
    /// The type of a type: `type(1)` and `int` are both of the type of int.
    Types(Box<Type>),
    List(Box<Type>),
    Map(Box<Type>, Box<Type>),
    Optional(Box<Type>),
    /// A type without parameters that only its own functions know, such as `net.IP`.
    Opaque(&'static str),
    /// A type with fields.
    Object(&'static str),
    /// A type that is yet to be found: a parameter of a signature, or what an empty list holds.
    Var(usize),
}

/// Parts of a type: a variable that is named twice in what it is bound to could double it again and again.
pub(super) const MAX_PARTS: usize = 256;

impl Type {
    pub(super) fn list(element: Self) -> Self {
        Self::List(Box::new(element))
    }

    pub(super) fn map(key: Self, value: Self) -> Self {
        Self::Map(Box::new(key), Box::new(value))
    }

    pub(super) fn types(of: Self) -> Self {
        Self::Types(Box::new(of))
    }

    pub(super) fn optional(held: Self) -> Self {
        Self::Optional(Box::new(held))
    }

    fn parameters(&self) -> Vec<&Self> {
        match self {
            Self::List(part) | Self::Optional(part) | Self::Types(part) => vec![part],
            Self::Map(key, value) => vec![key, value],
            _ => Vec::new(),
        }
    }

    /// Whether null is a value of the type.
    fn is_nullable(&self) -> bool {
        matches!(
            self,
            Self::Null
                | Self::Duration
                | Self::Timestamp
                | Self::Optional(_)
                | Self::Opaque(_)
                | Self::Object(_)
        )
    }

    /// The number of its parts.
    pub(super) fn parts(&self) -> usize {
        1 + self.parameters().into_iter().map(Self::parts).sum::<usize>()
    }
}

/// As CEL spells it.
impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dyn | Self::Var(_) => f.write_str("dyn"),
            Self::Bool => f.write_str("bool"),
            Self::Int => f.write_str("int"),
            Self::Uint => f.write_str("uint"),
            Self::Double => f.write_str("double"),
            Self::String => f.write_str("string"),
            Self::Bytes => f.write_str("bytes"),
            Self::Null => f.write_str("null"),
            Self::Duration => f.write_str("duration"),
            Self::Timestamp => f.write_str("timestamp"),
            Self::Types(of) => write!(f, "type({of})"),
            Self::List(element) => write!(f, "list({element})"),
            Self::Map(key, value) => write!(f, "map({key}, {value})"),
            Self::Optional(held) => write!(f, "optional_type({held})"),
            Self::Opaque(name) | Self::Object(name) => f.write_str(name),
        }
    }
}

/// What the variables of types stand for.
#[derive(Clone, Debug, Default)]
pub(super) struct Substitutions {
    bound: Vec<Option<Type>>,
}

impl Substitutions {
    /// A new variable.
    pub(super) fn fresh(&mut self) -> Type {
        self.bound.push(None);
        Type::Var(self.bound.len() - 1)
    }

    /// The number of variables.
    pub(super) fn len(&self) -> usize {
        self.bound.len()
    }

    /// Forgets the variables made since there were so many.
    pub(super) fn truncate(&mut self, len: usize) {
        self.bound.truncate(len);
    }

    fn find(&self, of: &Type) -> Option<&Type> {
        match of {
            Type::Var(id) => self.bound.get(*id).and_then(Option::as_ref),
            _ => None,
        }
    }

    fn bind(&mut self, variable: &Type, to: Type) {
        if let Type::Var(id) = variable
            && let Some(place) = self.bound.get_mut(*id)
        {
            *place = Some(to);
        }
    }

    /// The type with its variables replaced; those that stand for nothing yet are `dyn` if `free_as_dyn`.
    pub(super) fn apply(&self, to: &Type, free_as_dyn: bool) -> Type {
        match to {
            Type::Var(_) => match self.find(to) {
                Some(found) => self.apply(found, free_as_dyn),
                None if free_as_dyn => Type::Dyn,
                None => to.clone(),
            },
            Type::List(element) => Type::list(self.apply(element, free_as_dyn)),
            Type::Map(key, value) => Type::map(self.apply(key, free_as_dyn), self.apply(value, free_as_dyn)),
            Type::Optional(held) => Type::optional(self.apply(held, free_as_dyn)),
            Type::Types(of) => Type::types(self.apply(of, free_as_dyn)),
            other => other.clone(),
        }
    }

    /// Whether all of `found` fit all of `wanted`; if so, the variables stand for what makes them fit.
    pub(super) fn fit_all(&mut self, found: &[Type], wanted: &[Type]) -> bool {
        let mut trial = self.clone();
        let fits = found.len() == wanted.len()
            && found.iter().zip(wanted).all(|(found, wanted)| trial.assignable(found, wanted));
        if fits {
            *self = trial;
        }
        fits
    }

    /// Whether `found` fits `wanted`, as [`Substitutions::fit_all`].
    pub(super) fn fit(&mut self, found: &Type, wanted: &Type) -> bool {
        self.fit_all(std::slice::from_ref(found), std::slice::from_ref(wanted))
    }

    fn assignable(&mut self, one: &Type, other: &Type) -> bool {
        if let Type::Var(_) = other {
            let (valid, was_bound) = self.substitutes(one, other);
            if valid || was_bound {
                return valid;
            }
        }
        if let Type::Var(_) = one {
            return self.substitutes(other, one).0;
        }
        match (one, other) {
            (Type::Dyn, _) | (_, Type::Dyn) => true,
            (Type::Null, nullable) | (nullable, Type::Null) => nullable.is_nullable(),
            (Type::List(one), Type::List(other)) | (Type::Optional(one), Type::Optional(other)) => {
                self.assignable(one, other)
            }
            (Type::Map(key, value), Type::Map(other_key, other_value)) => {
                self.assignable(key, other_key) && self.assignable(value, other_value)
            }
            (Type::Types(_), Type::Types(_)) => true,
            _ => one == other,
        }
    }

    /// Whether `variable` can stand for the type, and whether it stood for one already.
    fn substitutes(&mut self, with: &Type, variable: &Type) -> (bool, bool) {
        if with == variable {
            return (true, true);
        }
        if let Some(bound) = self.find(variable).cloned() {
            if *with == bound {
                return (true, true);
            }
            if self.assignable(with, &bound) {
                let general = most_general(with, &bound);
                if !self.occurs(variable, &general) {
                    self.bind(variable, general);
                }
                return (true, true);
            }
            return (false, true);
        }
        if self.occurs(variable, with) {
            return (false, false);
        }
        self.bind(variable, with.clone());
        (true, false)
    }

    /// Whether the variable is, or is part of, the type.
    fn occurs(&self, variable: &Type, within: &Type) -> bool {
        variable == within
            || self.find(within).is_some_and(|bound| self.occurs(variable, bound))
            || within.parameters().into_iter().any(|part| self.occurs(variable, part))
    }
}

/// The more general of two types of which one fits the other.
pub(super) fn most_general(one: &Type, other: &Type) -> Type {
    if is_as_general(one, other) { one.clone() } else { other.clone() }
}

fn is_as_general(one: &Type, other: &Type) -> bool {
    match (one, other) {
        (Type::Dyn | Type::Var(_), _) => true,
        (_, Type::Dyn | Type::Var(_)) => false,
        (Type::List(one), Type::List(other)) | (Type::Optional(one), Type::Optional(other)) => {
            is_as_general(one, other)
        }
        (Type::Map(key, value), Type::Map(other_key, other_value)) => {
            is_as_general(key, other_key) && is_as_general(value, other_value)
        }
        (Type::Types(_), Type::Types(_)) => true,
        _ => one == other,
    }
}
