//! Headers of requests, a line each: `NAME: VALUE`.

use std::borrow::Cow;
use std::sync::LazyLock;

use sallyport_traffic::TrafficPolicySpec;
use sallyport_traffic::edit::{
    Facts, Gone, IdentityHeaders, Operation, RequestEdits, apply, as_header_value, is_framing,
};
use sallyport_traffic::request::{
    ClientAddress, HeaderList, Request, Sole, cookie, dialect, parameter, plain, source_address,
};
use serde_json::json;

/// A policy that has to do with every part of a request.
static EDITS: LazyLock<RequestEdits> = LazyLock::new(|| {
    let policy = json!({
        "jwt": {
            "providers": [{
                "name": "p", "issuer": "i", "algorithms": ["RS256"], "jwks": {"inline": "{}"},
                "claimsToHeaders": [{"claim": ["sub"], "header": "x-user-id"}],
            }],
            "rules": [],
        },
        "headers": {
            "correlation": {"header": "x-correlation-id", "accept": "Valid"},
            "request": {
                "remove": ["x-internal"],
                "set": [
                    {"name": "x-seen", "value": "%{method} %{host} %{path} %{request-id} %{client-address}"},
                    {"name": "x-tenant", "value": "%{claim(p, tenant)}", "existing": "Keep"},
                    {"name": "x-kept", "value": "1", "existing": "Keep"},
                ],
            },
        },
    });
    let spec: TrafficPolicySpec = serde_json::from_value(policy).unwrap_or_else(|error| panic!("{error}"));
    let identity = IdentityHeaders::of(&spec);
    RequestEdits::compile(&spec, identity).unwrap_or_else(|error| panic!("{error}"))
});

/// Names by which an application may know somebody.
const IDENTITY: [&[u8]; 3] = [b"x-user-id", b"x-tenant", b"x-correlation-id"];

pub(crate) fn run(input: &[u8]) -> bool {
    if let Ok(list) = HeaderList::from_serialized(input) {
        assert!(input.is_empty() || serialized(&list) == input);
    }
    let pairs = input.split(|byte| *byte == b'\n').filter_map(|line| {
        let at = line.windows(2).position(|pair| pair == b": ")?;
        Some((&line[..at], &line[at + 2..]))
    });
    let headers = HeaderList::from_pairs(pairs);
    let map = serialized(&headers);
    assert_eq!(HeaderList::from_serialized(&map).as_ref(), Ok(&headers));

    forwarded(&headers);
    cookies(&headers);
    let request = Request::of(&headers);
    if let Some(host) = &request.host {
        assert!(!host.as_bytes().iter().any(u8::is_ascii_uppercase) && !host.as_bytes().ends_with(b"."));
    }
    assert!(!request.may_be_opened() || request.path.is_canonical());
    let token = parameter(request.path.query(), b"access_token");
    assert!(token == Sole::Missing || request.path.query().is_some());
    let _ = (dialect(&headers), request.is_preflight());
    edits(&headers);
    headers.iter().next().is_some()
}

/// As the proxy-wasm ABI has it.
fn serialized(headers: &HeaderList<'_>) -> Vec<u8> {
    let size = |bytes: &[u8]| u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_le_bytes();
    let count = u32::try_from(headers.iter().count()).unwrap_or(u32::MAX);
    let mut map = count.to_le_bytes().to_vec();
    headers.iter().for_each(|(name, value)| map.extend([size(name), size(value)].concat()));
    headers.iter().for_each(|(name, value)| map.extend([name, b"\0", value, b"\0"].concat()));
    map
}

/// What a client writes into X-Forwarded-For before the trusted proxies do changes nothing.
fn forwarded(headers: &HeaderList<'_>) {
    let forged = (&b"x-forwarded-for"[..], &b"6.6.6.6, 7.7.7.7"[..]);
    let with_forged = HeaderList::from_pairs([forged].into_iter().chain(headers.iter()));
    let source = source_address(b"10.0.0.1:80");
    for hops in 0..4 {
        let found = ClientAddress::of(headers, None, hops);
        assert_eq!(ClientAddress::of(headers, source, hops), found.or(source));
        if let Some(found) = found {
            assert_eq!(ClientAddress::of(&with_forged, None, hops), Some(found));
            for prefix in [0, 24, 32, 64, 128, 255] {
                assert!(matches!(found.network(prefix, prefix).len(), 4 | 16));
            }
        }
    }
}

/// Cookies are found as they are if all lines are one.
fn cookies(headers: &HeaderList<'_>) {
    let lines: Vec<&[u8]> = headers.values(b"cookie").collect();
    let line = lines.join(&b';');
    let pairs = line.split(|byte| *byte == b';').filter_map(|pair| {
        let at = pair.iter().position(|byte| *byte == b'=')?;
        Some((blank(&pair[..at]), blank(&pair[at + 1..])))
    });
    let pairs: Vec<_> = pairs.collect();
    for (name, value) in &pairs {
        let found = cookie(headers, name);
        let several = pairs.iter().filter(|(other, _)| other == name).count() > 1;
        let wanted = match (name.is_empty(), several) {
            (true, _) => Sole::Missing,
            (false, true) => Sole::Malformed,
            (false, false) => Sole::One(*value),
        };
        assert_eq!(found, wanted);
    }
}

fn blank(mut text: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = text {
        text = rest;
    }
    text
}

/// A client can't say who it is, and nothing that frames the request is changed.
fn edits(headers: &HeaderList<'_>) {
    let correlation = EDITS.correlation(headers, [7; 16]);
    let request = Request::of(headers);
    let claim = |_: &str, _: &[String]| None;
    let facts = Facts {
        request: &request,
        client: source_address(b"10.0.0.1:80"),
        correlation: correlation.as_deref(),
        claim: &claim,
    };
    let claims = [("x-user-id", Cow::Borrowed(&b"ada"[..]))];
    let changes = EDITS.changes(&claims, &facts, Gone::default());
    let mut edited: Vec<_> = headers.iter().map(|(n, v)| (Cow::Borrowed(n), Cow::Borrowed(v))).collect();
    let operations = changes.operations(headers);
    for operation in &operations {
        let (Operation::Remove(name) | Operation::Replace(name, _) | Operation::Add(name, _)) = operation;
        // Connection loses what names headers.
        assert!(!is_framing(name) || *name == b"connection", "{operation:?}");
        if let Operation::Replace(_, value) | Operation::Add(_, value) = operation {
            assert!(as_header_value(value).is_some(), "{operation:?}");
        }
    }
    apply(&mut edited, &operations);
    let edited = HeaderList::from_pairs(edited.iter().map(|(name, value)| (&**name, &**value)));
    for (name, value) in edited.iter() {
        let plain = plain(name);
        if IDENTITY.contains(&&*plain) {
            let ours = match &*plain {
                b"x-user-id" => Some(&b"ada"[..]),
                b"x-correlation-id" => correlation.as_deref(),
                _ => None,
            };
            assert_eq!((Some(value), plain.eq_ignore_ascii_case(name)), (ours, true));
        }
    }
    assert_eq!(edited.values(b"x-user-id").count(), 1);
    assert_eq!(edited.get(b"x-internal"), None);
    let untouched = |list: &HeaderList<'_>| {
        let is_connection = |name: &[u8]| name.eq_ignore_ascii_case(b"connection");
        let kept =
            |name: &[u8]| (is_framing(name) && !is_connection(name)) || name.eq_ignore_ascii_case(b"canary");
        list.iter().filter(|(name, _)| kept(name)).map(|(n, v)| (n.to_vec(), v.to_vec())).collect::<Vec<_>>()
    };
    assert_eq!(untouched(&edited), untouched(headers));
}
