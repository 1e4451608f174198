//! Header values with what a request says in them.

use std::borrow::Cow;

use thiserror::Error;

use super::{FindClaim, as_header_value};
use crate::request::{ClientAddress, Request};

/// What stands for a part of a request in a header's value, written `%{NAME}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Variable {
    /// `%{request-id}`: the request's x-request-id, which Envoy makes.
    RequestId,
    /// `%{correlation-id}`: what `headers.correlation` chose.
    CorrelationId,
    /// `%{client-address}`: the client's IP address.
    ClientAddress,
    /// `%{host}`: the request's host, in lower case and without port.
    Host,
    /// `%{method}`: its method.
    Method,
    /// `%{path}`: its path, without the query.
    Path,
    /// `%{claim(PROVIDER, NAME, …)}`: a claim of a valid token.
    Claim {
        /// Whose token.
        provider: String,
        /// The names that lead to the claim.
        path: Vec<String>,
    },
}

/// A header's value, compiled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Value(Vec<Piece>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Text(Box<str>),
    Variable(Variable),
}

/// A header's value can't be read.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum InvalidValue {
    /// A variable does not end.
    #[error("{0:?} has no '}}': write %{{NAME}}, or %%{{ for %{{ itself")]
    Unended(String),
    /// There is no such variable.
    #[error(
        "there is no variable {0:?}: write request-id, correlation-id, client-address, host, method, path or \
         claim(PROVIDER, NAME)"
    )]
    Unknown(String),
    /// A claim lacks a provider or a name.
    #[error("{0:?} names no claim: write claim(PROVIDER, NAME), with a further name for each level below")]
    Claim(String),
}

/// What the variables stand for, of one request.
#[derive(Clone, Copy)]
pub struct Facts<'a> {
    /// The request.
    pub request: &'a Request<'a>,
    /// The client's address.
    pub client: Option<ClientAddress>,
    /// The correlation identifier.
    pub correlation: Option<&'a [u8]>,
    /// Finds claims of valid tokens.
    pub claim: FindClaim<'a>,
}

impl Value {
    /// Reads a value: text, with `%{NAME}` for variables and `%%{` for `%{` itself.
    ///
    /// # Errors
    /// A variable is not one.
    pub fn parse(text: &str) -> Result<Self, InvalidValue> {
        let mut pieces = Vec::new();
        let mut plain = String::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("%{") {
            if let Some(before) = before.strip_suffix('%') {
                plain.push_str(before);
                plain.push_str("%{");
                rest = after;
                continue;
            }
            plain.push_str(before);
            let Some((name, after)) = after.split_once('}') else {
                return Err(InvalidValue::Unended(format!("%{{{after}")));
            };
            if !plain.is_empty() {
                pieces.push(Piece::Text(std::mem::take(&mut plain).into()));
            }
            pieces.push(Piece::Variable(Variable::parse(name)?));
            rest = after;
        }
        plain.push_str(rest);
        if !plain.is_empty() {
            pieces.push(Piece::Text(plain.into()));
        }
        Ok(Self(pieces))
    }

    /// The value for a request. `None` where a variable stands for nothing, or for what a header can't hold
    /// ([`as_header_value`]).
    #[must_use]
    pub fn of(&self, facts: &Facts<'_>) -> Option<Cow<'_, [u8]>> {
        match &*self.0 {
            [] => return Some(Cow::Borrowed(b"")),
            [Piece::Text(text)] => return Some(Cow::Borrowed(text.as_bytes())),
            _ => {}
        }
        let mut value = Vec::new();
        for piece in &self.0 {
            match piece {
                Piece::Text(text) => value.extend_from_slice(text.as_bytes()),
                Piece::Variable(variable) => {
                    let found = variable.of(facts)?;
                    value.extend_from_slice(as_header_value(&found)?);
                }
            }
        }
        Some(Cow::Owned(value))
    }

    /// Its variables, in order.
    pub fn variables(&self) -> impl Iterator<Item = &Variable> {
        self.0.iter().filter_map(|piece| match piece {
            Piece::Variable(variable) => Some(variable),
            Piece::Text(_) => None,
        })
    }
}

impl Variable {
    /// Whether it stands in the request's headers.
    pub(super) const fn asks_for_request(&self) -> bool {
        match self {
            Self::RequestId | Self::Host | Self::Method | Self::Path => true,
            // They were found out when the request was decided.
            Self::CorrelationId | Self::ClientAddress | Self::Claim { .. } => false,
        }
    }

    fn parse(name: &str) -> Result<Self, InvalidValue> {
        Ok(match name.trim() {
            "request-id" => Self::RequestId,
            "correlation-id" => Self::CorrelationId,
            "client-address" => Self::ClientAddress,
            "host" => Self::Host,
            "method" => Self::Method,
            "path" => Self::Path,
            other => {
                let Some(inside) = other.strip_prefix("claim(") else {
                    return Err(InvalidValue::Unknown(other.to_owned()));
                };
                let none = || InvalidValue::Claim(other.to_owned());
                let mut names = inside.strip_suffix(')').ok_or_else(none)?.split(',').map(str::trim);
                let provider = names.next().unwrap_or_default().to_owned();
                let path: Vec<String> = names.map(str::to_owned).collect();
                if provider.is_empty() || path.is_empty() || path.iter().any(String::is_empty) {
                    return Err(none());
                }
                Self::Claim { provider, path }
            }
        })
    }

    fn of<'f>(&self, facts: &Facts<'f>) -> Option<Cow<'f, [u8]>> {
        let request = facts.request;
        match self {
            Self::RequestId => request.headers.only(b"x-request-id").one().map(Cow::Borrowed),
            Self::CorrelationId => facts.correlation.map(Cow::Borrowed),
            Self::ClientAddress => {
                facts.client.map(|client| Cow::Owned(client.ip().to_string().into_bytes()))
            }
            Self::Host => request.host.as_ref().map(|host| Cow::Borrowed(host.as_bytes())),
            Self::Method => Some(Cow::Borrowed(request.method)),
            Self::Path => Some(Cow::Borrowed(request.path.as_bytes())),
            Self::Claim { provider, path } => (facts.claim)(provider, path),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::{HeaderList, source_address};

    #[track_caller]
    fn check(value: &str, wanted: Option<&str>) {
        let headers = HeaderList::from_pairs([
            (&b":method"[..], &b"GET"[..]),
            (b":path", b"/a?b=c"),
            (b":authority", b"Shop.Example:80"),
            (b"x-request-id", b"r-1"),
        ]);
        let claim = |provider: &str, path: &[String]| match (provider, path.join("/").as_str()) {
            ("p", "sub") => Some(Cow::Borrowed(&b"ada"[..])),
            ("p", "https:x/roles") => Some(Cow::Borrowed(&b"admin user"[..])),
            ("p", "bad") => Some(Cow::Borrowed(&b"a\r\nb: c"[..])),
            _ => None,
        };
        let facts = Facts {
            request: &Request::of(&headers),
            client: source_address(b"[2001:db8::1]:80"),
            correlation: None,
            claim: &claim,
        };
        let value = Value::parse(value).unwrap();
        assert_eq!(value.of(&facts).as_deref(), wanted.map(str::as_bytes), "{value:?}");
    }

    #[test]
    fn variables_stand_for_what_the_request_says() {
        check("", Some(""));
        check("plain 100% %20 %a }", Some("plain 100% %20 %a }"));
        check("%{request-id}", Some("r-1"));
        check("a%{ host }b%{method}c", Some("ashop.exampleb GETc".replace(' ', "").as_str()));
        check("%{path}", Some("/a"));
        check("for=%{client-address}", Some("for=2001:db8::1"));
        check("%{claim(p, sub)}", Some("ada"));
        check("%{claim(p,https:x,roles)}", Some("admin user"));
        check("%%{host} %%%{host}", Some("%{host} %%{host}"));
    }

    #[test]
    fn a_value_of_which_a_part_is_missing_or_harmful_is_none() {
        check("%{correlation-id}", None);
        check("a%{claim(p, nobody)}b", None);
        check("%{claim(q, sub)}", None);
        check("%{claim(p, bad)}", None);
    }

    #[test]
    fn what_is_no_variable_says_what_is_one() {
        for (value, message) in [
            ("a%{host", "\"%{host\" has no '}': write %{NAME}, or %%{ for %{ itself"),
            ("%{}", "there is no variable \"\": write request-id, "),
            ("%{Host}", "there is no variable \"Host\": write request-id, "),
            ("%{claim}", "there is no variable \"claim\": write request-id, "),
            ("%{claim(p)}", "\"claim(p)\" names no claim: write claim(PROVIDER, NAME), "),
            ("%{claim(p, )}", "\"claim(p, )\" names no claim: "),
            ("%{claim(, a)}", "\"claim(, a)\" names no claim: "),
            ("%{claim(p, a}", "\"claim(p, a\" names no claim: "),
        ] {
            let error = Value::parse(value).unwrap_err().to_string();
            assert!(error.starts_with(message), "{value}: {error}");
        }
    }
}
