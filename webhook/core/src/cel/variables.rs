//! `variables.NAME`: values that expressions share, each computed when the first of them names it.
//!
//! As in a ValidatingAdmissionPolicy: a variable may use those declared before it, and an error in one surfaces where
//! it is named. What one holds is kept, so it is copied out of the object once.

use std::collections::HashMap;
use std::fmt;
use std::sync::OnceLock;

use cel::ExecutionError;
use cel::common::traits::Indexer;
use cel::common::types::{
    CelBool, CelBytes, CelDouble, CelInt, CelList, CelMap, CelMapKey, CelNull, CelOptional, CelString,
    CelType, CelUInt, Kind, Type,
};
use cel::common::value::{CowVal, Val};
use cel::context::VariableResolver;

use super::budget::Budget;
use super::expression::Expression;
use super::kubernetes;
use super::scope::{Declared, Scope};

/// The variables of one evaluation, with what they were found to hold.
pub struct Variables<'a> {
    definitions: &'a [(String, Expression)],
    scope: Scope<'a>,
    found: Vec<OnceLock<Result<Box<dyn Val>, ExecutionError>>>,
}

impl<'a> Variables<'a> {
    /// Variables by their names, in the order of their declaration, evaluated in `scope`.
    #[must_use]
    pub fn new(definitions: &'a [(String, Expression)], scope: Scope<'a>) -> Self {
        Self { definitions, scope, found: definitions.iter().map(|_| OnceLock::new()).collect() }
    }

    fn find(&self, name: &str) -> Result<&(dyn Val + 'static), ExecutionError> {
        // A variable names only those before it, so this ends.
        let known = self.definitions.iter().zip(&self.found).rev().find(|((known, _), _)| known == name);
        let ((_, expression), found) = known.ok_or_else(|| ExecutionError::no_such_key(name))?;
        let evaluate = || expression.resolve(&Within(self), |value| copied(value, self.scope.budget()));
        match found.get_or_init(evaluate) {
            Ok(value) => Ok(value.as_ref()),
            Err(error) => Err(error.clone()),
        }
    }
}

/// What a variable can name: the scope, and the variables.
struct Within<'s, 'a>(&'s Variables<'a>);

impl VariableResolver for Within<'_, '_> {
    fn resolve<'b>(&'b self, variable: &str) -> Option<CowVal<'b, 'b>> {
        if variable == "variables" {
            return Some(CowVal::Borrowed(self.0));
        }
        self.0.scope.resolve(variable)
    }
}

/// A copy of the value that borrows from nothing. Spends what it copies.
fn copied(value: &dyn Val, budget: &Budget) -> Result<Box<dyn Val>, ExecutionError> {
    let unknown = || ExecutionError::InternalError("a value that can't be kept".to_owned());
    budget.spend(1)?;
    Ok(match value.get_type().kind() {
        Kind::String => {
            let string = value.downcast_ref::<CelString<'_>>().ok_or_else(unknown)?.inner();
            budget.spend(u64::try_from(string.len() / 64).unwrap_or(u64::MAX))?;
            Box::new(CelString::from(string.to_owned()))
        }
        Kind::Bytes => {
            let bytes = value.downcast_ref::<CelBytes<'_>>().ok_or_else(unknown)?.inner();
            budget.spend(u64::try_from(bytes.len() / 64).unwrap_or(u64::MAX))?;
            Box::new(CelBytes::from(bytes.to_vec()))
        }
        Kind::List => {
            let mut items = value.as_iterable().ok_or_else(unknown)?.iter();
            let mut list = Vec::new();
            while let Some(item) = items.next() {
                list.push(copied(item, budget)?);
            }
            Box::new(CelList::from(list))
        }
        Kind::Map => {
            let values = value.as_indexer().ok_or_else(unknown)?;
            let mut keys = value.as_iterable().ok_or_else(unknown)?.iter();
            let mut map: HashMap<CelMapKey<'static>, Box<dyn Val>> = HashMap::new();
            while let Some(key) = keys.next() {
                let held = copied(values.get(key)?.as_ref(), budget)?;
                map.insert(CowVal::Owned(copied(key, budget)?).try_into()?, held);
            }
            Box::new(CelMap::from(map))
        }
        _ => match value.downcast_ref::<CelOptional<'_>>() {
            Some(optional) => {
                let held = optional.option().map(|held| copied(held, budget)).transpose()?;
                Box::new(CelOptional::from(held))
            }
            // Numbers and the like hold nothing that could be borrowed.
            None => plain(value).or_else(|| kubernetes::copied(value)).ok_or_else(unknown)?,
        },
    })
}

fn plain(value: &dyn Val) -> Option<Box<dyn Val>> {
    macro_rules! copy {
        ($($of:ty),*) => {
            $(if let Some(value) = value.downcast_ref::<$of>() {
                return Some(Box::new(value.clone()));
            })*
        };
    }
    copy!(CelInt, CelBool, CelUInt, CelDouble, CelNull, CelType);
    None
}

/// Names only: what they hold is the object's.
impl fmt::Debug for Variables<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.definitions.iter().map(|(name, _)| name)).finish()
    }
}

impl Declared for Variables<'_> {
    fn misses(&self, key: &str) -> bool {
        self.definitions.iter().zip(&self.found).any(|((_, expression), found)| {
            expression.source().contains(key)
                && matches!(found.get(), Some(Err(ExecutionError::NoSuchKey(missed))) if missed.as_str() == key)
        })
    }
}

impl Val for Variables<'_> {
    fn get_type(&self) -> &Type {
        Self::cel_type()
    }

    fn cel_type() -> &'static Type {
        static TYPE: Type = Type::new_unspecified_type("variables");
        &TYPE
    }

    fn as_indexer<'b, 'w>(&'b self) -> Option<&'b (dyn Indexer + 'w)>
    where
        Self: 'w,
    {
        Some(self)
    }

    fn clone_as_boxed<'w>(&self) -> Box<dyn Val + 'w>
    where
        Self: 'w,
    {
        Box::new(Self::new(self.definitions, self.scope.clone()))
    }
}

impl Indexer for Variables<'_> {
    fn get<'b, 'w>(&'b self, key: &dyn Val) -> Result<CowVal<'b, 'w>, ExecutionError>
    where
        Self: 'w,
    {
        let name = key.downcast_ref::<CelString<'_>>().map(CelString::inner).unwrap_or_default();
        self.find(name).map(CowVal::Borrowed)
    }

    fn steal<'w>(self: Box<Self>, key: &dyn Val) -> Result<Box<dyn Val + 'w>, ExecutionError>
    where
        Self: 'w,
    {
        self.get(key).map(|found| found.as_ref().clone_as_boxed())
    }
}
