//! Answers that are not the application's.
//!
//! An answer is complete: status, headers and body, in the form that the client best understands. It says nothing that the
//! request said: all text is fixed, or of the policy.

mod challenge;
mod grpc;
mod problem;
mod refusal;

use std::borrow::Cow;

pub use challenge::Challenge;
pub use grpc::{GrpcStatus, encode_message};
pub use refusal::{Refusal, TokenFault};

use crate::edit::{Changes, Header, apply};
use crate::request::{Dialect, Grpc, HeaderList};

/// A complete answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer<'a> {
    /// The status of HTTP. A gRPC answer has 200, and says more in its headers.
    pub status: u16,
    /// The status of gRPC, if the request was a call. It stands among the headers too.
    pub grpc: Option<GrpcStatus>,
    /// The headers, in lower case, without content-length.
    pub headers: Vec<Header<'a>>,
    /// The body. A gRPC answer has none: it is trailers only.
    pub body: Cow<'a, [u8]>,
}

impl<'a> Answer<'a> {
    /// The answer to a request that is refused. `challenges` say how to sign in, one for each scheme, and stand where
    /// signing in (differently) would help; `more` are further headers, such as Retry-After and RateLimit.
    #[must_use]
    pub fn new(
        refusal: &Refusal<'_>,
        dialect: Dialect,
        challenges: &[Challenge],
        more: impl IntoIterator<Item = Header<'a>>,
    ) -> Self {
        let mut headers: Vec<Header<'a>> = Vec::new();
        let mut header = |name: &'static str, value: Cow<'static, str>| {
            let value = match value {
                Cow::Borrowed(value) => Cow::Borrowed(value.as_bytes()),
                Cow::Owned(value) => Cow::Owned(value.into_bytes()),
            };
            headers.push((Cow::Borrowed(name.as_bytes()), value));
        };
        let (media, status, grpc, body) = match dialect {
            Dialect::Grpc(kind) => {
                let media = match kind {
                    Grpc::Plain => "application/grpc",
                    Grpc::Web => "application/grpc-web+proto",
                    Grpc::WebText => "application/grpc-web-text+proto",
                };
                (media, 200, Some(refusal.grpc_status()), Cow::Borrowed(&b""[..]))
            }
            Dialect::Problem => {
                let body = problem::document(refusal).into_bytes();
                ("application/problem+json", refusal.status(), None, Cow::Owned(body))
            }
            Dialect::Text => {
                let body = [refusal.detail().as_bytes(), b"\n"].concat();
                ("text/plain; charset=utf-8", refusal.status(), None, Cow::Owned(body))
            }
        };
        header("content-type", Cow::Borrowed(media));
        // What one client is refused, another may not be; and the same one may be let in a second later.
        header("cache-control", Cow::Borrowed("no-store"));
        if let Some(status) = grpc {
            header("grpc-status", Cow::Owned(status.code().to_string()));
            header("grpc-message", encode_message(refusal.detail()));
        }
        if refusal.challenges() {
            for challenge in challenges {
                header("www-authenticate", Cow::Owned(challenge.value(refusal)));
            }
        }
        headers.extend(more);
        Self { status, grpc, headers, body }
    }

    /// Does to its headers what a policy does to those of any response.
    pub fn edit(&mut self, changes: &Changes<'_>) {
        let operations = changes.operations(&self.list());
        apply(&mut self.headers, &operations);
    }

    /// Its headers as a list.
    #[must_use]
    pub fn list(&self) -> HeaderList<'_> {
        HeaderList::from_pairs(self.headers.iter().map(|(name, value)| (&**name, &**value)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::edit::{Facts, ResponseEdits};
    use crate::request::Request;

    /// Status, headers and body as text.
    fn show(answer: &Answer<'_>) -> String {
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        let headers = answer.headers.iter().map(|(name, value)| format!("{}: {}\n", text(name), text(value)));
        format!("{}\n{}\n{}", answer.status, headers.collect::<String>(), text(&answer.body))
    }

    #[track_caller]
    fn check(refusal: &Refusal<'_>, dialect: Dialect, wanted: &str) {
        let challenges = [Challenge::new("Bearer", "shop"), Challenge::new("DPoP", "shop")];
        let more = (*refusal == Refusal::TooMany { limits: &["per-user"] })
            .then_some((Cow::Borrowed(&b"retry-after"[..]), Cow::Borrowed(&b"7"[..])));
        assert_eq!(show(&Answer::new(refusal, dialect, &challenges, more)), wanted);
    }

    #[test]
    fn a_program_gets_problem_details() {
        check(
            &Refusal::NoToken,
            Dialect::Problem,
            "401\n\
             content-type: application/problem+json\n\
             cache-control: no-store\n\
             www-authenticate: Bearer realm=\"shop\"\n\
             www-authenticate: DPoP realm=\"shop\"\n\n\
             {\"type\":\"about:blank\",\"title\":\"Unauthorized\",\"status\":401,\
             \"detail\":\"A token is needed\"}",
        );
        check(
            &Refusal::BadToken(TokenFault::Expired),
            Dialect::Problem,
            "401\n\
             content-type: application/problem+json\n\
             cache-control: no-store\n\
             www-authenticate: Bearer realm=\"shop\", error=\"invalid_token\", \
             error_description=\"The token has expired\"\n\
             www-authenticate: DPoP realm=\"shop\", error=\"invalid_token\", \
             error_description=\"The token has expired\"\n\n\
             {\"type\":\"about:blank\",\"title\":\"Unauthorized\",\"status\":401,\
             \"detail\":\"The token has expired\"}",
        );
        check(
            &Refusal::TooMany { limits: &["per-user"] },
            Dialect::Problem,
            "429\n\
             content-type: application/problem+json\n\
             cache-control: no-store\n\
             retry-after: 7\n\n\
             {\"type\":\"https://iana.org/assignments/http-problem-types#quota-exceeded\",\
             \"title\":\"Too Many Requests\",\"status\":429,\
             \"detail\":\"Too many requests: try again later\",\"violated-policies\":[\"per-user\"]}",
        );
    }

    #[test]
    fn a_person_gets_text() {
        check(
            &Refusal::Claims,
            Dialect::Text,
            "403\n\
             content-type: text/plain; charset=utf-8\n\
             cache-control: no-store\n\
             www-authenticate: Bearer realm=\"shop\", error=\"insufficient_scope\", \
             error_description=\"The token does not allow this\"\n\
             www-authenticate: DPoP realm=\"shop\", error=\"insufficient_scope\", \
             error_description=\"The token does not allow this\"\n\n\
             The token does not allow this\n",
        );
        check(
            &Refusal::NotReady,
            Dialect::Text,
            "503\n\
             content-type: text/plain; charset=utf-8\n\
             cache-control: no-store\n\n\
             Tokens can't be checked at the moment: try again later\n",
        );
        check(
            &Refusal::Malformed,
            Dialect::Text,
            "400\n\
             content-type: text/plain; charset=utf-8\n\
             cache-control: no-store\n\n\
             The request is malformed\n",
        );
    }

    #[test]
    fn a_call_gets_a_status_in_trailers_only() {
        check(
            &Refusal::ManyTokens,
            Dialect::Grpc(Grpc::Plain),
            "200\n\
             content-type: application/grpc\n\
             cache-control: no-store\n\
             grpc-status: 3\n\
             grpc-message: The request carries more than one token\n\
             www-authenticate: Bearer realm=\"shop\", error=\"invalid_request\", \
             error_description=\"The request carries more than one token\"\n\
             www-authenticate: DPoP realm=\"shop\", error=\"invalid_request\", \
             error_description=\"The request carries more than one token\"\n\n",
        );
        for (refusal, code) in [
            (Refusal::NoToken, 16),
            (Refusal::BadToken(TokenFault::Signature), 16),
            (Refusal::Claims, 7),
            (Refusal::TooMany { limits: &[] }, 8),
            (Refusal::NotReady, 14),
            (Refusal::Failed, 14),
            (Refusal::NotCounted, 8),
            (Refusal::NoRule { is_signed_in: false }, 16),
            (Refusal::NoRule { is_signed_in: true }, 7),
            (Refusal::Malformed, 3),
        ] {
            for kind in [Grpc::Plain, Grpc::Web, Grpc::WebText] {
                let answer = Answer::new(&refusal, Dialect::Grpc(kind), &[], None);
                let status = answer.list().get(b"grpc-status").map(<[u8]>::to_vec);
                assert_eq!((answer.status, status), (200, Some(code.to_string().into_bytes())));
                assert!(answer.body.is_empty());
            }
        }
    }

    #[test]
    fn a_policys_response_headers_stand_in_our_answers_too() {
        let spec = serde_json::from_str(
            r#"{"headers": {
                "correlation": {"header": "x-id", "respond": true},
                "response": {
                    "preset": "owasp", "frameOptions": "DENY", "remove": ["content-security-policy"],
                    "set": [{"name": "x-by", "value": "gate"}]
                }
            }}"#,
        );
        let edits = ResponseEdits::compile(&spec.unwrap()).unwrap();
        let sent = HeaderList::default();
        let claim = |_: &str, _: &[String]| None;
        let request = Request::of(&sent);
        let facts = Facts { request: &request, client: None, correlation: Some(b"c-1"), claim: &claim };
        let mut answer =
            Answer::new(&Refusal::NoToken, Dialect::Text, &[Challenge::new("Bearer", "shop")], None);
        answer.edit(&edits.changes(&facts));
        let headers = answer.list();
        for (name, value) in [
            ("content-type", Some("text/plain; charset=utf-8")),
            ("cache-control", Some("no-store")),
            ("www-authenticate", Some("Bearer realm=\"shop\"")),
            ("x-frame-options", Some("DENY")),
            ("x-content-type-options", Some("nosniff")),
            ("x-by", Some("gate")),
            ("x-id", Some("c-1")),
            ("content-security-policy", None),
        ] {
            assert_eq!(headers.get(name.as_bytes()), value.map(str::as_bytes), "{name}");
        }
    }
}
