//! What the pure packages do not know, as ARCHITECTURE.md lists it.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};

/// The pure packages, each with its folder.
const PURE: [(&str, &str); 4] = [
    ("sallyport-policy", "policy"),
    ("sallyport-admission", "webhook/core"),
    ("sallyport-traffic", "wasm-filter/core"),
    ("sallyport-attach", "webhook/attach"),
];

/// What speaks to a cluster, a client, a disk, a clock or a log; with all packages that are called `NAME-…`.
const IO: [&str; 22] = [
    "anstream",
    "async-trait",
    "axum",
    "chrono",
    "clap",
    "getrandom",
    "hyper",
    "k8s-openapi",
    "kube",
    "mio",
    "notify",
    "prometheus-client",
    "proxy-wasm",
    "rand",
    "rcgen",
    "reqwest",
    "rustls",
    "socket2",
    "time",
    "tokio",
    "tracing",
    "walkdir",
];

#[test]
fn the_pure_packages_depend_on_nothing_that_does_io() -> Result<()> {
    for (package, _) in PURE {
        let found: Vec<String> = dependencies(package)?
            .into_iter()
            .filter(|name| {
                IO.iter().any(|io| {
                    name.strip_prefix(io).is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
                })
            })
            .collect();
        ensure!(found.is_empty(), "{package} depends on {}", found.join(", "));
    }
    Ok(())
}

#[test]
fn neither_core_knows_the_other() -> Result<()> {
    let [policy, admission, traffic] = [PURE[0].0, PURE[1].0, PURE[2].0];
    for (package, others) in [
        (policy, [admission, traffic]),
        (admission, [traffic, "sallyport"]),
        (traffic, [admission, "sallyport"]),
    ] {
        let all = dependencies(package)?;
        for other in others {
            ensure!(!all.contains(other), "{package} depends on {other}");
        }
    }
    Ok(())
}

#[test]
fn the_pure_packages_ask_neither_clock_nor_system() -> Result<()> {
    let mut found = Vec::new();
    for (_, folder) in PURE {
        for file in sources(&root().join(folder).join("src"))? {
            if file.ends_with("tests.rs") {
                continue;
            }
            let text = without_tests(&fs::read_to_string(&file)?);
            found.extend(
                std_paths(&text)
                    .into_iter()
                    .filter(|path| asks_the_system(path))
                    .map(|path| format!("{}: {path}", file.display())),
            );
        }
    }
    ensure!(found.is_empty(), "{}", found.join("\n"));
    Ok(())
}

#[test]
fn nothing_in_the_pure_packages_is_unsafe() -> Result<()> {
    for (_, folder) in PURE {
        for file in sources(&root().join(folder))? {
            let text = fs::read_to_string(&file)?;
            ensure!(!is_unsafe(&text), "{} says unsafe", file.display());
        }
    }
    Ok(())
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The names of all packages that this one is built with.
fn dependencies(package: &str) -> Result<BTreeSet<String>> {
    // Offline: whoever runs this test has built the workspace, and so has them all.
    let output = Command::new(env!("CARGO"))
        .args(["tree", "--locked", "--offline", "--edges", "normal", "--prefix", "none", "--format", "{p}"])
        .args(["--package", package])
        .current_dir(root())
        .output()?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout)?;
    let names: BTreeSet<String> =
        text.lines().filter_map(|line| line.split_whitespace().next()).map(str::to_owned).collect();
    ensure!(names.contains(package) && names.contains("serde"), "this is no tree of {package}:\n{text}");
    Ok(names)
}

/// The Rust files below a folder.
fn sources(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let path = entry?.path();
        if path.is_dir() {
            found.extend(sources(&path)?);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    Ok(found)
}

/// The text without the items under `#[cfg(test)]`, as rustfmt lays them out: an item ends with the first line that
/// is indented like its attribute and closes it. A file of tests is left to its name, `tests.rs`.
fn without_tests(text: &str) -> String {
    let mut kept = String::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let Some(indent) = line.strip_suffix("#[cfg(test)]") else {
            kept.push_str(line);
            kept.push('\n');
            continue;
        };
        lines.by_ref().find(|line| {
            let item = line.strip_prefix(indent).filter(|rest| !rest.starts_with([' ', '#']));
            item.is_some_and(|rest| rest == "}" || rest.ends_with(';'))
        });
    }
    kept
}

/// Every path into `std` that the text names, one for each name within braces.
fn std_paths(text: &str) -> Vec<String> {
    let code: String = text.lines().map(|line| line.split("//").next().unwrap_or_default()).collect();
    let code: String = code.split_whitespace().collect();
    code.match_indices("std::").flat_map(|(at, _)| expand(&code[at..])).collect()
}

/// The paths at the start of the text: `std::{fs,io::{self,Read}}` are `std::fs`, `std::io::self`, `std::io::Read`.
fn expand(text: &str) -> Vec<String> {
    let end = text.find(|c: char| !c.is_alphanumeric() && c != '_' && c != ':').unwrap_or(text.len());
    let (path, rest) = text.split_at(end);
    let Some(group) = rest.strip_prefix('{').filter(|_| path.ends_with("::")) else {
        return vec![path.to_owned()];
    };
    let (mut depth, mut start, mut members) = (0_usize, 0, Vec::new());
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => {
                members.push(&group[start..at]);
                break;
            }
            '}' => depth -= 1,
            ',' if depth == 0 => {
                members.push(&group[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    members.into_iter().flat_map(expand).map(|member| format!("{path}{member}")).collect()
}

/// Whether a path leads to the clock, the environment, the disk, the network, threads or processes. Durations and IP
/// addresses are data.
fn asks_the_system(path: &str) -> bool {
    let mut parts = path.split("::").skip(1);
    match (parts.next(), parts.next()) {
        (Some("env" | "fs" | "process" | "thread" | "os"), _) => true,
        (Some("time"), part) => part != Some("Duration"),
        (Some("net"), part) => !matches!(part, Some("IpAddr" | "Ipv4Addr" | "Ipv6Addr")),
        (Some("io"), part) => matches!(part, Some("stdin" | "stdout" | "stderr")),
        _ => false,
    }
}

/// Whether the keyword stands in the text: before a block, an item, or an attribute's bracket. `unsafe-inline` is a
/// word of the web.
fn is_unsafe(text: &str) -> bool {
    text.match_indices("unsafe").any(|(at, word)| {
        let before = text[..at].chars().next_back().is_none_or(|c| !c.is_alphanumeric() && c != '_');
        let after = text[at + word.len()..].chars().next();
        before && after.is_some_and(|c| c.is_whitespace() || matches!(c, '{' | '('))
    })
}

#[test]
fn what_is_looked_for_is_found() {
    let text = "use std::{borrow::Cow, fs, time::{Duration, Instant}};\n\
                // std::env in a comment\n\
                fn now() { std::thread::spawn(f); }\n\
                use std::net::Ipv4Addr;\n\
                #[cfg(test)]\n\
                #[allow(dead_code)]\n\
                mod tests {\n    use std::process;\n    fn f() {}\n}\n\
                #[cfg(test)]\n\
                use std::env;\n\
                type Clock = std::time::SystemTime;\n";
    let paths = std_paths(&without_tests(text));
    let found: Vec<&str> = paths.iter().map(String::as_str).filter(|path| asks_the_system(path)).collect();
    assert_eq!(found, ["std::fs", "std::time::Instant", "std::thread::spawn", "std::time::SystemTime"]);
    assert!(is_unsafe("let x = unsafe { f() };") && is_unsafe("#[unsafe(no_mangle)]"));
    assert!(!is_unsafe("unsafe_code = \"forbid\"") && !is_unsafe("'unsafe-inline'"));
}
