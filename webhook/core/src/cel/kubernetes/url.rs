//! URLs: `url("https://example.com:8443/a?b=c")`.

use std::collections::HashMap;

use cel::common::types::{CelBool, CelList, CelMap, CelMapKey, CelString};
use cel::common::value::Val;
use cel::{DeclarationError, Env, ExecutionError, add_member_overload, add_overload};

use super::super::library::{Cost, Function};
use super::url_text::UrlText;
use super::{error, opaque};

pub(super) const FUNCTIONS: &[Function] = &[
    Function::new("getEscapedPath", Some(Cost::Size(1)), &["url.() string"]),
    Function::new("getHost", Some(Cost::Size(1)), &["url.() string"]),
    Function::new("getHostname", Some(Cost::Size(1)), &["url.() string"]),
    Function::new("getPort", Some(Cost::Size(1)), &["url.() string"]),
    Function::new("getQuery", Some(Cost::Size(64)), &["url.() map(string, list(string))"]),
    Function::new("getScheme", Some(Cost::Size(1)), &["url.() string"]),
    Function::new("isURL", Some(Cost::Size(4)), &["(string) bool"]),
    Function::new("url", Some(Cost::Size(4)), &["(string) url"]),
];

pub(super) fn declare(env: &mut Env) -> Result<(), DeclarationError> {
    add_overload!(env, fn url: (CelString<'_>) -> Result<Url>)?;
    add_overload!(env, fn is_url: (CelString<'_>) -> CelBool, name = "isURL")?;
    add_member_overload!(env, fn get_scheme: (Url) -> CelString<'_>)?;
    add_member_overload!(env, fn get_host: (Url) -> CelString<'_>)?;
    add_member_overload!(env, fn get_hostname: (Url) -> CelString<'_>)?;
    add_member_overload!(env, fn get_port: (Url) -> CelString<'_>)?;
    add_member_overload!(env, fn get_escaped_path: (Url) -> CelString<'_>)?;
    add_member_overload!(env, fn get_query: (Url) -> CelMap<'_>)
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Url(UrlText);

opaque!(Url, "kubernetes.URL");

impl Url {
    pub(super) fn len(&self) -> usize {
        self.0.len
    }
}

fn url(text: &CelString<'_>) -> Result<Url, ExecutionError> {
    UrlText::parse(text.inner()).map(Url).ok_or_else(|| error("url", "not an absolute URL or path"))
}

fn is_url(text: &CelString<'_>) -> CelBool {
    UrlText::is_request_uri(text.inner()).into()
}

fn owned(text: &str) -> CelString<'static> {
    CelString::from(text.to_owned())
}

fn get_scheme(url: &Url) -> CelString<'static> {
    owned(&url.0.scheme)
}

fn get_host(url: &Url) -> CelString<'static> {
    owned(&url.0.host)
}

fn get_hostname(url: &Url) -> CelString<'static> {
    owned(url.0.hostname())
}

fn get_port(url: &Url) -> CelString<'static> {
    owned(url.0.port())
}

fn get_escaped_path(url: &Url) -> CelString<'static> {
    owned(&url.0.escaped_path)
}

fn get_query(url: &Url) -> CelMap<'static> {
    let mut found: HashMap<String, Vec<Box<dyn Val>>> = HashMap::new();
    for (name, value) in url.0.query() {
        found.entry(name).or_default().push(Box::new(CelString::from(value)));
    }
    let entries: HashMap<CelMapKey<'static>, Box<dyn Val>> = found
        .into_iter()
        .map(|(name, values)| {
            let list: Box<dyn Val> = Box::new(CelList::from(values));
            (CelMapKey::from(name), list)
        })
        .collect();
    CelMap::from(entries)
}
