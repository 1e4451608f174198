//! The signatures of functions, and the text that tables write them in: `string.(string) bool` is called on a string,
//! `(string) bool` on nothing; `A` and `B` stand for any type, the same throughout one signature.

use super::types::{Substitutions, Type};

const COMPARABLE: &str = "@comparable";
const SUMMABLE: &str = "@summable";

/// One way to call a function.
#[derive(Clone, Debug)]
pub(super) struct Signature {
    /// Whether it is called on its first parameter.
    pub(super) is_member: bool,
    parameters: Vec<Type>,
    result: Type,
    /// Its type parameters are the variables below this.
    variables: usize,
}

impl Signature {
    /// Reads the signatures that a text stands for: several where it says `@comparable` or `@summable`, one for each
    /// such type. None if it is malformed.
    pub(super) fn parse_all(text: &str) -> Vec<Self> {
        let types: &[&str] = if text.contains(COMPARABLE) {
            &["int", "uint", "double", "bool", "duration", "timestamp", "string", "bytes"]
        } else {
            &["int", "uint", "double", "duration"]
        };
        if !text.contains('@') {
            return Self::parse(text).into_iter().collect();
        }
        let texts = types.iter().map(|of| text.replace(COMPARABLE, of).replace(SUMMABLE, of));
        texts.filter_map(|text| Self::parse(&text)).collect()
    }

    /// Reads a signature; `None` if it is malformed.
    fn parse(text: &str) -> Option<Self> {
        let mut reader = Reader { rest: text, names: Vec::new() };
        let mut parameters = Vec::new();
        let is_member = !text.starts_with('(');
        if is_member {
            parameters.push(reader.of()?);
            reader.expect('.')?;
        }
        reader.expect('(')?;
        parameters.extend(reader.until_closed()?);
        let result = reader.of()?;
        reader.rest.trim().is_empty().then_some(Self {
            is_member,
            parameters,
            result,
            variables: reader.names.len(),
        })
    }

    /// The result of a call with such arguments; `None` if they don't fit. What variables stand for is kept in `known`.
    pub(super) fn call(&self, args: &[Type], known: &mut Substitutions) -> Option<Type> {
        if args.len() != self.parameters.len() {
            return None;
        }
        let before = known.len();
        let fresh: Vec<Type> = (0..self.variables).map(|_| known.fresh()).collect();
        let parameters: Vec<Type> = self.parameters.iter().map(|of| instantiate(of, &fresh)).collect();
        if !known.fit_all(args, &parameters) {
            known.truncate(before);
            return None;
        }
        Some(known.apply(&instantiate(&self.result, &fresh), false))
    }
}

fn instantiate(of: &Type, fresh: &[Type]) -> Type {
    match of {
        Type::Var(id) => fresh.get(*id).cloned().unwrap_or(Type::Dyn),
        Type::List(element) => Type::list(instantiate(element, fresh)),
        Type::Map(key, value) => Type::map(instantiate(key, fresh), instantiate(value, fresh)),
        Type::Optional(held) => Type::optional(instantiate(held, fresh)),
        Type::Types(of) => Type::types(instantiate(of, fresh)),
        other => other.clone(),
    }
}

struct Reader<'t> {
    rest: &'t str,
    names: Vec<&'t str>,
}

impl<'t> Reader<'t> {
    fn expect(&mut self, wanted: char) -> Option<()> {
        self.rest = self.rest.trim_start().strip_prefix(wanted)?;
        Some(())
    }

    fn until_closed(&mut self) -> Option<Vec<Type>> {
        let mut read = Vec::new();
        while self.expect(')').is_none() {
            if !read.is_empty() {
                self.expect(',')?;
            }
            read.push(self.of()?);
        }
        Some(read)
    }

    fn of(&mut self) -> Option<Type> {
        let text = self.rest.trim_start();
        let end = text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(text.len());
        let (name, rest) = text.split_at_checked(end)?;
        self.rest = rest;
        Some(match name {
            "dyn" => Type::Dyn,
            "bool" => Type::Bool,
            "int" => Type::Int,
            "uint" => Type::Uint,
            "double" => Type::Double,
            "string" => Type::String,
            "bytes" => Type::Bytes,
            "duration" => Type::Duration,
            "timestamp" => Type::Timestamp,
            "list" | "map" | "optional" | "type" => {
                self.expect('(')?;
                let mut inner = self.until_closed()?.into_iter();
                let made = match (name, inner.next()?, inner.next()) {
                    ("list", element, None) => Type::list(element),
                    ("optional", held, None) => Type::optional(held),
                    ("type", of, None) => Type::types(of),
                    ("map", key, Some(value)) => Type::map(key, value),
                    _ => return None,
                };
                return inner.next().is_none().then_some(made);
            }
            "ip" => Type::Opaque("net.IP"),
            "cidr" => Type::Opaque("net.CIDR"),
            "quantity" => Type::Object("kubernetes.Quantity"),
            "url" => Type::Object("kubernetes.URL"),
            "semver" => Type::Object("kubernetes.Semver"),
            "format" => Type::Object("kubernetes.NamedFormat"),
            name if name.len() == 1 && name.starts_with(|c: char| c.is_ascii_uppercase()) => {
                let known = self.names.iter().position(|known| *known == name);
                Type::Var(known.unwrap_or_else(|| {
                    self.names.push(name);
                    self.names.len() - 1
                }))
            }
            _ => return None,
        })
    }
}
