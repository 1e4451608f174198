//! Paths of requests, and what servers make of them: `PATH`, and in a second line the servers' habits, a digit each.

use sallyport_traffic::request::{HeaderList, Path, Request};
use sallyport_traffic::route::{Governs, Route, Rule, governing};
use sallyport_traffic::{PathMatch, RouteMatch};

use crate::servers::{HABITS, LAX, seen};

/// The rules, with the segments by which a test reads them.
const RULES: [(bool, Form); 8] = [
    (true, Form::Exact("/health")),
    (true, Form::Prefix("/public")),
    (false, Form::Exact("/a/b")),
    (false, Form::Prefix("/admin")),
    (true, Form::Template("/a/{x}")),
    (false, Form::Template("/{x}/b/{y}")),
    (false, Form::Prefix("/a")),
    (false, Form::Prefix("/")),
];

#[derive(Clone, Copy, Debug)]
enum Form {
    Exact(&'static str),
    Prefix(&'static str),
    Template(&'static str),
}

pub(crate) fn run(input: &[u8]) -> bool {
    let mut lines = input.split(|byte| *byte == b'\n');
    let (target, habits) = (lines.next().unwrap_or_default(), lines.next().unwrap_or_default());
    let digits = habits.iter().filter_map(|byte| byte.checked_sub(b'0'));
    let habits: Vec<u8> = digits.filter(|habit| *habit < HABITS).collect();
    if habits.len() > 16 {
        return false;
    }
    let path = Path::of(target);
    assert!(path.as_bytes().starts_with(path.sure()));
    assert_eq!(path.is_canonical(), path.sure() == path.as_bytes() && !path.sure().is_empty());
    assert!(path.sure().is_empty() || Path::of(path.sure()).is_canonical());

    let strict: Vec<u8> = habits.iter().copied().filter(|habit| *habit < LAX).collect();
    let as_seen =
        |habits: &[u8]| habits.iter().fold(path.as_bytes().to_vec(), |path, habit| seen(path, *habit));
    let strictly = as_seen(&strict);
    // The certain segments stay, as they stand or decoded.
    let as_either = [path.sure().to_vec(), seen(path.sure().to_vec(), 0)];
    let stays = path.sure().is_empty() || as_either.iter().any(|sure| starts_with(&strictly, sure));
    assert!(stays, "{strictly:?}");
    if path.is_canonical() {
        let count = |path: &[u8]| path.iter().filter(|byte| **byte == b'/').count();
        assert_eq!(count(&strictly), count(path.as_bytes()), "{strictly:?}");
    }

    let rules: Vec<Rule> = RULES.iter().map(|(opens, form)| rule(*opens, *form)).collect();
    let headers =
        HeaderList::from_pairs([(&b":method"[..], &b"GET"[..]), (b":path", target), (b":authority", b"a")]);
    let request = Request::of(&headers);
    let governed: Vec<Governs> = governing(&rules, &request).collect();
    let opened = governed.iter().find_map(|governs| match governs {
        Governs::Rule(at) if RULES[*at].0 => Some(*at),
        _ => None,
    });
    assert!(opened.is_none() || path.is_canonical());
    let first = first(&as_seen(&habits));
    assert!(RULES[first].0 || governed.contains(&Governs::Rule(first)), "{governed:?} without {first}");
    path.is_canonical() || !path.sure().is_empty()
}

fn rule(opens: bool, form: Form) -> Rule {
    let path = match form {
        Form::Exact(path) => PathMatch::Exact(path.to_owned()),
        Form::Prefix(path) => PathMatch::Prefix(path.to_owned()),
        Form::Template(path) => PathMatch::Template(path.to_owned()),
    };
    let route = RouteMatch { path: Some(path), ..RouteMatch::default() };
    let route = Route::compile(&route).unwrap_or_else(|error| panic!("{error}"));
    Rule { routes: vec![route], opens }
}

fn starts_with(path: &[u8], start: &[u8]) -> bool {
    path.strip_prefix(start)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/") || start.ends_with(b"/"))
}

/// The first rule that is about what a server sees, as plainly as can be. The last is about everything.
fn first(path: &[u8]) -> usize {
    let fits = |form: &Form| match form {
        Form::Exact(exact) => path == exact.as_bytes(),
        Form::Prefix(prefix) => *prefix == "/" || starts_with(path, prefix.as_bytes()),
        Form::Template(template) => {
            let segments: Vec<&[u8]> = path.split(|byte| *byte == b'/').collect();
            let template: Vec<&str> = template.split('/').collect();
            template.len() == segments.len()
                && template.iter().zip(&segments).all(|(wanted, segment)| {
                    if wanted.starts_with('{') { !segment.is_empty() } else { wanted.as_bytes() == *segment }
                })
        }
    };
    RULES.iter().position(|(_, form)| fits(form)).unwrap_or(RULES.len() - 1)
}
