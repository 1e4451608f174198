//! PolicyExceptions: what they let in, and the authority that they don't have.

use sallyport_admission::resources::{AUTHOR_ANNOTATION, PolicyExceptionSpec};
use sallyport_admission::{Context, Decision, Exception, NotHonoured, PolicySet, decide, mutate, validate};
use serde_json::{Value, json};

use crate::{bad_pod, deployment, policy, reading, set, told, update};

/// 2030-01-01T00:00:00Z.
const NOW: i64 = 1_893_456_000;
const DAY: i64 = 86_400;

fn exception(namespace: &str, created: Option<i64>, spec: Value) -> Exception {
    let mut whole = json!({
        "policies": [{"name": "p"}], "match": {"names": ["api"]},
        "expires": "2030-01-08T00:00:00Z", "reason": "until it is rebuilt",
    });
    for (field, value) in spec.as_object().expect("a spec is an object") {
        whole[field] = value.clone();
    }
    let spec: PolicyExceptionSpec = serde_json::from_value(whole).expect("this is a PolicyException");
    let (exception, found) = Exception::compile(namespace, "legacy", created, &spec);
    exception.unwrap_or_else(|| panic!("{found:?}"))
}

fn honouring(spec: Value, exception: Exception) -> PolicySet {
    set(&[policy("p", spec)]).excepting([exception])
}

fn at(set: &PolicySet, object: &Value, now: i64) -> Decision {
    validate(set, &reading::creation(object), &Context { now, ..Context::default() })
}

fn in_shop() -> Value {
    json!({"exceptions": {"namespaces": ["shop"], "maxDuration": "240h"}})
}

#[test]
fn an_exception_that_the_policy_honours_lets_in_and_is_recorded() {
    let decision = at(&honouring(in_shop(), exception("shop", Some(NOW), json!({}))), &bad_pod(), NOW);
    assert!(decision.allowed && decision.violations.is_empty() && decision.warnings.is_empty());
    assert_eq!(told(&decision.excepted), ["p/images spec.containers[api]"]);
    let message = &decision.excepted[0].message;
    assert_eq!(message, "let in by PolicyException shop/legacy: images come from elsewhere");
}

#[test]
fn it_has_only_the_authority_that_the_policy_gives_it() {
    let legacy = || exception("shop", Some(NOW), json!({}));
    for (what, spec, exception, now) in [
        ("no namespace is listed", json!({}), legacy(), NOW),
        ("another is listed", json!({"exceptions": {"namespaces": ["other"]}}), legacy(), NOW),
        (
            "its own namespace is not the object's",
            json!({"exceptions": {"namespaces": ["shop", "other"]}}),
            exception("other", Some(NOW), json!({})),
            NOW,
        ),
        ("it has ended", in_shop(), legacy(), NOW + 7 * DAY),
        (
            "it lasts longer than the policy allows",
            in_shop(),
            exception("shop", Some(NOW - 4 * DAY), json!({})),
            NOW,
        ),
        (
            "from a file, it lasts longer from now on",
            in_shop(),
            exception("shop", None, json!({})),
            NOW - 4 * DAY,
        ),
        ("it claims to begin later", in_shop(), exception("shop", Some(NOW + DAY), json!({})), NOW - 4 * DAY),
        (
            "it names another policy",
            in_shop(),
            exception("shop", Some(NOW), json!({"policies": [{"name": "q"}]})),
            NOW,
        ),
        (
            "it names another entry",
            in_shop(),
            exception("shop", Some(NOW), json!({"policies": [{"name": "p", "entries": ["other"]}]})),
            NOW,
        ),
    ] {
        let decision = at(&honouring(spec, exception), &bad_pod(), now);
        assert!(!decision.allowed && decision.excepted.is_empty(), "{what}: {decision:#?}");
    }
    assert!(at(&honouring(in_shop(), legacy()), &bad_pod(), NOW + 7 * DAY - 1).allowed);
    assert!(at(&honouring(in_shop(), exception("shop", None, json!({}))), &bad_pod(), NOW - 3 * DAY).allowed);
}

#[test]
fn it_says_why_it_is_not_honoured() {
    let policy = reading::policy(&policy("p", in_shop()));
    let why = |exception: Exception, now| exception.honoured_by(&policy, now);
    let legacy = || exception("shop", Some(NOW), json!({}));
    assert_eq!(why(legacy(), NOW), Ok(()));
    assert_eq!(why(legacy(), NOW + 7 * DAY), Err(NotHonoured::Expired));
    assert_eq!(why(exception("other", Some(NOW), json!({})), NOW), Err(NotHonoured::NamespaceNotListed));
    assert_eq!(why(exception("shop", Some(0), json!({})), NOW), Err(NotHonoured::TooLong));
    let other = exception("shop", Some(NOW), json!({"policies": [{"name": "q"}]}));
    assert_eq!(why(other, NOW), Err(NotHonoured::UnknownPolicy));
}

#[test]
fn it_matches_by_kind_name_generate_name_owner_and_label() {
    let mut pod = bad_pod();
    pod["metadata"]["generateName"] = json!("migrate-abc-");
    pod["metadata"]["ownerReferences"] = json!([
        {"kind": "Job", "name": "migrate-abc", "controller": true}, {"kind": "Node", "name": "n", "controller": false},
    ]);
    let lets_in = |matches: Value| {
        at(&honouring(in_shop(), exception("shop", Some(NOW), json!({"match": matches}))), &pod, NOW).allowed
    };
    for matches in [
        json!({}),
        json!({"kinds": ["Pod"]}),
        json!({"names": ["ap*"]}),
        json!({"generateNames": ["migrate-*"]}),
        json!({"owners": [{"kind": "Job", "name": "migrate-*"}]}),
        json!({"objectSelector": {"matchLabels": {"app": "api"}}}),
        json!({"kinds": ["Pod"], "names": ["api"], "generateNames": ["x", "migrate-*"]}),
    ] {
        assert!(lets_in(matches.clone()), "{matches}");
    }
    for matches in [
        json!({"kinds": ["Job"]}),
        json!({"names": ["web"]}),
        json!({"generateNames": ["other-*"]}),
        json!({"owners": [{"kind": "Job", "name": "other"}]}),
        json!({"owners": [{"kind": "Node", "name": "n"}]}),
        json!({"objectSelector": {"matchLabels": {"app": "web"}}}),
        json!({"kinds": ["Pod"], "names": ["web"]}),
    ] {
        assert!(!lets_in(matches.clone()), "{matches}");
    }
}

#[test]
fn a_controller_is_let_in_by_an_exception_for_itself_or_for_its_pods() {
    let spec = json!({"controllers": "Enforce", "exceptions": {"namespaces": ["shop"]}});
    let lets_in = |matches: Value| {
        let exception = exception("shop", Some(NOW), json!({"match": matches}));
        at(&honouring(spec.clone(), exception), &deployment(&bad_pod()), NOW).allowed
    };
    assert!(lets_in(json!({"kinds": ["Deployment"], "names": ["api"]})));
    assert!(lets_in(json!({"kinds": ["Pod"], "owners": [{"kind": "ReplicaSet", "name": "api-*"}]})));
    assert!(lets_in(json!({"generateNames": ["api-*"]})));
    assert!(!lets_in(json!({"kinds": ["Pod"], "owners": [{"kind": "ReplicaSet", "name": "web-*"}]})));
}

#[test]
fn mutations_can_be_excepted_too() {
    let hardened = json!({
        "exceptions": {"namespaces": ["shop"]},
        "mutate": [
            {"name": "label", "metadata": {"labels": {"a": "1"}}}, {"name": "note", "metadata": {"annotations": {"b": "2"}}},
        ],
    });
    let entries = json!({"policies": [{"name": "p", "entries": ["label"]}]});
    let set = honouring(hardened, exception("shop", Some(NOW), entries));
    let decision = mutate(&set, &reading::creation(&bad_pod()), &Context { now: NOW, ..Context::default() });
    let changed: Vec<&str> = decision.changes.iter().map(|change| &*change.source.entry).collect();
    assert_eq!(changed, ["note"]);
    assert_eq!(told(&decision.excepted), ["p/label "]);
}

#[test]
fn a_name_is_one_entry_of_one_list() {
    let spec = json!({
        "exceptions": {"namespaces": ["shop"]},
        "mutate": [{"name": "images", "metadata": {"labels": {"a": "1"}}}, {"name": "note", "metadata": {"labels": {"b": "2"}}}],
    });
    let released = |entries: &[&str]| {
        let policies = json!({"policies": [{"name": "p", "entries": entries}]});
        let set = honouring(spec.clone(), exception("shop", Some(NOW), policies));
        let context = Context { now: NOW, ..Context::default() };
        let decision = decide(&set, &reading::creation(&bad_pod()), &context);
        decision.excepted.iter().map(|finding| finding.source.in_full()).collect::<Vec<_>>()
    };
    let (mutation, validation) = ("p/mutate/images", "p/validate/images");
    assert_eq!(released(&["images"]), [validation], "an exception asks to be let in");
    assert_eq!(released(&["validate/images"]), [validation]);
    assert_eq!(released(&["mutate/images"]), [mutation]);
    assert_eq!(released(&["mutate/images", "images"]), [mutation, validation]);
    assert_eq!(released(&["note"]), ["p/mutate/note"]);
    assert_eq!(released(&["validate/note"]), [""; 0]);
    assert_eq!(released(&[]), [mutation, "p/mutate/note", validation]);
}

#[test]
fn its_author_is_recorded_whatever_it_says() {
    let exception = |annotations: Value, reason: &str| {
        json!({
            "apiVersion": "sallyport.dev/v1alpha1", "kind": "PolicyException",
            "metadata": {"name": "legacy", "namespace": "shop", "annotations": annotations},
            "spec": {"policies": [{"name": "p"}], "match": {}, "expires": "2030-01-08T00:00:00Z", "reason": reason},
        })
    };
    let author = |request| {
        let decision = mutate(&PolicySet::default(), &request, &Context::default());
        assert!(decision.allowed);
        let mut object = request.object.clone();
        json_patch::patch(&mut object, &decision.patch).expect("the patch applies");
        object["metadata"]["annotations"][AUTHOR_ANNOTATION].as_str().map(str::to_owned)
    };
    let by = |mut request: sallyport_admission::Request, user: &str| {
        user.clone_into(&mut request.user_info.username);
        request
    };
    let forged = json!({AUTHOR_ANNOTATION: "root", "note": "x"});
    let jane = json!({AUTHOR_ANNOTATION: "jane"});
    let create = |annotations: Value| reading::creation(&exception(annotations, "why"));
    assert_eq!(author(create(Value::Null)).as_deref(), Some("jane"));
    assert_eq!(author(create(forged.clone())).as_deref(), Some("jane"));
    let old = exception(jane.clone(), "why");
    let change = |new: &Value| by(update(&old, new), "joe");
    assert_eq!(author(change(&exception(jane.clone(), "other"))).as_deref(), Some("joe"));
    // Who leaves the spec alone does not become its author, and can't make somebody else so.
    assert_eq!(author(change(&exception(forged, "why"))).as_deref(), Some("jane"));
    assert_eq!(author(change(&exception(Value::Null, "why"))).as_deref(), Some("jane"));
}
