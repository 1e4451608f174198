//! What the API server sends: decoding an AdmissionReview, admission.k8s.io/v1.
//!
//! One pass over the bytes. The envelope (the review, its request, kind, resource and userInfo) is read strictly:
//! each member once, each of its type. Objects are read as they are. Whoever can reach the port can send anything,
//! so no message quotes the body: it names the member, what stands there, what is wanted, and the place.

use std::borrow::Cow;
use std::cell::RefCell;
use std::fmt;

use sallyport_admission::{GroupVersionKind, GroupVersionResource, Operation, Request, UserInfo};
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

/// The apiVersion that is spoken, and the only one.
pub const API_VERSION: &str = "admission.k8s.io/v1";
/// The kind that is spoken.
pub const KIND: &str = "AdmissionReview";

/// Members that an object of the envelope may have. The API server sends at most 15; the bound keeps the search for
/// duplicates cheap.
const MEMBERS_MAX: usize = 64;
/// A uid is a UUID of 36 bytes. It is repeated in the response and in the log, so it is bounded.
const UID_BYTES_MAX: usize = 128;
/// Levels that serde_json reads: its recursion limit is 128, and the 128th level meets it.
const LEVELS_MAX: usize = 127;

/// Why a body is not an AdmissionReview. Displayed as one sentence that holds nothing of the body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Malformed {
    /// What is wrong.
    pub fault: Fault,
    /// Where it was seen; `None` where it is the whole that is wrong.
    pub place: Option<Place>,
}

/// A place in a body. Line and column count from 1, both in bytes; `byte` from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The line.
    pub line: usize,
    /// The byte within the line.
    pub column: usize,
    /// The byte within the body.
    pub byte: usize,
}

/// What is wrong with a body.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// Nothing was sent.
    #[error("the body is empty; expected an {KIND} of {API_VERSION} as JSON")]
    Empty,
    /// A byte sequence is not UTF-8 (RFC 8259 section 8.1 wants it).
    #[error("the body is not UTF-8; expected JSON in UTF-8")]
    NotUtf8,
    /// Not JSON. The text is serde_json's: its syntax errors never quote the input.
    #[error("the body is not JSON: {0}")]
    Syntax(String),
    /// Nested deeper than is read.
    #[error("the body is nested deeper than {LEVELS_MAX} levels; expected at most that many")]
    TooDeep,
    /// Something follows the review.
    #[error("something follows the {KIND}; expected the end of the body")]
    Trailing,
    /// A member of another type than it must have.
    #[error("{member} is {found}; expected {wanted}")]
    WrongType {
        /// The member.
        member: Member,
        /// What stands there.
        found: &'static str,
        /// What should.
        wanted: &'static str,
    },
    /// A member that must be there is not.
    #[error("{0} is missing; expected {1}")]
    Missing(Member, &'static str),
    /// A member stands twice (RFC 8259 section 4: what that means differs between readers).
    #[error("{0} has a member twice; expected each member once")]
    Duplicate(Member),
    /// More members than any review has.
    #[error("{0} has more than {MEMBERS_MAX} members; expected an {KIND} of {API_VERSION}")]
    TooManyMembers(Member),
    /// A member has another value than it must have.
    #[error("{0} has another value than {1}; expected {1}")]
    WrongValue(Member, &'static str),
}

/// A member of the envelope, such as `request.uid`; the review itself where both parts are empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Member {
    parent: &'static str,
    name: &'static str,
}

impl Fault {
    /// The fault's name in metrics.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::NotUtf8 => "not-utf8",
            Self::Syntax(_) => "syntax",
            Self::TooDeep => "too-deep",
            Self::Trailing => "trailing",
            Self::WrongType { .. } => "wrong-type",
            Self::Missing(..) => "missing",
            Self::Duplicate(_) => "duplicate",
            Self::TooManyMembers(_) => "too-many-members",
            Self::WrongValue(..) => "wrong-value",
        }
    }
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.fault.fmt(f)?;
        match self.place {
            Some(Place { line, column, byte }) => write!(f, " (line {line}, column {column}, byte {byte})"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Malformed {}

impl fmt::Display for Member {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.parent, self.name) {
            ("", "") => write!(f, "the {KIND}"),
            ("", name) | (name, "") => f.write_str(name),
            (parent, name) => write!(f, "{parent}.{name}"),
        }
    }
}

/// Reads the request of an AdmissionReview.
///
/// # Errors
/// [`Malformed`], saying what was found, what is expected, and where.
pub fn decode(body: &[u8]) -> Result<Request, Malformed> {
    if body.trim_ascii().is_empty() {
        return Err(Malformed { fault: Fault::Empty, place: None });
    }
    let text = std::str::from_utf8(body).map_err(|e| Malformed {
        fault: Fault::NotUtf8,
        place: Some(place_of_byte(body, e.valid_up_to())),
    })?;
    let faults = Faults::default();
    let mut json = serde_json::Deserializer::from_str(text);
    let review = Object { faults: &faults, member: ROOT, read: Review::default() }
        .deserialize(&mut json)
        .map_err(|e| faults.explain(&e, body))?;
    json.end()
        .map_err(|e| Malformed { fault: Fault::Trailing, place: Some(place(body, e.line(), e.column())) })?;
    review.finish().map_err(|fault| Malformed { fault, place: None })
}

const ROOT: Member = Member { parent: "", name: "" };

/// Carries a fault past serde's error, which could hold nothing but text.
#[derive(Default)]
struct Faults(RefCell<Option<Fault>>);

impl Faults {
    fn fail<E: serde::de::Error>(&self, fault: Fault) -> E {
        self.0.replace(Some(fault));
        E::custom("")
    }

    fn explain(&self, error: &serde_json::Error, body: &[u8]) -> Malformed {
        let place = place(body, error.line(), error.column());
        let fault = self.0.take().unwrap_or_else(|| {
            if levels(body, place.byte) > LEVELS_MAX {
                return Fault::TooDeep;
            }
            let text = error.to_string();
            let position = format!(" at line {} column {}", error.line(), error.column());
            Fault::Syntax(text.strip_suffix(&position).unwrap_or(&text).to_owned())
        });
        Malformed { fault, place: Some(place) }
    }
}

/// The place that serde_json names: its columns are bytes, 0 where the line has not begun.
fn place(body: &[u8], line: usize, column: usize) -> Place {
    let start = match line.saturating_sub(2) {
        _ if line < 2 => 0,
        skipped => body
            .iter()
            .enumerate()
            .filter(|(_, byte)| **byte == b'\n')
            .nth(skipped)
            .map_or(body.len(), |(newline, _)| newline + 1),
    };
    let column = column.max(1);
    Place { line: line.max(1), column, byte: start + column - 1 }
}

fn place_of_byte(body: &[u8], byte: usize) -> Place {
    let before = body.get(..byte).unwrap_or(body);
    let line = before.iter().filter(|b| **b == b'\n').count() + 1;
    let column = before.iter().rev().take_while(|b| **b != b'\n').count() + 1;
    Place { line, column, byte }
}

/// How many objects and lists are open after the byte at `end`.
fn levels(body: &[u8], end: usize) -> usize {
    let (mut level, mut quoted, mut escaped) = (0_usize, false, false);
    for byte in body.iter().take(end + 1) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b'{' | b'[' if !quoted => level += 1,
            b'}' | b']' if !quoted => level = level.saturating_sub(1),
            _ => {}
        }
    }
    level
}

/// Something read from the members of a JSON object.
trait Members: Sized {
    /// The members that are read; others are skipped, whatever they hold.
    const NAMES: &'static [&'static str];

    /// Reads one of [`Self::NAMES`].
    fn read<'de, A: MapAccess<'de>>(&mut self, member: Member, next: Next<'_, A>) -> Result<(), A::Error>;
}

/// The value of the member that is being read.
struct Next<'a, A> {
    faults: &'a Faults,
    member: Member,
    map: &'a mut A,
}

impl<'de, A: MapAccess<'de>> Next<'_, A> {
    fn text(self) -> Result<String, A::Error> {
        let leaf = Leaf { faults: self.faults, member: self.member, wanted: "a string", null: false };
        self.map.next_value_seed(TextOf(leaf)).map(Cow::into_owned)
    }

    fn optional_text(self) -> Result<String, A::Error> {
        let leaf = Leaf { faults: self.faults, member: self.member, wanted: "a string", null: true };
        self.map.next_value_seed(TextOf(leaf)).map(Cow::into_owned)
    }

    fn texts(self) -> Result<Vec<String>, A::Error> {
        let leaf = Leaf { faults: self.faults, member: self.member, wanted: "a list of strings", null: true };
        self.map.next_value_seed(TextsOf(leaf))
    }

    fn flag(self) -> Result<Option<bool>, A::Error> {
        let leaf = Leaf { faults: self.faults, member: self.member, wanted: "true or false", null: true };
        self.map.next_value_seed(FlagOf(leaf))
    }

    fn object<T: Members>(self, path: &'static str, read: T) -> Result<T, A::Error> {
        let member = Member { parent: path, name: "" };
        self.map.next_value_seed(Object { faults: self.faults, member, read })
    }

    /// A Kubernetes object as it is, or null.
    fn untyped(self) -> Result<Value, A::Error> {
        let value: Value = self.map.next_value()?;
        let found = match value {
            Value::Object(_) | Value::Null => return Ok(value),
            Value::Bool(_) => "true or false",
            Value::Number(_) => "a number",
            Value::String(_) => "a string",
            Value::Array(_) => "a list",
        };
        let wanted = "an object or null";
        Err(self.faults.fail(Fault::WrongType { member: self.member, found, wanted }))
    }
}

#[derive(Default)]
struct Review {
    api_version: Option<String>,
    kind: Option<String>,
    request: Option<RequestMembers>,
}

impl Members for Review {
    const NAMES: &'static [&'static str] = &["apiVersion", "kind", "request"];

    fn read<'de, A: MapAccess<'de>>(&mut self, member: Member, next: Next<'_, A>) -> Result<(), A::Error> {
        match member.name {
            "apiVersion" => self.api_version = Some(next.text()?),
            "kind" => self.kind = Some(next.text()?),
            _ => self.request = Some(next.object("request", RequestMembers::default())?),
        }
        Ok(())
    }
}

impl Review {
    fn finish(self) -> Result<Request, Fault> {
        let top = |name| Member { parent: "", name };
        match self.api_version.as_deref() {
            None => return Err(Fault::Missing(top("apiVersion"), API_VERSION)),
            Some(API_VERSION) => {}
            Some(_) => return Err(Fault::WrongValue(top("apiVersion"), API_VERSION)),
        }
        match self.kind.as_deref() {
            None => return Err(Fault::Missing(top("kind"), KIND)),
            Some(KIND) => {}
            Some(_) => return Err(Fault::WrongValue(top("kind"), KIND)),
        }
        self.request.ok_or(Fault::Missing(top("request"), "an object"))?.finish()
    }
}

#[derive(Default)]
struct RequestMembers {
    uid: Option<String>,
    kind: Option<TypeName>,
    resource: Option<TypeName>,
    sub_resource: String,
    name: String,
    namespace: String,
    operation: Option<String>,
    user_info: User,
    object: Value,
    old_object: Value,
    dry_run: Option<bool>,
}

impl Members for RequestMembers {
    const NAMES: &'static [&'static str] = &[
        "uid",
        "kind",
        "resource",
        "subResource",
        "name",
        "namespace",
        "operation",
        "userInfo",
        "object",
        "oldObject",
        "dryRun",
    ];

    fn read<'de, A: MapAccess<'de>>(&mut self, member: Member, next: Next<'_, A>) -> Result<(), A::Error> {
        match member.name {
            "uid" => self.uid = Some(next.text()?),
            "kind" => self.kind = Some(next.object("request.kind", TypeName::default())?),
            "resource" => self.resource = Some(next.object("request.resource", TypeName::default())?),
            "subResource" => self.sub_resource = next.optional_text()?,
            "name" => self.name = next.optional_text()?,
            "namespace" => self.namespace = next.optional_text()?,
            "operation" => self.operation = Some(next.text()?),
            "userInfo" => self.user_info = next.object("request.userInfo", User::default())?,
            "object" => self.object = next.untyped()?,
            "oldObject" => self.old_object = next.untyped()?,
            _ => self.dry_run = next.flag()?,
        }
        Ok(())
    }
}

impl RequestMembers {
    fn finish(self) -> Result<Request, Fault> {
        const UID: &str = "a string of 1 to 128 bytes";
        const OPERATIONS: &str = "CREATE, UPDATE, DELETE or CONNECT";
        let of = |name| Member { parent: "request", name };
        let uid = self.uid.ok_or(Fault::Missing(of("uid"), UID))?;
        if uid.is_empty() || uid.len() > UID_BYTES_MAX {
            return Err(Fault::WrongValue(of("uid"), UID));
        }
        let operation = match self.operation.as_deref() {
            Some("CREATE") => Operation::Create,
            Some("UPDATE") => Operation::Update,
            Some("DELETE") => Operation::Delete,
            Some("CONNECT") => Operation::Connect,
            Some(_) => return Err(Fault::WrongValue(of("operation"), OPERATIONS)),
            None => return Err(Fault::Missing(of("operation"), OPERATIONS)),
        };
        let kind = self.kind.ok_or(Fault::Missing(of("kind"), "an object"))?;
        let resource = self.resource.ok_or(Fault::Missing(of("resource"), "an object"))?;
        let part = |parent, name, value: Option<String>| {
            value.ok_or(Fault::Missing(Member { parent, name }, "a string"))
        };
        Ok(Request {
            uid,
            kind: GroupVersionKind {
                group: kind.group,
                version: part("request.kind", "version", kind.version)?,
                kind: part("request.kind", "kind", kind.kind)?,
            },
            resource: GroupVersionResource {
                group: resource.group,
                version: part("request.resource", "version", resource.version)?,
                resource: part("request.resource", "resource", resource.resource)?,
            },
            sub_resource: self.sub_resource,
            name: self.name,
            namespace: self.namespace,
            operation,
            user_info: UserInfo { username: self.user_info.username, groups: self.user_info.groups },
            object: self.object,
            old_object: self.old_object,
            dry_run: self.dry_run,
        })
    }
}

/// A GroupVersionKind or a GroupVersionResource.
#[derive(Default)]
struct TypeName {
    group: String,
    version: Option<String>,
    kind: Option<String>,
    resource: Option<String>,
}

impl Members for TypeName {
    const NAMES: &'static [&'static str] = &["group", "version", "kind", "resource"];

    fn read<'de, A: MapAccess<'de>>(&mut self, member: Member, next: Next<'_, A>) -> Result<(), A::Error> {
        match member.name {
            "group" => self.group = next.optional_text()?,
            "version" => self.version = Some(next.text()?),
            "kind" => self.kind = Some(next.text()?),
            _ => self.resource = Some(next.text()?),
        }
        Ok(())
    }
}

#[derive(Default)]
struct User {
    username: String,
    groups: Vec<String>,
}

impl Members for User {
    const NAMES: &'static [&'static str] = &["username", "groups"];

    fn read<'de, A: MapAccess<'de>>(&mut self, member: Member, next: Next<'_, A>) -> Result<(), A::Error> {
        match member.name {
            "username" => self.username = next.optional_text()?,
            _ => self.groups = next.texts()?,
        }
        Ok(())
    }
}

/// Visitor methods for what must not stand here. serde's own would quote the value.
macro_rules! refuse {
    ($($what:ident)*) => { $(refuse!(@ $what);)* };
    (@ bool) => { fn visit_bool<E: serde::de::Error>(self, _: bool) -> Result<Self::Value, E> { self.wrong("true or false") } };
    (@ number) => {
        fn visit_i64<E: serde::de::Error>(self, _: i64) -> Result<Self::Value, E> { self.wrong("a number") }
        fn visit_u64<E: serde::de::Error>(self, _: u64) -> Result<Self::Value, E> { self.wrong("a number") }
        fn visit_f64<E: serde::de::Error>(self, _: f64) -> Result<Self::Value, E> { self.wrong("a number") }
    };
    (@ text) => { fn visit_str<E: serde::de::Error>(self, _: &str) -> Result<Self::Value, E> { self.wrong("a string") } };
    (@ null) => { fn visit_unit<E: serde::de::Error>(self) -> Result<Self::Value, E> { self.wrong("null") } };
    (@ list) => { fn visit_seq<A: SeqAccess<'de>>(self, _: A) -> Result<Self::Value, A::Error> { self.wrong("a list") } };
    (@ map) => { fn visit_map<A: MapAccess<'de>>(self, _: A) -> Result<Self::Value, A::Error> { self.wrong("an object") } };
}

/// What a member that is no object must hold.
#[derive(Clone, Copy)]
struct Leaf<'f> {
    faults: &'f Faults,
    member: Member,
    wanted: &'static str,
    /// Whether null stands for the member's absence, as Go reads it.
    null: bool,
}

impl Leaf<'_> {
    fn wrong<T, E: serde::de::Error>(self, found: &'static str) -> Result<T, E> {
        Err(self.faults.fail(Fault::WrongType { member: self.member, found, wanted: self.wanted }))
    }

    fn absent<T: Default, E: serde::de::Error>(self) -> Result<T, E> {
        if self.null { Ok(T::default()) } else { self.wrong("null") }
    }
}

/// A seed that is its own visitor, for a [`Leaf`].
macro_rules! leaf {
    ($name:ident -> $value:ty { $($body:tt)* }) => {
        #[derive(Clone, Copy)]
        struct $name<'f>(Leaf<'f>);

        impl $name<'_> {
            fn wrong<T, E: serde::de::Error>(self, found: &'static str) -> Result<T, E> {
                self.0.wrong(found)
            }
        }

        impl<'de> DeserializeSeed<'de> for $name<'_> {
            type Value = $value;

            fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Self::Value, D::Error> {
                json.deserialize_any(self)
            }
        }

        impl<'de> Visitor<'de> for $name<'_> {
            type Value = $value;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.0.wanted)
            }

            $($body)*
        }
    };
}

leaf!(TextOf -> Cow<'de, str> {
    refuse!(bool number list map);

    fn visit_borrowed_str<E: serde::de::Error>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Cow::Borrowed(text))
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Cow::Owned(text.to_owned()))
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<Self::Value, E> {
        self.0.absent()
    }
});

leaf!(TextsOf -> Vec<String> {
    refuse!(bool number text map);

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        let mut texts = Vec::new();
        let item = Leaf { null: false, ..self.0 };
        while let Some(text) = list.next_element_seed(TextOf(item))? {
            texts.push(text.into_owned());
        }
        Ok(texts)
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<Self::Value, E> {
        self.0.absent()
    }
});

leaf!(FlagOf -> Option<bool> {
    refuse!(number text list map);

    fn visit_bool<E: serde::de::Error>(self, flag: bool) -> Result<Self::Value, E> {
        Ok(Some(flag))
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<Self::Value, E> {
        self.0.absent()
    }
});

/// A JSON object of the envelope.
struct Object<'f, T> {
    faults: &'f Faults,
    member: Member,
    read: T,
}

impl<T> Object<'_, T> {
    fn wrong<V, E: serde::de::Error>(&self, found: &'static str) -> Result<V, E> {
        Err(self.faults.fail(Fault::WrongType { member: self.member, found, wanted: "an object" }))
    }
}

impl<'de, T: Members> DeserializeSeed<'de> for Object<'_, T> {
    type Value = T;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<T, D::Error> {
        json.deserialize_any(self)
    }
}

impl<'de, T: Members> Visitor<'de> for Object<'_, T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    refuse!(bool number text null list);

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<T, A::Error> {
        let mut seen: Vec<Cow<'de, str>> = Vec::with_capacity(16);
        let key = Leaf { faults: self.faults, member: self.member, wanted: "a name", null: false };
        while let Some(name) = map.next_key_seed(TextOf(key))? {
            if seen.contains(&name) {
                return Err(self.faults.fail(Fault::Duplicate(self.member)));
            }
            if seen.len() == MEMBERS_MAX {
                return Err(self.faults.fail(Fault::TooManyMembers(self.member)));
            }
            match T::NAMES.iter().find(|known| **known == name) {
                Some(known) => {
                    let member = Member { parent: self.member.parent, name: known };
                    self.read.read(member, Next { faults: self.faults, member, map: &mut map })?;
                }
                None => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
            seen.push(name);
        }
        Ok(self.read)
    }
}
