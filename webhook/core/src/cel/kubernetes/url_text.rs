//! URLs as Go's net/url reads and writes them.

use std::net::{IpAddr, Ipv6Addr};

/// The parts of a URL that functions ask for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct UrlText {
    pub(super) scheme: String,
    pub(super) host: String,
    pub(super) escaped_path: String,
    pub(super) raw_query: String,
    user: Option<String>,
    opaque: String,
    fragment: String,
    forces_query: bool,
    pub(super) len: usize,
}

/// Where a character stands: what is escaped there differs.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Host,
    Zone,
    Path,
    Query,
    Fragment,
    User,
}

impl UrlText {
    /// Reads an absolute URI or an absolute path, as url.ParseRequestURI accepts it and url.Parse takes it apart.
    pub(super) fn parse(text: &str) -> Option<Self> {
        // The first reads what follows `#` as part of the path or the query.
        parse(text, true)?;
        let (before, fragment) = text.split_once('#').unwrap_or((text, ""));
        let parsed = parse(before, false)?;
        let fragment = String::from_utf8_lossy(&unescape(fragment, Place::Fragment)?).into_owned();
        Some(Self { fragment, len: text.len(), ..parsed })
    }

    /// Whether url.ParseRequestURI accepts it.
    pub(super) fn is_request_uri(text: &str) -> bool {
        parse(text, true).is_some()
    }

    pub(super) fn hostname(&self) -> &str {
        let (host, _) = self.host_and_port();
        host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host)
    }

    pub(super) fn port(&self) -> &str {
        self.host_and_port().1
    }

    fn host_and_port(&self) -> (&str, &str) {
        match self.host.rsplit_once(':') {
            Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => (host, port),
            _ => (&self.host, ""),
        }
    }

    /// The query's names and values, in their order; what is malformed is left out.
    pub(super) fn query(&self) -> impl Iterator<Item = (String, String)> {
        self.raw_query.split('&').filter(|part| !part.is_empty() && !part.contains(';')).filter_map(|part| {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            let text =
                |part: &str| unescape(part, Place::Query).map(|b| String::from_utf8_lossy(&b).into_owned());
            Some((text(name)?, text(value)?))
        })
    }
}

fn parse(text: &str, is_request: bool) -> Option<UrlText> {
    if text.bytes().any(|byte| byte < 0x20 || byte == 0x7f) || (text.is_empty() && is_request) {
        return None;
    }
    if text == "*" {
        return Some(UrlText { escaped_path: "*".to_owned(), ..UrlText::default() });
    }
    let (scheme, rest) = scheme(text)?;
    let mut url = UrlText { scheme: scheme.to_ascii_lowercase(), ..UrlText::default() };
    let mut rest = if rest.ends_with('?') && rest.matches('?').count() == 1 {
        url.forces_query = true;
        rest.strip_suffix('?')?
    } else {
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        query.clone_into(&mut url.raw_query);
        rest
    };
    if !rest.starts_with('/') {
        if !url.scheme.is_empty() {
            rest.clone_into(&mut url.opaque);
            return Some(url);
        }
        if is_request || rest.split('/').next()?.contains(':') {
            return None;
        }
    }
    let may_have_host = !url.scheme.is_empty() || (!is_request && !rest.starts_with("///"));
    if may_have_host && let Some(authority) = rest.strip_prefix("//") {
        let (authority, path) = authority.split_at(authority.find('/').unwrap_or(authority.len()));
        rest = path;
        let (user, host) = authority.rsplit_once('@').map_or((None, authority), |(u, host)| (Some(u), host));
        url.host = self::host(&url.scheme, host)?;
        if let Some(user) = user {
            if !user.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._:~!$&'()*+,;=%@".contains(&byte))
            {
                return None;
            }
            unescape(user, Place::User)?;
            url.user = Some(user.to_owned());
        }
    }
    let path = unescape(rest, Place::Path)?;
    let is_plain = |byte: u8| byte == b'%' || !is_escaped(byte, Place::Path) || b"!'()*[]".contains(&byte);
    url.escaped_path = if rest.bytes().all(is_plain) { rest.to_owned() } else { escape(&path, Place::Path) };
    Some(url)
}

/// The scheme and what follows its colon. A text without a scheme has an empty one.
fn scheme(text: &str) -> Option<(&str, &str)> {
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' => {}
            b'0'..=b'9' | b'+' | b'-' | b'.' if at > 0 => {}
            b':' if at == 0 => return None,
            b':' => return Some((text.get(..at)?, text.get(at + 1..)?)),
            _ => break,
        }
    }
    Some(("", text))
}

fn host(scheme: &str, text: &str) -> Option<String> {
    let is_port = |text: &str| {
        text.is_empty()
            || text.strip_prefix(':').is_some_and(|port| port.bytes().all(|byte| byte.is_ascii_digit()))
    };
    if let Some(bracket) = text.rfind('[') {
        let (literal, port) = text.strip_prefix('[').filter(|_| bracket == 0)?.rsplit_once(']')?;
        let zone_at = literal.find("%25");
        let (address, zone) = literal.split_at(zone_at.unwrap_or(literal.len()));
        let mut bytes = unescape(address, Place::Host)?;
        bytes.extend(unescape(zone, Place::Zone)?);
        let literal = String::from_utf8_lossy(&bytes).into_owned();
        let address = literal
            .split_once('%')
            .map_or(literal.as_str(), |(address, zone)| if zone.is_empty() { "" } else { address });
        address.parse::<Ipv6Addr>().ok().map(IpAddr::V6)?;
        return is_port(port).then(|| format!("[{literal}]{port}"));
    }
    if let Some(first) = text.find(':') {
        // Only http and https insist that a host has no further colon.
        let at = if ["http", "https"].contains(&scheme) { first } else { text.rfind(':')? };
        if !is_port(text.get(at..)?) {
            return None;
        }
    }
    unescape(text, Place::Host).map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
}

/// The bytes that an escaped text stands for; `None` if something in it may not stand there.
fn unescape(text: &str, place: Place) -> Option<Vec<u8>> {
    let mut made = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'%' => {
                let mut digit = || char::from(bytes.next()?).to_digit(16);
                let (high, low) = (digit()?, digit()?);
                let code = u8::try_from(high * 16 + low).ok()?;
                // A host escapes only what is not ASCII, a zone whatever may stand in a host, and the percent sign.
                let is_wrong = match place {
                    Place::Host => code < 0x80 && code != b'%',
                    Place::Zone => code != b'%' && code != b' ' && is_escaped(code, Place::Host),
                    _ => false,
                };
                if is_wrong {
                    return None;
                }
                made.push(code);
            }
            b'+' if place == Place::Query => made.push(b' '),
            byte if byte < 0x80 && matches!(place, Place::Host | Place::Zone) && is_escaped(byte, place) => {
                return None;
            }
            byte => made.push(byte),
        }
    }
    Some(made)
}

fn escape(bytes: &[u8], place: Place) -> String {
    let mut made = String::with_capacity(bytes.len());
    for byte in bytes {
        if is_escaped(*byte, place) {
            made.push_str(&format!("%{byte:02X}"));
        } else {
            made.push(char::from(*byte));
        }
    }
    made
}

fn is_escaped(byte: u8, place: Place) -> bool {
    if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
        return false;
    }
    !match place {
        Place::Host | Place::Zone => b"!$&'()*+,;=:[]<>\"".contains(&byte),
        Place::Path => b"$&+,/:;=@".contains(&byte),
        Place::User => b"$&+,;=".contains(&byte),
        Place::Query => false,
        Place::Fragment => b"$&+,/:;=?@!()*".contains(&byte),
    }
}
