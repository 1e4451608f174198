//! What other programs read: SARIF, JUnit, completion scripts, manual pages.

use std::collections::BTreeMap;
use std::fs;

use quick_xml::Reader;
use quick_xml::events::Event;
use serde_json::Value;

use super::desk::{Desk, NO_NAMESPACE, check};

const NO_ROOT: &str = "\
apiVersion: sallyport.dev/v1alpha1
kind: WorkloadPolicy
metadata: {name: users}
spec:
  match: {namespaces: [shop], kinds: [Pod]}
  validate:
    - name: no-root
      cel: {forEach: containers, expression: 'item.?securityContext.?runAsUser.orValue(1) != 0', message: <root> & more}
    - name: token
      mode: Warn
      cel: {expression: '!object.spec.?automountServiceAccountToken.orValue(true)', message: has a token}
";

const ROOT_DEPLOYMENT: &str = "\
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      automountServiceAccountToken: false
      containers:
        - name: wëb
          image: registry.example.com/web:1
          securityContext: {runAsUser: 0}
";

fn desk() -> Desk {
    let desk = Desk::new();
    fs::write(desk.path("no-root.yaml"), NO_ROOT).unwrap();
    fs::write(desk.path("objects/web 1.yaml"), ROOT_DEPLOYMENT).unwrap();
    desk
}

fn sarif(arguments: &str) -> Value {
    let output = desk().run(arguments, "");
    assert_eq!(output.status.code(), Some(1));
    let log: Value = serde_json::from_slice(&output.stdout).unwrap();
    let mut schema: Value = serde_json::from_str(include_str!("../data/sarif-schema-2.1.0.json")).unwrap();
    // A lone ] stands in them, which only ECMAScript takes for a regular expression; no language is in our logs.
    for definition in ["run", "toolComponent"] {
        schema["definitions"][definition]["properties"]["language"]
            .as_object_mut()
            .unwrap()
            .remove("pattern");
    }
    let errors: Vec<String> = jsonschema::validator_for(&schema)
        .unwrap()
        .iter_errors(&log)
        .map(|error| error.to_string())
        .collect();
    assert!(errors.is_empty(), "{errors:?}");
    log
}

#[test]
fn sarif_is_valid_and_points_at_the_offending_field() {
    for arguments in ["admit -o sarif -p no-root.yaml objects", "simulate -o sarif -p no-root.yaml objects"] {
        let log = sarif(arguments);
        let run = &log["runs"][0];
        let rules: Vec<&str> = run["tool"]["driver"]["rules"]
            .as_array()
            .unwrap()
            .iter()
            .map(|rule| rule["id"].as_str().unwrap())
            .collect();
        let results = run["results"].as_array().unwrap();
        let found: Vec<(&str, &str, &str, i64, i64)> = results
            .iter()
            .map(|result| {
                let at = &result["locations"][0]["physicalLocation"];
                let rule = rules[usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap()];
                assert_eq!(result["ruleId"], rule);
                let place = |field: &str| at["region"][field].as_i64().unwrap();
                (
                    rule,
                    result["level"].as_str().unwrap(),
                    at["artifactLocation"]["uri"].as_str().unwrap(),
                    place("startLine"),
                    place("startColumn"),
                )
            })
            .collect();
        let token = if arguments.starts_with("admit") { "warning" } else { "error" };
        let wanted = [
            ("users/validate/token", token, "objects/deployment.yaml", 6, 3),
            ("users/validate/no-root", "error", "objects/root.yaml", 5, 16),
            ("users/validate/token", token, "objects/root.yaml", 2, 7),
            // A controller's pod is the controller's template.
            ("users/validate/no-root", "error", "objects/web%201.yaml", 11, 11),
        ];
        assert_eq!(found, wanted, "{arguments}");
        let policy = &results[1]["relatedLocations"][0]["physicalLocation"];
        assert_eq!(policy["artifactLocation"]["uri"], "no-root.yaml");
        assert_eq!(policy["region"]["startLine"], 7);
        let message = results[3]["message"]["text"].as_str().unwrap();
        assert_eq!(message, "spec.template.spec.containers[wëb]: <root> & more");
        let fingerprints: std::collections::BTreeSet<_> =
            results.iter().map(|r| r["partialFingerprints"]["sallyport/v1"].as_str().unwrap()).collect();
        assert_eq!(fingerprints.len(), results.len());
    }
}

#[test]
fn sarif_says_what_a_rule_demands_and_tells_results_apart() {
    let policy = "\
apiVersion: sallyport.dev/v1alpha1
kind: WorkloadPolicy
metadata: {name: shop}
spec:
  match: {namespaces: [shop], kinds: [Pod]}
  validate:
    - name: own-images
      images: {registries: [registry.example.com], tags: {forbidden: [latest]}}
    - name: restricted
      mode: Warn
      podSecurity: {level: restricted}
    - name: never
      mode: Warn
      cel: {expression: 'false', message: nothing may be here}
";
    let desk = desk();
    fs::write(desk.path("shop.yaml"), policy).unwrap();
    let pod = NO_NAMESPACE.replace("registry.example.com/bare:1", "docker.io/bare:latest");
    fs::write(desk.path("latest.yaml"), pod).unwrap();
    let output = desk.run("admit -o sarif -p shop.yaml -n shop latest.yaml", "");
    let log: Value = serde_json::from_slice(&output.stdout).unwrap();
    let run = &log["runs"][0];
    let rules = run["tool"]["driver"]["rules"].as_array().unwrap();
    let said: BTreeMap<&str, &str> = rules
        .iter()
        .map(|rule| (rule["id"].as_str().unwrap(), rule["shortDescription"]["text"].as_str().unwrap()))
        .collect();
    assert_eq!(said["shop/validate/own-images"], "Where images come from and how they are named");
    assert_eq!(said["shop/validate/restricted"], "The Pod Security Standards, level restricted");
    assert_eq!(said["shop/validate/never"], "nothing may be here");
    let whole = rules[0]["fullDescription"]["text"].as_str().unwrap();
    assert!(whole.contains("name: own-images") && whole.contains("- registry.example.com"), "{whole}");
    let results = run["results"].as_array().unwrap();
    let images: Vec<&Value> =
        results.iter().filter(|result| result["ruleId"] == "shop/validate/own-images").collect();
    assert_eq!(images.len(), 2);
    let print = |result: &Value| result["partialFingerprints"]["sallyport/v1"].clone();
    assert_ne!(print(images[0]), print(images[1]));
    assert_eq!(
        images[0]["locations"][0]["logicalLocations"][0]["fullyQualifiedName"],
        "Pod shop/bare spec.containers[bare].image"
    );
}

/// Element names with their attributes and texts, read back.
fn elements(xml: &[u8]) -> Vec<(String, BTreeMap<String, String>, String)> {
    let mut reader = Reader::from_str(std::str::from_utf8(xml).unwrap());
    let mut found: Vec<(String, BTreeMap<String, String>, String)> = Vec::new();
    loop {
        match reader.read_event().unwrap() {
            Event::Eof => return found,
            Event::Start(element) | Event::Empty(element) => {
                let attributes = element.attributes().map(|attribute| {
                    let attribute = attribute.unwrap();
                    let value = attribute.normalized_value(quick_xml::XmlVersion::Explicit1_0).unwrap();
                    (attribute.key.as_ref().to_owned(), value.into_owned())
                });
                let name = element.name().as_ref().to_owned();
                let attributes = attributes.collect();
                found.push((name, attributes, String::new()));
            }
            Event::Text(text) => {
                found.last_mut().into_iter().for_each(|(_, _, own)| own.push_str(&text));
            }
            Event::GeneralRef(entity) => {
                let text = quick_xml::escape::resolve_predefined_entity(&entity).unwrap();
                found.last_mut().into_iter().for_each(|(_, _, own)| own.push_str(text));
            }
            _ => {}
        }
    }
}

#[test]
fn junit_has_a_case_for_each_object_and_a_failure_for_each_that_is_refused() {
    for (arguments, failures) in
        [("admit -o junit -p no-root.yaml objects", 2), ("simulate -o junit -p no-root.yaml objects", 3)]
    {
        let output = desk().run(arguments, "");
        assert_eq!(output.status.code(), Some(1));
        let found = elements(&output.stdout);
        let all = |name: &str| found.iter().filter(|(element, ..)| element == name).collect::<Vec<_>>();
        let [(_, root, _)] = all("testsuites")[..] else { panic!("{found:?}") };
        assert_eq!((root["tests"].as_str(), root["failures"].parse()), ("3", Ok(failures)));
        let names: Vec<&str> = all("testcase").iter().map(|(_, case, _)| case["name"].as_str()).collect();
        assert_eq!(names, ["Deployment shop/api", "Pod shop/root", "Deployment shop/web"]);
        let suites: Vec<&str> = all("testsuite").iter().map(|(_, suite, _)| suite["name"].as_str()).collect();
        assert_eq!(suites, ["objects/deployment.yaml", "objects/root.yaml", "objects/web 1.yaml"]);
        assert_eq!(all("failure").len(), failures);
        let (_, last, text) = all("failure")[failures - 1];
        assert_eq!(last["message"], "users/no-root: <root> & more");
        assert!(
            text.contains(
                "objects/web 1.yaml:11: users/no-root spec.template.spec.containers[wëb]: <root> & more"
            ),
            "{text}"
        );
    }
}

#[test]
fn shells_complete_every_command() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        check(&format!("completions {shell}"), 0, &["simulate", "completions", "standalone"], &[]);
    }
    check("completions --help", 0, &["bash-completion/completions/sallyport", "$fpath"], &[]);
    check("completions tcsh", 2, &[], &["[possible values: bash, elvish, fish, powershell, zsh]"]);
}

#[test]
fn every_command_has_a_manual_page() {
    let desk = Desk::new();
    assert!(desk.run("man --dir man", "").status.success());
    for command in ["admit", "check", "completions", "crds", "explain", "man", "serve", "simulate", "test"] {
        let page = fs::read_to_string(desk.path(&format!("man/sallyport-{command}.1"))).unwrap();
        let title =
            format!(".TH sallyport-{command} 1  \"sallyport {}\" Sallyport\n", env!("CARGO_PKG_VERSION"));
        assert!(page.contains(&title) && page.contains(".SH SYNOPSIS\n"), "{command}\n{page}");
        assert!(page.contains(".SH \"EXIT STATUS\"\n") && !page.contains("EXTRA"), "{command}\n{page}");
        assert_eq!(page.matches(".ds Aq").count(), 2, "{command}\n{page}");
    }
    let page = fs::read_to_string(desk.path("man/sallyport-test.1")).unwrap();
    let (arguments, options) = page.split_once(".SH OPTIONS\n").unwrap();
    let (_, arguments) = arguments.split_once(".SH ARGUMENTS\n").unwrap();
    assert!(arguments.contains("CASES") && !arguments.contains("watch"), "{page}");
    assert!(options.contains("watch") && !options.contains("CASES"), "{page}");
    check("man", 0, &[".TH sallyport 1", "EXIT STATUS", "sallyport\\-test(1)"], &[]);
    assert!(!desk.path("man/sallyport-help.1").exists());
    check("man --dir objects/root.yaml", 2, &[], &["cannot make the folder objects/root.yaml"]);
}
