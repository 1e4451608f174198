//! Hosts of keys, as bad as they may be.

use std::fs;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use bytes::Bytes;
use http::{Response, StatusCode};
use sallyport_tests::proxy::{Conduct, KeyHost, Proxy, Setup};
use sallyport_tests::tokens::{Signer, claims, key_set};
use serde_json::json;

/// Asks until the answer is this.
async fn ask_until(proxy: &Proxy, path: &str, token: &str, status: u16) -> Result<()> {
    let start = Instant::now();
    loop {
        let response = proxy.get(path, Some(token)).await?;
        if response.status() == status {
            return Ok(());
        }
        ensure!(
            start.elapsed() < Duration::from_secs(60),
            "{path} is still answered {response:?}\n{}",
            proxy.envoy.output()
        );
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// A policy with a provider of this name for each of these hosts, asked of what is under a path of its name.
fn policy(providers: &[&str]) -> String {
    let rules = providers.iter().map(|name| {
        json!({"name": name, "match": [{"path": {"prefix": format!("/{name}")}}], "require": {"anyOf": [name]}})
    });
    let hosts = providers.iter().map(|name| {
        json!({
            "name": name, "issuer": "https://issuer.example", "audiences": ["shop"], "algorithms": ["EdDSA"],
            "jwks": {"uri": format!("https://{name}.example/jwks")},
        })
    });
    let jwt = json!({"providers": hosts.collect::<Vec<_>>(), "rules": rules.collect::<Vec<_>>()});
    let metadata = json!({"name": "api", "namespace": "shop"});
    json!({"kind": "TrafficPolicy", "metadata": metadata, "spec": {"selector": {}, "jwt": jwt}}).to_string()
}

/// A provider each, whose host behaves so; a host that nobody trusts too, where it is `untrusted`.
async fn start(hosts: &[(&'static str, Conduct)]) -> Result<(Setup, Vec<KeyHost>)> {
    let mut names: Vec<&str> = hosts.iter().map(|(name, _)| *name).collect();
    names.insert(0, "nowhere");
    let mut setup = Setup::of(&policy(&names))?;
    let mut started = Vec::new();
    let mut trusted = String::new();
    for (name, conduct) in hosts {
        let host_name = format!("{name}.example");
        let host = KeyHost::start(&host_name, conduct.clone()).await?;
        setup = setup.connect(&host_name, 443, host.address());
        if *name != "untrusted" {
            trusted += &fs::read_to_string(host.ca_file())?;
        }
        started.push(host);
    }
    let file = started[0].ca_file().with_file_name("all.crt");
    fs::write(&file, trusted)?;
    // The first provider's cluster is missing: a call to it fails at once, others are made after it.
    let setup = setup.trusting(file).edited(|bootstrap| {
        let clusters = bootstrap["static_resources"]["clusters"].as_array_mut().expect("clusters");
        clusters.retain(|cluster| cluster["name"] != "sallyport_jwks_nowhere_example_443");
    });
    Ok((setup, started))
}

#[tokio::test]
async fn a_host_that_fails_or_lies_opens_nothing_and_stands_in_nobody_s_way() -> Result<()> {
    let signer = Signer::ed25519("a")?;
    let set = key_set(&[&signer])?;
    let moved =
        Response::builder().status(302).header("location", "https://good.example/jwks").body(Bytes::new())?;
    let padded =
        |length: usize| Conduct::serves(format!("{set}{}", " ".repeat(length.saturating_sub(set.len()))));
    let bad = [
        ("fails", Conduct::fails(StatusCode::INTERNAL_SERVER_ERROR)),
        ("denies", Conduct::fails(StatusCode::FORBIDDEN)),
        ("moves", Conduct::Answers(moved)),
        ("closes", Conduct::Closes),
        ("silent", Conduct::Silent),
        ("empty", Conduct::serves("")),
        ("html", Conduct::serves("<html>Welcome</html>")),
        ("object", Conduct::serves("{}")),
        ("binary", Conduct::serves(vec![0xff; 1000])),
        ("cut", Conduct::serves(set[..40].to_owned())),
        ("large", padded((256 << 10) + 1)),
        ("huge", padded(4 << 20)),
        ("untrusted", Conduct::serves(set.clone())),
    ];
    let mut hosts = bad.to_vec();
    hosts.push(("other", Conduct::serves(key_set(&[&Signer::ed25519("a")?])?)));
    hosts.push(("none", Conduct::serves(json!({"keys": []}).to_string())));
    hosts.push(("full", padded(256 << 10)));
    hosts.push(("good", Conduct::serves(set.clone())));
    let (setup, _hosts) = start(&hosts).await?;
    let proxy = setup.workers(2).start().await?;
    let token = signer.sign(&claims("alice", 3600))?;

    for good in ["/good", "/full"] {
        ask_until(&proxy, good, &token, 200).await?;
    }
    let passed = proxy.upstream.seen().len();
    for (name, _) in bad {
        let response = proxy.get(&format!("/{name}"), Some(&token)).await?;
        ensure!(response.status() == 503, "{name}: {response:?}");
        let wait: u32 = response.headers()["retry-after"].to_str()?.parse()?;
        ensure!((1..=10).contains(&wait), "{name}: {response:?}");
    }
    ensure!(proxy.get("/nowhere", Some(&token)).await?.status() == 503);
    // Keys that came, but are not those that signed.
    ask_until(&proxy, "/other", &token, 401).await?;
    ensure!(proxy.get("/none", Some(&token)).await?.status() != 200);
    ensure!(proxy.upstream.seen().len() == passed, "somebody got through");
    ensure!(proxy.get("/good", Some(&token)).await?.status() == 200);
    Ok(())
}

#[tokio::test]
async fn whoever_waits_for_a_slow_host_is_let_in_once_it_answers_and_not_before() -> Result<()> {
    let signer = Signer::ed25519("a")?;
    let (setup, hosts) = start(&[("slow", Conduct::Silent)]).await?;
    let proxy = setup.start().await?;
    let token = signer.sign(&claims("alice", 3600))?;
    // As long as the host takes to answer, nobody is let in: whoever has waited long enough is told to come again.
    let response = proxy.get("/slow", Some(&token)).await?;
    ensure!(response.status() == 503, "{response:?}");
    ensure!(response.headers().contains_key("retry-after"), "{response:?}");
    ensure!(hosts[0].fetches() >= 1, "nobody asked for keys");
    ensure!(proxy.upstream.seen().is_empty(), "somebody got through");
    hosts[0].behave(Conduct::serves(key_set(&[&signer])?));
    ask_until(&proxy, "/slow", &token, 200).await
}

#[tokio::test]
async fn new_keys_are_taken_up_and_old_ones_given_up_whatever_the_host_says_meanwhile() -> Result<()> {
    let (old, new) = (Signer::ed25519("old")?, Signer::ed25519("new")?);
    let (setup, hosts) = start(&[("rotates", Conduct::serves(key_set(&[&old])?))]).await?;
    let proxy = setup.workers(2).start().await?;
    let (before, after) = (old.sign(&claims("alice", 3600))?, new.sign(&claims("alice", 3600))?);
    ask_until(&proxy, "/rotates", &before, 200).await?;

    // An unknown key has the keys fetched once more, once they are not quite new any longer. What is no key set then
    // replaces none.
    hosts[0].behave(Conduct::serves("{}"));
    let start = Instant::now();
    while hosts[0].fetches() < 2 {
        ensure!(proxy.get("/rotates", Some(&after)).await?.status() != 200, "a key that nobody served");
        ensure!(start.elapsed() < Duration::from_secs(60), "the keys are not fetched again");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    ensure!(proxy.get("/rotates", Some(&before)).await?.status() == 200);

    hosts[0].behave(Conduct::serves(key_set(&[&new])?));
    ask_until(&proxy, "/rotates", &after, 200).await?;
    // The other worker learns of it by its next look.
    ask_until(&proxy, "/rotates", &before, 401).await
}
