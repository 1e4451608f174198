//! Cases: each file in `tests/data/source` beside what is said of it. `SALLYPORT_BLESS=1` writes the latter.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use proptest::prelude::*;
use sallyport_policy::{Diagnostic, FieldPath, Severity};
use serde::Deserialize;
use serde_json::{Value, json};

use super::*;

/// What cases with `kind: Example` are decoded as.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "decoded, not used")]
struct Example {
    replicas: Option<u16>,
    #[serde(default)]
    mutate: Vec<Entry>,
    #[serde(default)]
    owners: BTreeMap<String, String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[expect(dead_code, reason = "decoded, not used")]
struct Entry {
    name: String,
    mode: Option<Mode>,
    action: Option<Action>,
    run_as_non_root: Option<bool>,
    run_as_user: Option<i64>,
}

#[derive(Debug, Deserialize)]
enum Mode {
    Enforce,
    Warn,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(dead_code, reason = "decoded, not used")]
enum Action {
    Label { key: String, value: String },
    Sidecar(BTreeMap<String, String>),
}

fn data() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/source")
}

/// Everything that is said of a file: findings, then the objects with the places of their leaves.
fn said_of(path: &Path) -> String {
    let (documents, errors) = read(&[path.to_owned()]);
    let mut out = Vec::new();
    let mut reporter = Reporter::new(&mut out, Colour::Off);
    for error in &errors {
        reporter.read_error(error).unwrap();
    }
    for document in documents.iter().filter(|document| document.kind() == "Example") {
        if let Err(problems) = decode::<Example>(document, &FieldPath::of("spec")) {
            for problem in problems {
                reporter.located(&problem).unwrap();
            }
        }
    }
    reporter.finish().unwrap();
    let mut said = String::from_utf8(out).unwrap().replace(&format!("{}/", data().display()), "");
    for document in documents {
        let at = document.locate_written("metadata.name");
        writeln!(said, "--- {}, name at {}:{}", document.index, at.line, at.column).unwrap();
        writeln!(said, "{}", document.value).unwrap();
    }
    said
}

#[test]
fn each_file_is_read_and_reported_as_its_want_says() {
    let bless = std::env::var_os("SALLYPORT_BLESS").is_some();
    let mut cases: Vec<PathBuf> = fs::read_dir(data()).unwrap().map(|entry| entry.unwrap().path()).collect();
    cases.retain(|path| path.extension().is_some_and(|e| e == "yaml" || e == "json"));
    cases.sort();
    assert!(!cases.is_empty());
    let mut wrong = String::new();
    for case in cases {
        let got = said_of(&case);
        let want_path = case.with_extension("want");
        if bless {
            fs::write(&want_path, got).unwrap();
            continue;
        }
        let want = fs::read_to_string(&want_path).unwrap_or_default();
        if got != want {
            write!(wrong, "\n{}\n== got\n{got}\n== want\n{want}", case.display()).unwrap();
        }
    }
    assert!(wrong.is_empty(), "{wrong}\nSALLYPORT_BLESS=1 accepts what was got");
}

fn one(text: &str) -> Document {
    let (mut documents, errors) = parse(&Arc::new(SourceText::new("test.yaml", text)));
    assert!(errors.is_empty(), "{}", errors[0]);
    assert_eq!(documents.len(), 1);
    documents.remove(0)
}

/// The text that a path points at.
#[track_caller]
fn check_place(document: &Document, path: &str, want: &str) {
    let at = document.locate_written(path);
    assert_eq!(&document.origin.text()[at.byte_range], want, "{path}");
}

const POD: &str = "\
kind: Pod
metadata:
  name: web
  labels: {app.kubernetes.io/name: web}
spec:
  containers:
    - name: api
      ports: [{containerPort: 80}]
      securityContext:
    - image: \"b\"
      name: b
  writablePaths:
    - path: /tmp
";

#[test]
fn a_path_leads_to_its_field_or_the_nearest_above() {
    let pod = one(POD);
    check_place(&pod, "metadata.name", "web");
    check_place(&pod, "metadata.labels[app.kubernetes.io/name]", "web");
    check_place(&pod, "metadata.labels", "labels");
    check_place(&pod, "spec.containers[api].ports[0].containerPort", "80");
    check_place(&pod, "spec.containers[1].image", "\"b\"");
    check_place(&pod, "spec.containers[b].image", "\"b\"");
    check_place(&pod, "spec.containers[b].resources.limits", "image: \"b\"\n      name: b");
    check_place(&pod, "spec.containers[api].securityContext.runAsUser", "securityContext");
    check_place(&pod, "spec.containers[none].image", "containers");
    check_place(&pod, "spec.writablePaths[/tmp].path", "/tmp");
    let name = FieldPath::of("metadata").field("name");
    assert_eq!(&POD[pod.locate_key(&name).byte_range], "name");
    assert_eq!(pod.locate(&FieldPath::of("status")).line, 1);
    let labels = pod.locate_value(&FieldPath::of("metadata.labels"));
    assert_eq!(&POD[labels.byte_range], "{app.kubernetes.io/name: web}");
}

#[test]
fn what_came_through_an_anchor_stands_where_the_anchor_is() {
    let text = "a: &base {x: 1, w: 2}\nb: *base\nc:\n  <<: *base\n  w: 3\n  z: 4\n";
    let document = one(text);
    let want = json!({"a": {"x": 1, "w": 2}, "b": {"x": 1, "w": 2}, "c": {"x": 1, "w": 3, "z": 4}});
    assert_eq!(document.value, want);
    assert_eq!(document.locate(&FieldPath::of("b.x")).line, 1);
    assert_eq!(document.locate_value(&FieldPath::of("b")).line, 2);
    assert_eq!(document.locate(&FieldPath::of("c.x")).line, 1);
    assert_eq!(document.locate(&FieldPath::of("c.w")).line, 5);
}

#[test]
fn aliases_cannot_unfold_without_bound() {
    let mut text = String::from("a0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol]\n");
    for level in 1..12 {
        let aliases = vec![format!("*a{}", level - 1); 9].join(", ");
        writeln!(text, "a{level}: &a{level} [{aliases}]").unwrap();
    }
    let (documents, errors) = parse(&Arc::new(SourceText::new("laughs.yaml", text)));
    assert!(documents.is_empty());
    assert!(matches!(errors[0].reason, Unreadable::AliasesTooLarge { .. }), "{}", errors[0]);

    let deep: String = (1..100).map(|level| format!("b{level}: &b{level} [[[*b{}]]]\n", level - 1)).collect();
    let (_, errors) = parse(&Arc::new(SourceText::new("deep.yaml", format!("b0: &b0 x\n{deep}"))));
    assert!(matches!(errors[0].reason, Unreadable::TooDeep { .. }), "{}", errors[0]);
}

#[test]
fn nesting_is_bounded() {
    for (open, close) in [("[", "]"), ("{a: ", "}")] {
        let text = format!("{}x{}", open.repeat(20_000), close.repeat(20_000));
        let (documents, errors) = parse(&Arc::new(SourceText::new("deep.yaml", text)));
        assert!(documents.is_empty());
        assert!(!errors.is_empty());
    }
    let (documents, _) = parse(&Arc::new(SourceText::new("deep.yaml", "- ".repeat(20_000))));
    assert!(documents.is_empty());
}

#[test]
fn a_finding_is_written_for_programs() {
    let pod = one(POD);
    let path = FieldPath::of("spec.containers").named("api").field("image");
    let warning = Diagnostic::warning(path, "no image").with_help("name one");
    let want = json!({
        "file": "test.yaml", "line": 7, "column": 7, "path": "spec.containers[api].image",
        "severity": "warning", "message": "no image", "help": "name one",
    });
    let located = pod.place(warning);
    assert_eq!(located.to_json(), want);
    assert_eq!(located.to_string(), "test.yaml:7:7: spec.containers[api].image: no image");
}

#[test]
fn colour_is_kept_to_the_severity_and_the_line_number() {
    let pod = one(POD);
    let error =
        Diagnostic::error(FieldPath::of("metadata.name"), "too short").with_help("at least 4 characters");
    let mut out = Vec::new();
    let mut reporter = Reporter::new(&mut out, Colour::On);
    reporter.diagnostic(&error, &pod).unwrap();
    let tally = reporter.finish().unwrap();
    assert_eq!(tally.to_string(), "1 error in 1 file");
    let out = String::from_utf8(out).unwrap();
    assert!(
        out.starts_with("\u{1b}[1m\u{1b}[31merror:\u{1b}[0m \u{1b}[1mtest.yaml:3:9\u{1b}[0m metadata.name\n"),
        "{out:?}"
    );
}

fn names(documents: &[Document]) -> Vec<&str> {
    documents.iter().map(Document::name).collect()
}

fn object(name: &str) -> String {
    format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}}}\n")
}

#[test]
fn a_folder_is_read_in_order_without_hidden_files() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    fs::create_dir_all(at("sub/.git")).unwrap();
    fs::write(at("b.yaml"), object("b")).unwrap();
    fs::write(at("a.yml"), object("a")).unwrap();
    fs::write(at("sub/c.json"), r#"{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}}"#)
        .unwrap();
    fs::write(at("sub/.git/d.yaml"), object("d")).unwrap();
    fs::write(at(".e.yaml"), object("e")).unwrap();
    fs::write(at("notes.txt"), "not read").unwrap();
    fs::write(at("kustomization.yaml"), "resources: [a.yml]\n").unwrap();
    let (documents, errors) = read(&[folder.path().to_owned()]);
    assert_eq!(names(&documents), ["a", "b", "c"]);
    assert_eq!(errors.len(), 1);
    assert!(matches!(errors[0].reason, Unreadable::Kustomization));
    assert_eq!(errors[0].severity, Severity::Warning);
}

#[cfg(unix)]
#[test]
fn a_mounted_config_map_gives_each_object_once() {
    use std::os::unix::fs::symlink;
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    fs::create_dir(at("..2026_01_01")).unwrap();
    fs::write(at("..2026_01_01/a.yaml"), object("a")).unwrap();
    symlink("..2026_01_01", at("..data")).unwrap();
    symlink("..data/a.yaml", at("a.yaml")).unwrap();
    symlink("a.yaml", at("again.yaml")).unwrap();
    symlink(".", at("loop")).unwrap();
    symlink("nowhere", at("broken.yaml")).unwrap();
    symlink("nowhere", at("broken.txt")).unwrap();
    let (documents, errors) = read(&[folder.path().to_owned()]);
    assert_eq!(names(&documents), ["a"]);
    assert_eq!(errors.len(), 1, "{errors:?}");
    assert!(errors[0].to_string().ends_with("broken.yaml: no such file or folder"), "{}", errors[0]);
}

#[test]
fn what_cannot_be_followed_is_not_taken_for_nothing() {
    use std::os::unix::fs::symlink;
    let dir = tempfile::tempdir().unwrap();
    // A name that no file can have: as with too few file descriptors, whether something is there is not known.
    symlink("n".repeat(300), dir.path().join("more")).unwrap();
    let (documents, errors) = read(&[dir.path().to_owned()]);
    assert!(documents.is_empty());
    assert_eq!(errors.len(), 1, "{errors:?}");
    assert!(matches!(errors[0].reason, Unreadable::Io(_)), "{errors:?}");
}

#[test]
fn everything_unreadable_is_reported() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    fs::create_dir(at("empty")).unwrap();
    fs::write(at("bad.yaml"), "a: [").unwrap();
    fs::write(at("wide.yaml"), b"\xff\xfea\0").unwrap();
    fs::File::create(at("huge.yaml")).unwrap().set_len(SIZE_LIMIT + 1).unwrap();
    let inputs = ["none.yaml", "bad.yaml", "wide.yaml", "huge.yaml", "empty"].map(at);
    let (documents, errors) = read(&inputs);
    assert!(documents.is_empty());
    let said: Vec<String> = errors.iter().map(|error| error.reason.to_string()).collect();
    assert_eq!(
        said,
        [
            "no such file or folder",
            "this [ is never closed",
            "UTF-16, not UTF-8",
            "larger than 64 MiB",
            "no *.yaml, *.yml or *.json file in this folder",
        ]
    );
}

#[test]
fn standard_input_is_read() {
    let (documents, errors) = read_from(&[PathBuf::from("-")], &mut object("piped").as_bytes());
    assert!(errors.is_empty());
    assert_eq!(names(&documents), ["piped"]);
    assert_eq!(documents[0].origin.name(), "<stdin>");
}

#[test]
fn what_would_steer_the_terminal_is_shown_as_something_else() {
    let pod = one("name: \"a\tb\u{202e}\"\n");
    let mut out = Vec::new();
    let mut reporter = Reporter::new(&mut out, Colour::Off);
    reporter.diagnostic(&Diagnostic::error(FieldPath::of("name"), "bad"), &pod).unwrap();
    out.flush().unwrap();
    assert!(String::from_utf8(out).unwrap().contains("\"a    b\u{fffd}\""));
}

fn json_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>()
            .prop_filter("an integer to Kubernetes", |f| f.abs() >= 1e19 || f.fract() != 0.0)
            .prop_map(Value::from),
        any::<String>().prop_map(Value::from),
        prop::sample::select(vec!["yes", "0644", "<<", "~", "1e3", "a: b", "# no", "{{ x }}", "\t", "- "])
            .prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 64, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::btree_map(any::<String>(), inner, 0..6)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

/// That every leaf stands where its text reads back as it, and every list and object between its brackets.
fn check_spans(document: &Document, value: &Value, path: &FieldPath) -> Result<(), TestCaseError> {
    let at = document.locate_value(path);
    let text = &document.origin.text()[at.byte_range];
    match value {
        Value::Array(elements) => {
            prop_assert!(text.starts_with('[') && text.ends_with(']'), "{text}");
            for (index, element) in elements.iter().enumerate() {
                check_spans(document, element, &path.index(index))?;
            }
        }
        Value::Object(members) => {
            prop_assert!(text.starts_with('{') && text.ends_with('}'), "{text}");
            for (name, member) in members {
                check_spans(document, member, &path.key(name.clone()))?;
            }
        }
        // serde_json reads floating-point numbers a little less exactly than it writes them.
        Value::Number(number) if number.is_f64() => prop_assert_eq!(text.parse().ok(), number.as_f64()),
        leaf => prop_assert_eq!(&serde_json::from_str::<Value>(text).unwrap(), leaf),
    }
    Ok(())
}

proptest! {
    #[test]
    fn json_reads_back_equal_and_every_value_stands_where_its_text_is(value in json_value(), pretty: bool) {
        let text = if pretty { serde_json::to_string_pretty(&value) } else { serde_json::to_string(&value) };
        let origin = Arc::new(SourceText::new("test.json", text.unwrap()));
        let (documents, errors) = parse(&origin);
        prop_assert!(errors.is_empty(), "{}", errors[0]);
        if value.is_null() {
            prop_assert!(documents.is_empty());
        } else {
            prop_assert_eq!(&documents[0].value, &value);
            check_spans(&documents[0], &value, &FieldPath::root())?;
        }
    }

    #[test]
    fn no_text_is_too_strange_to_read(text in "[-:{}\\[\\]&*!|>'\"%@`#, \\t\\r\\na0<~é\u{feff}]{0,60}") {
        let origin = Arc::new(SourceText::new("test.yaml", text));
        let (documents, errors) = parse(&origin);
        for document in documents {
            prop_assert!(document.locate(&FieldPath::of("a.b")).line > 0);
        }
        let mut reporter = Reporter::new(Vec::new(), Colour::Off);
        for error in &errors {
            reporter.read_error(error).unwrap();
        }
    }
}
