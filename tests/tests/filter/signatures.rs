//! Signatures have the same verdict, for the same reason, whether the proxy checks them or the filter.

use anyhow::{Context as _, Result, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sallyport_tests::proxy::{Proxy, Setup};
use sallyport_tests::tokens::{SECRET, Signer, claims, key_set};
use sallyport_traffic::Algorithm;
use serde_json::{Value, json};

use super::capabilities::without;

/// All that are signed by a pair of keys: those that Envoy checks, and those that it does not.
const PAIRS: [Algorithm; 7] = [
    Algorithm::Rs256,
    Algorithm::Rs384,
    Algorithm::Rs512,
    Algorithm::Ps256,
    Algorithm::Es256,
    Algorithm::Es384,
    Algorithm::EdDsa,
];

/// The function by which the proxy checks signatures.
const ASKS: &str = "proxy_call_foreign_function";

/// Whoever signs with one algorithm, and somebody else who says to be the same.
struct Issuer {
    algorithm: Algorithm,
    signer: Signer,
    other: Signer,
}

impl Issuer {
    fn all() -> Result<Vec<Self>> {
        let pairs = PAIRS.into_iter().map(|algorithm| {
            let (signer, other) = (Signer::new(algorithm, "a")?, Signer::new(algorithm, "a")?);
            Ok(Self { algorithm, signer, other })
        });
        let mut all = pairs.collect::<Result<Vec<_>>>()?;
        let other = Signer::shared("another secret, as long as that.");
        all.push(Self { algorithm: Algorithm::Hs256, signer: Signer::shared(SECRET), other });
        Ok(all)
    }

    /// What is under this path asks for a token of this issuer.
    fn path(&self) -> String {
        format!("/{}", self.algorithm.name())
    }

    fn provider(&self) -> Result<Value> {
        let keys = match self.algorithm {
            Algorithm::Hs256 => json!({"env": {"name": "SECRET", "format": "Raw"}}),
            _ => json!({ "inline": key_set(&[&self.signer])? }),
        };
        Ok(json!({
            "name": self.algorithm.name().to_lowercase(), "issuer": "https://issuer.example",
            "audiences": ["shop"], "algorithms": [self.algorithm.name()], "jwks": keys,
        }))
    }

    fn rule(&self) -> Value {
        let name = self.algorithm.name().to_lowercase();
        json!({"name": name, "match": [{"path": {"prefix": self.path()}}], "require": {"anyOf": [name]}})
    }
}

fn policy(issuers: &[Issuer]) -> Result<String> {
    let providers = issuers.iter().map(Issuer::provider).collect::<Result<Vec<_>>>()?;
    let rules: Vec<Value> = issuers.iter().map(Issuer::rule).collect();
    let spec = json!({"selector": {}, "jwt": {"providers": providers, "rules": rules}});
    let metadata = json!({"name": "api", "namespace": "shop"});
    Ok(json!({"kind": "TrafficPolicy", "metadata": metadata, "spec": spec}).to_string())
}

/// A filter that has signatures checked by these only.
fn setup(policy: &str, by: &'static str) -> Result<Setup> {
    let setup = Setup::of(policy)?.variable("SECRET", SECRET);
    Ok(setup.configured(move |configuration| configuration["verification"] = by.into()))
}

/// A token, and what is to be said of it.
struct Case {
    what: &'static str,
    path: String,
    token: String,
    reason: &'static str,
}

/// Tokens that are right, and others that somebody has made of them.
fn cases(issuer: &Issuer) -> Result<Vec<Case>> {
    let algorithm = issuer.algorithm;
    let mut cases = Vec::new();
    let mut add = |what, token: String, reason| cases.push(Case { what, path: issuer.path(), token, reason });
    let claims = claims("alice", 3600);
    let with = |name: &str, value: Value| {
        let mut claims = claims.clone();
        claims[name] = value;
        claims
    };
    let header = issuer.signer.header();
    let with_header = |name: &str, value: Value| {
        let mut header = header.clone();
        header[name] = value;
        issuer.signer.sign_as(&header, &claims)
    };
    let right = issuer.signer.sign(&claims)?;
    let input = right.rsplit_once('.').context("a signature")?.0;
    let signature = signature_of(&right)?;
    let signed = |signature: &[u8]| format!("{input}.{}", URL_SAFE_NO_PAD.encode(signature));

    add("right", right.clone(), "ok");
    add("right, and signed anew", issuer.signer.sign(&claims)?, "ok");
    add("right, by a user of many letters", issuer.signer.sign(&with("sub", "é".repeat(500).into()))?, "ok");
    add("expired", issuer.signer.sign(&with("exp", json!(1)))?, "expired");
    add("for another", issuer.signer.sign(&with("aud", json!("another")))?, "audience");
    add("of somebody else", issuer.other.sign(&claims)?, "signature");
    let others = issuer.signer.sign(&with("sub", json!("root")))?;
    add("another's signature", signed(&signature_of(&others)?), "signature");
    add("without a signature", format!("{input}."), "malformed_token");
    for name in ["none", "RS1", "HS256K", &algorithm.name().to_lowercase()] {
        add("an algorithm that is none", with_header("alg", name.into())?, "algorithm");
    }
    for other in PAIRS.into_iter().chain([Algorithm::Hs256]).filter(|other| *other != algorithm) {
        add("another's algorithm", with_header("alg", other.name().into())?, "algorithm");
    }
    if algorithm != Algorithm::Hs256 {
        add("of an unknown key", with_header("kid", json!("b"))?, "unknown_key");
    }
    add("with what must be understood", with_header("crit", json!(["x"]))?, "malformed_token");
    add("with padding", format!("{right}="), "malformed_token");
    let last = last_letter_with_other_unused_bits(&right);
    if let Some(token) = last {
        add("with bits that nobody reads", token, "malformed_token");
    }

    let length = signature.len();
    for at in [0, 1, length / 2 - 1, length / 2, length - 1] {
        for bit in [1, 0x80] {
            let mut changed = signature.clone();
            changed[at] ^= bit;
            add("a bit is another", signed(&changed), "signature");
        }
    }
    for (what, changed) in [
        ("cut at the end", signature[..length - 1].to_vec()),
        ("cut at the start", signature[1..].to_vec()),
        ("half", signature[..length / 2].to_vec()),
        ("a byte", vec![1]),
        ("longer at the end", [&signature[..], &[0]].concat()),
        ("longer at the start", [&[0], &signature[..]].concat()),
        ("twice", signature.repeat(2)),
        ("zeros", vec![0; length]),
        ("ones", vec![0xff; length]),
        ("one", [&vec![0; length - 1][..], &[1]].concat()),
        ("backwards", signature.iter().rev().copied().collect()),
    ] {
        add(what, signed(&changed), "signature");
    }
    let (first, second) = signature.split_at(length / 2);
    let zero = vec![0; length / 2];
    match algorithm {
        Algorithm::Es256 | Algorithm::Es384 => {
            let order = order(algorithm);
            add("with r = 0", signed(&[&zero, second].concat()), "signature");
            add("with s = 0", signed(&[first, &zero].concat()), "signature");
            add("with r = n", signed(&[&order, second].concat()), "signature");
            add("with s = n", signed(&[first, &order].concat()), "signature");
            add("with r and s the other way round", signed(&[second, first].concat()), "signature");
            add("as DER", signed(&der(first, second)), "signature");
            // The other of two that are right by the definition (FIPS 186-5 §6.4.2).
            add("with s as n - s", signed(&[first, &difference(&order, second)].concat()), "ok");
        }
        Algorithm::EdDsa => {
            // RFC 8032 §5.1.7: s is less than L.
            add("with s as s + L", signed(&[first, &plus_l(second)].concat()), "signature");
        }
        _ => {}
    }
    Ok(cases)
}

fn signature_of(token: &str) -> Result<Vec<u8>> {
    Ok(URL_SAFE_NO_PAD.decode(token.rsplit_once('.').context("a signature")?.1)?)
}

/// The token with another last letter of the same bytes (RFC 4648 §3.5); `None` where each letter counts whole.
fn last_letter_with_other_unused_bits(token: &str) -> Option<String> {
    const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let signature = token.rsplit_once('.')?.1;
    if signature.len() % 4 == 0 {
        return None;
    }
    let (rest, last) = token.as_bytes().split_last().map(|(last, rest)| (rest, *last))?;
    let at = LETTERS.iter().position(|letter| *letter == last)?;
    let other = *LETTERS.get(at ^ 1)?;
    String::from_utf8([rest, &[other]].concat()).ok()
}

/// The order of a curve's group (SP 800-186 §3.2.1).
fn order(algorithm: Algorithm) -> Vec<u8> {
    let digits = match algorithm {
        Algorithm::Es256 => "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551",
        _ => {
            "ffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196accc52973"
        }
    };
    (0..digits.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&digits[at..at + 2], 16).expect("digits"))
        .collect()
}

/// Of two numbers in network order, the first being larger.
fn difference(from: &[u8], number: &[u8]) -> Vec<u8> {
    let mut borrow = 0;
    let bytes = from.iter().zip(number).rev().map(|(from, byte)| {
        let left = i16::from(*from) - i16::from(*byte) - borrow;
        borrow = i16::from(left < 0);
        left.rem_euclid(256) as u8
    });
    let mut bytes: Vec<u8> = bytes.collect();
    bytes.reverse();
    bytes
}

/// A number, its least byte first, and the order of Ed25519's group (RFC 8032 §5.1).
fn plus_l(number: &[u8]) -> Vec<u8> {
    let mut l = [0; 32];
    let low = 27_742_317_777_372_353_535_851_937_790_883_648_493_u128.to_le_bytes();
    l[..16].copy_from_slice(&low);
    l[31] = 0x10;
    let mut carry = 0;
    let bytes = number.iter().zip(l).map(|(byte, l)| {
        let sum = u16::from(*byte) + u16::from(l) + carry;
        carry = sum >> 8;
        sum as u8
    });
    bytes.collect()
}

/// ECDSA-Sig-Value (RFC 3279 §2.2.3), as everybody but JOSE writes it.
fn der(r: &[u8], s: &[u8]) -> Vec<u8> {
    let integer = |number: &[u8]| {
        let bytes: Vec<u8> = number.iter().copied().skip_while(|byte| *byte == 0).collect();
        let sign = if bytes.first().is_some_and(|byte| *byte >= 0x80) { &[0][..] } else { &[] };
        [&[2, (sign.len() + bytes.len()) as u8], sign, &bytes[..]].concat()
    };
    let both = [integer(r), integer(s)].concat();
    [&[0x30, both.len() as u8], &both[..]].concat()
}

/// What clients are told of each token, and what is logged of it.
async fn verdicts(proxy: &Proxy, cases: &[Case]) -> Result<Vec<(u16, Option<String>, String)>> {
    let mut told = Vec::new();
    for case in cases {
        let response = proxy.get(&case.path, Some(&case.token)).await?;
        let challenge = response.headers().get("www-authenticate");
        let challenge = challenge.map(|value| value.to_str().map(str::to_owned)).transpose()?;
        told.push((response.status().as_u16(), challenge));
    }
    let lines = proxy.logged(cases.len()).await?;
    let verdicts = told.into_iter().zip(lines).map(|((status, challenge), line)| {
        let decision = line["decision"].as_str().context("no decision")?;
        Ok((status, challenge, decision.to_owned()))
    });
    verdicts.collect()
}

#[tokio::test]
async fn tokens_have_the_same_verdict_whoever_checks_their_signatures() -> Result<()> {
    let issuers = Issuer::all()?;
    let policy = policy(&issuers)?;
    let by_proxy = setup(&policy, "Host")?.start().await?;
    // One that can't ask the proxy.
    let by_filter = setup(&policy, "Wasm")?.edited(without(ASKS)?).start().await?;
    let cases: Vec<Case> =
        issuers.iter().map(cases).collect::<Result<Vec<_>>>()?.into_iter().flatten().collect();
    let (of_proxy, of_filter) = tokio::try_join!(verdicts(&by_proxy, &cases), verdicts(&by_filter, &cases))?;
    for ((case, of_proxy), of_filter) in cases.iter().zip(of_proxy).zip(of_filter) {
        let Case { what, path, token, reason } = case;
        ensure!(of_proxy == of_filter, "{path}, {what}: {of_proxy:?}, and {of_filter:?}\n{token}");
        let (verdict, wanted) = if *reason == "ok" { ("allowed", 200) } else { ("denied", 401) };
        let told = format!("verdict={verdict} reason={reason} ");
        ensure!(
            of_proxy.0 == wanted && of_proxy.2.starts_with(&told),
            "{path}, {what}: {of_proxy:?}\n{token}"
        );
    }
    for proxy in [by_proxy, by_filter] {
        let output = proxy.envoy.output();
        ensure!(!output.contains("[critical]") && !output.contains("[error]"), "{output}");
    }
    Ok(())
}

#[tokio::test]
async fn a_proxy_that_can_not_check_signatures_is_told_so_and_not_trusted() -> Result<()> {
    let issuers = Issuer::all()?;
    let policy = policy(&issuers)?;
    let refused = setup(&policy, "Host")?.edited(without(ASKS)?).validate();
    let said = refused.err().context("it was taken")?.to_string();
    ensure!(said.contains("this proxy can't check signatures itself"), "{said}");
    let auto = setup(&policy, "Auto")?.edited(without(ASKS)?).start().await?;
    for issuer in &issuers {
        for (signer, status) in [(&issuer.signer, 200), (&issuer.other, 401)] {
            let token = signer.sign(&claims("alice", 3600))?;
            let response = auto.get(&issuer.path(), Some(&token)).await?;
            ensure!(response.status() == status, "{}: {response:?}", issuer.path());
        }
    }
    Ok(())
}
