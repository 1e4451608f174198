//! What the API server sends: decoding an AdmissionReview, admission.k8s.io/v1.
//!
//! One pass over the bytes. The envelope (the review, its request, kind, resource and userInfo) is read strictly:
//! each member once, each of its type. Objects are read as they are. Whoever can reach the port can send anything,
//! so no message quotes the body: it names the member, what stands there, what is wanted, and the place.

mod fault;
mod members;

use std::collections::BTreeMap;

use sallyport_admission::{GroupVersionKind, GroupVersionResource, Operation, Request, UserInfo};
use serde::de::{DeserializeSeed as _, MapAccess};
use serde_json::Value;

pub use fault::{Fault, Malformed, Member, Place};
use members::{Faults, Members, Next, Object};

/// The apiVersion that is spoken, and the only one.
pub const API_VERSION: &str = "admission.k8s.io/v1";
/// The kind that is spoken.
pub const KIND: &str = "AdmissionReview";

/// A uid is a UUID of 36 bytes. It is repeated in the response and in the log, so it is bounded.
const UID_BYTES_MAX: usize = 128;

/// The record of who set which field: often as large as the rest of the object.
const MANAGED_FIELDS: &[&str] = &["metadata", "managedFields"];

/// Reads the request of an AdmissionReview.
///
/// # Errors
/// [`Malformed`], saying what was found, what is expected, and where.
pub fn decode(body: &[u8]) -> Result<Request, Malformed> {
    decode_without(body, &[])
}

/// The same, without `metadata.managedFields` of the objects.
///
/// # Errors
/// As for [`decode`].
pub fn decode_without_managed_fields(body: &[u8]) -> Result<Request, Malformed> {
    decode_without(body, MANAGED_FIELDS)
}

fn decode_without(body: &[u8], left_out: &'static [&'static str]) -> Result<Request, Malformed> {
    if body.trim_ascii().is_empty() {
        return Err(Malformed { fault: Fault::Empty, place: None });
    }
    let text = std::str::from_utf8(body).map_err(|e| Malformed {
        fault: Fault::NotUtf8,
        place: Some(Place::of_byte(body, e.valid_up_to())),
    })?;
    let faults = Faults::default();
    let mut json = serde_json::Deserializer::from_str(text);
    let read = Review { left_out, ..Review::default() };
    let review = Object { faults: &faults, member: Member::ROOT, read }
        .deserialize(&mut json)
        .map_err(|e| faults.explain(&e, body))?;
    json.end().map_err(|e| Malformed { fault: Fault::Trailing, place: Some(Place::of_error(body, &e)) })?;
    review.finish().map_err(|fault| Malformed { fault, place: None })
}

#[derive(Default)]
struct Review {
    left_out: &'static [&'static str],
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
            _ => {
                let read = RequestMembers { left_out: self.left_out, ..RequestMembers::default() };
                self.request = Some(next.object("request", read)?);
            }
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
    /// The field of the objects that is not read.
    left_out: &'static [&'static str],
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
    request_kind: Option<TypeName>,
    request_resource: Option<TypeName>,
    request_sub_resource: String,
    options: Value,
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
        "requestKind",
        "requestResource",
        "requestSubResource",
        "options",
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
            "object" => self.object = next.untyped(self.left_out)?,
            "oldObject" => self.old_object = next.untyped(self.left_out)?,
            "requestKind" => {
                self.request_kind = Some(next.object("request.requestKind", TypeName::default())?);
            }
            "requestResource" => {
                self.request_resource = Some(next.object("request.requestResource", TypeName::default())?);
            }
            "requestSubResource" => self.request_sub_resource = next.optional_text()?,
            "options" => self.options = next.untyped(&[])?,
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
        // What is to be stored must be there to be judged.
        if self.object.is_null() && operation != Operation::Delete {
            return Err(Fault::Missing(of("object"), "an object"));
        }
        let kind = self.kind.ok_or(Fault::Missing(of("kind"), "an object"))?;
        let resource = self.resource.ok_or(Fault::Missing(of("resource"), "an object"))?;
        let part = |parent, name, value: Option<String>| {
            value.ok_or(Fault::Missing(Member { parent, name }, "a string"))
        };
        let extra = Member { parent: "request.userInfo", name: "extra" };
        let extra = match self.user_info.extra {
            Value::Null => BTreeMap::new(),
            given => serde_json::from_value(given)
                .map_err(|_| Fault::WrongValue(extra, "an object of lists of strings"))?,
        };
        let request_kind = self.request_kind.map(|kind| {
            Ok(GroupVersionKind {
                group: kind.group,
                version: part("request.requestKind", "version", kind.version)?,
                kind: part("request.requestKind", "kind", kind.kind)?,
            })
        });
        let request_resource = self.request_resource.map(|resource| {
            Ok(GroupVersionResource {
                group: resource.group,
                version: part("request.requestResource", "version", resource.version)?,
                resource: part("request.requestResource", "resource", resource.resource)?,
            })
        });
        Ok(Request {
            uid,
            request_kind: request_kind.transpose()?,
            request_resource: request_resource.transpose()?,
            request_sub_resource: self.request_sub_resource,
            options: self.options,
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
            user_info: UserInfo {
                username: self.user_info.username,
                uid: self.user_info.uid,
                groups: self.user_info.groups,
                extra,
            },
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
    uid: String,
    groups: Vec<String>,
    extra: Value,
}

impl Members for User {
    const NAMES: &'static [&'static str] = &["username", "uid", "groups", "extra"];

    fn read<'de, A: MapAccess<'de>>(&mut self, member: Member, next: Next<'_, A>) -> Result<(), A::Error> {
        match member.name {
            "username" => self.username = next.optional_text()?,
            "uid" => self.uid = next.optional_text()?,
            "extra" => self.extra = next.untyped(&[])?,
            _ => self.groups = next.texts()?,
        }
        Ok(())
    }
}
