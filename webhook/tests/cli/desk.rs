//! A folder of files to run the program in, and what it is held to print.

use std::fs;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

pub(crate) const POLICY: &str = "\
apiVersion: sallyport.dev/v1alpha1
kind: WorkloadPolicy
metadata: {name: hardening}
spec:
  match: {namespaces: [shop], kinds: [Pod]}
  mutate:
    - name: restricted
      securityContext:
        pod: {runAsNonRoot: true}
    - name: token
      automountServiceAccountToken: false
";

pub(crate) const MISSPELT: &str = "\
apiVersion: sallyport.dev/v1alpha1
kind: WorkloadPolicy
metadata: {name: misspelt}
spec:
  match: {kinds: [Pod]}
  mutat: []
";

pub(crate) const VALIDATION: &str = "\
apiVersion: sallyport.dev/v1alpha1
kind: WorkloadPolicy
metadata: {name: images}
spec:
  match: {kinds: [Pod]}
  validate:
    - name: own-registry
      images: {registries: [registry.example.com]}
";

pub(crate) const FAILING: &str = "\
apiVersion: sallyport.dev/v1alpha1
kind: WorkloadPolicy
metadata: {name: failing}
spec:
  match: {kinds: [Pod]}
  mutate:
    - name: label
      when: object.spec.nowhere == 1
      metadata: {labels: {tier: web}}
";

pub(crate) const DEPLOYMENT: &str = "\
apiVersion: apps/v1
kind: Deployment
metadata: {name: api, namespace: shop}
spec:
  selector: {matchLabels: {app: api}}
  template:
    metadata: {labels: {app: api}}
    spec:
      automountServiceAccountToken: true
      containers: [{name: api, image: \"registry.example.com/api:1\"}]
";

pub(crate) const ROOT_POD: &str = "\
apiVersion: v1
kind: Pod
metadata: {name: root, namespace: shop}
spec:
  containers: [{name: root, image: \"registry.example.com/root:1\", securityContext: {runAsUser: 0}}]
";

pub(crate) const NO_NAMESPACE: &str = "\
apiVersion: v1
kind: Pod
metadata: {name: bare}
spec:
  containers: [{name: bare, image: \"registry.example.com/bare:1\"}]
";

/// A folder with the files above.
pub(crate) struct Desk(TempDir);

impl Desk {
    pub(crate) fn new() -> Self {
        let desk = Self(TempDir::new().unwrap());
        for (file, text) in [
            ("policies/hardening.yaml", POLICY),
            ("misspelt.yaml", MISSPELT),
            ("validation.yaml", VALIDATION),
            ("failing.yaml", FAILING),
            ("objects/deployment.yaml", DEPLOYMENT),
            ("objects/root.yaml", ROOT_POD),
            ("bare.yaml", NO_NAMESPACE),
            ("empty/README.md", "no YAML\n"),
        ] {
            let path = desk.path(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        desk
    }

    pub(crate) fn path(&self, file: &str) -> PathBuf {
        self.0.path().join(file)
    }

    /// The program with these arguments, in this folder.
    pub(crate) fn program(&self, arguments: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sallyport"));
        command.args(arguments.split_whitespace()).current_dir(self.0.path());
        for variable in ["NO_COLOR", "CLICOLOR", "CLICOLOR_FORCE", "RUST_LOG"] {
            command.env_remove(variable);
        }
        command
    }

    pub(crate) fn run(&self, arguments: &str, stdin: &str) -> Output {
        let mut command = self.program(arguments);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        // A program that reads no input may have ended by now.
        child.stdin.take().unwrap().write_all(stdin.as_bytes()).ok();
        child.wait_with_output().unwrap()
    }

    /// Runs the command, and holds its exit code and the texts that its standard output and standard error hold. Where
    /// none is wanted of standard error, that is empty.
    #[track_caller]
    pub(crate) fn check(&self, arguments: &str, code: i32, on_stdout: &[&str], on_stderr: &[&str]) {
        self.check_with(arguments, "", code, on_stdout, on_stderr);
    }

    #[track_caller]
    fn check_with(&self, arguments: &str, stdin: &str, code: i32, on_stdout: &[&str], on_stderr: &[&str]) {
        let output = self.run(arguments, stdin);
        let [out, err] = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes));
        let all = format!("sallyport {arguments}\n--- stdout\n{out}\n--- stderr\n{err}");
        assert_eq!(output.status.code(), Some(code), "{all}");
        for (text, wanted) in [(&out, on_stdout), (&err, on_stderr)] {
            for wanted in wanted {
                assert!(text.contains(wanted), "{wanted:?} is not in\n{all}");
            }
        }
        assert!(!on_stderr.is_empty() || err.is_empty(), "{all}");
    }
}

/// [`Desk::check`] on a new desk.
#[track_caller]
pub(crate) fn check(arguments: &str, code: i32, on_stdout: &[&str], on_stderr: &[&str]) {
    Desk::new().check(arguments, code, on_stdout, on_stderr);
}

/// [`check`] with text on standard input.
#[track_caller]
pub(crate) fn check_with(arguments: &str, stdin: &str, code: i32, on_stdout: &[&str], on_stderr: &[&str]) {
    Desk::new().check_with(arguments, stdin, code, on_stdout, on_stderr);
}
