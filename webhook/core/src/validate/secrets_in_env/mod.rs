//! Secrets that stand literally in a container's environment.
//!
//! Whoever may read the pod may read them, and so may every backup, audit log and `kubectl describe`. A value is taken
//! for a secret by the name that it goes by, or by its own shape. It is never repeated.

mod name;
mod reference;

use std::fmt;

use sallyport_policy::{Diagnostics, FieldPath};
use serde_json::Value;

use super::shape::{ElementAt, FieldAt, list_in, wrong_type};
use super::{Report, Rule, Subject};
use crate::object::Container;
use crate::resources::Forbidden;
use crate::secrets::shape;

/// The rule, compiled.
#[derive(Debug)]
pub(crate) struct SecretsInEnv;

impl SecretsInEnv {
    pub(crate) fn compile(rule: &Forbidden, _path: &FieldPath, _found: &mut Diagnostics) -> Self {
        match rule {
            Forbidden::Forbidden => Self,
        }
    }
}

const WANTED: &str = "wanted a reference, such as valueFrom.secretKeyRef";

impl Rule for SecretsInEnv {
    fn heeds_containers(&self) -> bool {
        true
    }

    fn judge(&self, subject: &Subject<'_>, report: &mut Report) {
        if subject.readable_pod(report).is_some() {
            for container in subject.containers() {
                judge(&container, report);
            }
        }
    }
}

fn judge(container: &Container<'_>, report: &mut Report) {
    let env = FieldAt(&container.path, "env");
    for (i, variable) in list_in(container.fields, &container.path, "env", report).iter().enumerate() {
        let Some(variable) = variable.as_object() else {
            wrong_type(ElementAt(&env, &i), variable, "an object", report);
            continue;
        };
        let name = match variable.get("name") {
            Some(Value::String(name)) => name.as_str(),
            None | Some(Value::Null) => "",
            Some(other) => {
                let at = ElementAt(&env, &i);
                wrong_type(FieldAt(&at, "name"), other, "a text", report);
                ""
            }
        };
        let place: &dyn fmt::Display = if name.is_empty() { &i } else { &name };
        let at = ElementAt(&env, place);
        let at = FieldAt(&at, "value");
        match variable.get("value") {
            None | Some(Value::Null) => {}
            Some(Value::String(value)) => {
                if let Some(secret) = secret(name, value) {
                    report.violation(at, format!("found {secret}; {WANTED}"));
                }
            }
            Some(other) => wrong_type(at, other, "a text", report),
        }
    }
}

/// Why a value is a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Secret {
    why: Why,
    /// In characters.
    length: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Why {
    /// It has the shape of this.
    Shape(&'static str),
    /// Its name says so.
    Name,
}

/// Whether this value, under this name, is a secret.
fn secret(name: &str, value: &str) -> Option<Secret> {
    if value.is_empty() {
        return None;
    }
    let by_name = || {
        let strength = name::strength(name)?;
        (!reference::is_no_secret(value) && strength.suits(value)).then_some(Why::Name)
    };
    let why = shape(value).map(Why::Shape).or_else(by_name)?;
    Some(Secret { why, length: value.chars().count() })
}

/// Its kind and its length, and nothing more.
impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { why, length } = self;
        let characters = if *length == 1 { "character" } else { "characters" };
        match why {
            Why::Shape(shape) => write!(f, "{shape} in a literal value of {length} {characters}"),
            Why::Name => write!(f, "a literal value of {length} {characters} under the name of a secret"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(variables: &[&str], want: fn(Option<Secret>) -> bool) {
        for variable in variables {
            let (name, value) = variable.split_once('=').expect("NAME=value");
            let found = secret(name, value);
            assert!(want(found), "{name}: {found:?} of {value}");
        }
    }

    #[test]
    fn a_name_makes_a_literal_value_a_secret() {
        check(
            &[
                "PASSWORD=hunter2",
                "DB_PASSWORD=hunter2",
                "DB_PASS=hunter2",
                "dbPassword=hunter2",
                "DBPassword=hunter2",
                "db-password=hunter2",
                "spring.datasource.password=hunter2",
                "PGPASSWORD=hunter2",
                "MYSQL_PWD=hunter2",
                "MYSQL_ROOT_PASSWORD=123456",
                "REDIS_PASSWD=x",
                "SSH_PASSPHRASE=correct horse battery staple",
                "TOKEN=abcdef",
                "GITHUB_TOKEN=abcdef",
                "AUTH_TOKENS=a,b",
                "accessToken=abcdef",
                "CLIENT_SECRET=abcdef",
                "JWT_SECRET_KEY=YOUR_256_BIT_SECRET",
                "SECRET_KEY_BASE=abcdef",
                "APP_SECRETS=a b",
                "PASSWORD_2=hunter2",
                "PASSWORD2=hunter2",
                "API_KEY=abcdef",
                "APIKEY=abcdef",
                "apiKey=abcdef",
                "X-API-Key=abcdef",
                "PRIVATE_KEY=abcdef",
                "AWS_SECRET_ACCESS_KEY=abcdef",
                "MINIO_ACCESS_KEY=abcdef",
                "DB_CREDENTIALS=user:abcdef",
                "SMTP_CREDS=user:abcdef",
                "ENCRYPTION_KEY=9f86d081884c7d659a2feaa0c55ad015",
                "SESSION_KEY=kq3v9PzX2mW7sLtR",
                "VAULT_SECRET_ID=6d6a3f2e-7d9c-4f43-9f43-0c4f6f5d6a77",
                "DB_PASSWORD=prefix-of-mine-$(SUFFIX)",
                "DB_PASSWORD=$$(NOT_A_REFERENCE)",
                "BASE64_PASSWORD=aHVudGVyMg==",
            ],
            |found| found.is_some_and(|secret| secret.why == Why::Name),
        );
    }

    #[test]
    fn a_name_that_points_to_a_secret_or_describes_one_does_not() {
        check(
            &[
                "PASSWORD=",
                "DB_PASSWORD=$(FROM_ELSEWHERE)",
                "AUTH_TOKEN=Bearer $(FROM_ELSEWHERE)",
                "DB_PASSWORD_FILE=/run/secrets/db",
                "DB_PASSWORD=/run/secrets/db",
                "GOOGLE_APPLICATION_CREDENTIALS=/var/secrets/google/key.json",
                "TOKEN_PATH=/var/run/token",
                "SECRET_NAME=api-credentials",
                "SECRETS_DIR=/etc/secrets",
                "IMAGE_PULL_SECRET=regcred",
                "TLS_SECRET=api-tls",
                "TOKEN_URL=https://auth.example.com/token",
                "tokenEndpoint=https://auth.example.com/token",
                "TOKEN_TTL=3600",
                "TOKEN_TTL_SECONDS=3600",
                "TOKEN_EXPIRY=1h",
                "PASSWORD_MIN_LENGTH=12",
                "PASSWORD_POLICY=strict",
                "MAX_TOKENS=4096",
                "TOKENS=4096",
                "AUTH_TOKEN_ENABLED=true",
                "ALLOW_EMPTY_PASSWORD=yes",
                "REQUIRE_PASSWORD=true",
                "CSRF_TOKEN=enabled",
                "API_KEY_ID=17",
                "API_KEY_HEADER=X-API-Key",
                "AWS_ACCESS_KEY_ID=from-the-pod-s-role",
                "JWT_PUBLIC_KEY=MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE",
                "NEXT_PUBLIC_API_KEY=abcdef",
                "STRIPE_PUBLISHABLE_KEY=pk_live_abcdefghijklmnop",
                "TOKENIZER_MODEL=bert-base-uncased",
                "PASSWORDLESS_LOGIN=email",
                "COMPASS=north",
                "BYPASS=10.0.0.0/8",
                "PASS_THROUGH=all",
                "SECRETARY=ann",
                "KEYBOARD=qwerty",
                "PWD=/srv/app",
                "OLDPWD=/srv",
                "PARTITION_KEY=customer-id",
                "CACHE_KEY=sessions",
                "SESSION_KEY=session",
                "SSH_KEY=id",
                "SECRET_ID=projects/shop/secrets/db",
                "DB_PASSWORD=vault:secret/data/db#password",
                "DB_PASSWORD=arn:aws:secretsmanager:eu-west-1:123456789012:secret:db-AbCdEf",
                "DB_PASSWORD=op://shop/db/password",
                "PASSWORD_RESET_TEMPLATE=reset.html",
                "PASSWORD_HASH_ALGORITHM=argon2id",
                "KEY=value",
                "LOG_LEVEL=debug",
            ],
            |found| found.is_none(),
        );
    }

    const LETTERS: &str = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";

    #[test]
    fn a_value_of_the_shape_of_a_secret_is_one_by_whatever_name() {
        let of = |prefix: &str, length: usize| {
            let body: String = LETTERS.chars().cycle().skip(7).step_by(5).take(length).collect();
            format!("{prefix}{body}")
        };
        for (value, want) in [
            ("-----BEGIN PRIVATE KEY-----\nMIIE\n-----END PRIVATE KEY-----".to_owned(), "a private key"),
            ("-----BEGIN OPENSSH PRIVATE KEY-----\\nb3Bl".to_owned(), "a private key"),
            ("{\"private_key\":\"-----BEGIN RSA PRIVATE KEY-----\\nMIIE\"}".to_owned(), "a private key"),
            ("-----BEGIN PGP PRIVATE KEY BLOCK-----".to_owned(), "a private key"),
            ("LS0tLS1CRUdJTiBSU0EgUFJJVkFURSBLRVktLS0tLQo=".to_owned(), "a private key"),
            (of("AGE-SECRET-KEY-1", 58).to_uppercase(), "a private key"),
            ("AKIAIOSFODNN7ABCDEFG".to_owned(), "an AWS access key id"),
            ("id=ASIAIOSFODNN7ABCDEFG;".to_owned(), "an AWS access key id"),
            ("wJalrXUtnFEMI/K7MDENG/bPxRfiCYabcdefgh12".to_owned(), "an AWS secret access key"),
            (of("ghp_", 36), "a GitHub token"),
            (of("ghs_", 36), "a GitHub token"),
            (format!("https://{}@github.com/shop/api", of("gho_", 36)), "a GitHub token"),
            (of("github_pat_", 82), "a GitHub token"),
            (of("glpat-", 20), "a GitLab token"),
            (of("glrt-", 20), "a GitLab token"),
            (of("xoxb-", 40), "a Slack token"),
            (of("xapp-1-", 40), "a Slack token"),
            (of("https://hooks.slack.com/services/T0AAAAAAA/B0AAAAAAA/", 24), "a Slack webhook"),
            (of("sk_live_", 24), "a Stripe key"),
            (of("rk_test_", 24), "a Stripe key"),
            (of("whsec_", 32), "a Stripe key"),
            (of("AIza", 35), "a Google API key"),
            (of("GOCSPX-", 28), "a Google client secret"),
            (of("ya29.", 60), "a Google token"),
            (of("npm_", 36), "an npm token"),
            (of("pypi-", 60), "a PyPI token"),
            (of("dckr_pat_", 27), "a Docker token"),
            (of("hvs.", 24), "a Vault token"),
            (format!("{}.{}", of("SG.", 22), of("", 43)), "a SendGrid key"),
            (of("sk-proj-", 40), "an API key"),
            (of("sk-ant-api03-", 40), "an API key"),
            (of("hf_", 34), "a Hugging Face token"),
            (format!("dop_v1_{}", "0123456789abcdef".repeat(4)), "a DigitalOcean token"),
            (format!("SK{}", "0123456789abcdef".repeat(2)), "a Twilio key"),
            (format!("shpat_{}", "0123456789abcdef".repeat(2)), "a Shopify token"),
            (of("glsa_", 41), "a Grafana token"),
            (
                "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U".to_owned(),
                "a JSON Web Token",
            ),
            (
                "Bearer eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0T"
                    .to_owned(),
                "a JSON Web Token",
            ),
            ("postgres://app:hunter2@db:5432/shop".to_owned(), "a password in a URL"),
            ("redis://:hunter2@cache:6379".to_owned(), "a password in a URL"),
            ("amqps://guest:guest@mq".to_owned(), "a password in a URL"),
            ("mongodb://a:p%40ss@one,two/db?w=1".to_owned(), "a password in a URL"),
            ("http://x/y https://a:b@c".to_owned(), "a password in a URL"),
            ("shop:hunter2@tcp(db:3306)/shop".to_owned(), "a password in a data source name"),
            ("host=db user=app password=hunter2".to_owned(), "a password in a connection string"),
            ("Server=db;User Id=app;Pwd=hunter2;".to_owned(), "a password in a connection string"),
            ("jdbc:mysql://db/shop?user=a&password=hunter2".to_owned(), "a password in a connection string"),
            (
                "DefaultEndpointsProtocol=https;AccountName=a;AccountKey=abcdef==".to_owned(),
                "a password in a connection string",
            ),
            ("-Dspring.datasource.password=hunter2 -Xmx1g".to_owned(), "a password in a connection string"),
            ("4111111111111111".to_owned(), "a card number"),
            ("4111 1111 1111 1111".to_owned(), "a card number"),
            ("card 5500-0000-0000-0004 of a test".to_owned(), "a card number"),
            ("378282246310005".to_owned(), "a card number"),
            ("3782 822463 10005".to_owned(), "a card number"),
            ("30569309025904".to_owned(), "a card number"),
            ("4222222222222".to_owned(), "a card number"),
            ("6011111111111117".to_owned(), "a card number"),
            ("2223003122003222".to_owned(), "a card number"),
            ("4111 1111 1111 1111 12/27".to_owned(), "a card number"),
            ("4111 1111 1111 1111 123".to_owned(), "a card number"),
            ("PAN 4111111111111111.".to_owned(), "a card number"),
            ("4111111111111111, next".to_owned(), "a card number"),
            ("4111.1111.1111.1111".to_owned(), "a card number"),
            ("4111_1111_1111_1111".to_owned(), "a card number"),
            ("4111\t1111\t1111\t1111".to_owned(), "a card number"),
            ("4111\u{a0}1111\u{a0}1111\u{a0}1111".to_owned(), "a card number"),
            ("4111  1111  1111  1111".to_owned(), "a card number"),
            ("4111111111111111\\n".to_owned(), "a card number"),
            ("4111111111111111/1227".to_owned(), "a card number"),
            ("4111111111111111+1227".to_owned(), "a card number"),
            ("%B4111111111111111^DOE/J^2512".to_owned(), "a card number"),
            ("B4111111111111111^DOE/J^2512".to_owned(), "a card number"),
            (";4111111111111111=25121010000".to_owned(), "a card number"),
            ("2026-01-01 4111111111111111".to_owned(), "a card number"),
            ("2200000000000004".to_owned(), "a card number"),
            ("LS0tLS1CRUdJTiBQR1AgUFJJVkFURSBLRVkgQkxPQ0stLS0tLQ==".to_owned(), "a private key"),
            ("postgres://u:${P}real@h/d".to_owned(), "a password in a URL"),
            ("postgres://u:$(P)real@h/d".to_owned(), "a password in a URL"),
            ("password=${P}real".to_owned(), "a password in a connection string"),
            ("password=\"hunter two\"".to_owned(), "a password in a connection string"),
            ("{\"password\":\"hunter2\"}".to_owned(), "a password in a connection string"),
            ("user: a\npassword: hunter2\n".to_owned(), "a password in a connection string"),
            ("Authorization: Bearer 0123456789abcdefghij".to_owned(), "a bearer token"),
            ("Basic dXNlcjpwYXNzd29yZDE=".to_owned(), "basic credentials"),
            ("postgres://app:aB3/xYz+9kQ@db/orders".to_owned(), "a password in a URL"),
            ("redis://:hun/ter2secret@h:6379/0".to_owned(), "a password in a URL"),
            ("postgres://a:p@ss/word@h/x".to_owned(), "a password in a URL"),
            ("smtp://me@example.com:hunter2@mail".to_owned(), "a password in a URL"),
            ("--user app --password hunter2hunter".to_owned(), "a password in a command line"),
            ("[\"--password\", \"hunter2\"]".to_owned(), "a password in a command line"),
            ("curl -s -u bob:hunter2 https://x".to_owned(), "a password in a command line"),
            ("x?password%3Dhunter2".to_owned(), "a password in a connection string"),
            ("password:hunter2".to_owned(), "a password in a connection string"),
            ("pass=hunter2secret".to_owned(), "a password in a connection string"),
            ("api-key: abcdefghijk1".to_owned(), "a password in a connection string"),
            (
                "eyJhbGciOiJIUzI1NiJ9%2EeyJzdWIiOiIxIn0%2EdozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U"
                    .to_owned(),
                "a JSON Web Token",
            ),
            ("-----BEGIN\u{a0}PRIVATE KEY-----MII".to_owned(), "a private key"),
            ("4111+1111+1111+1111".to_owned(), "a card number"),
            ("4111&nbsp;1111<br>1111%201111".to_owned(), "a card number"),
            ("[4,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1]".to_owned(), "a card number"),
            ("๔๑๑๑๑๑๑๑๑๑๑๑๑๑๑๑".to_owned(), "a card number"),
            ("④①①①①①①①①①①①①①①①".to_owned(), "a card number"),
        ] {
            let found = secret("SETTING", &value);
            assert_eq!(found.map(|secret| secret.why), Some(Why::Shape(want)), "{value}");
        }
    }

    #[test]
    fn what_is_only_long_or_numeric_is_none() {
        for value in [
            "true",
            "8080",
            "https://api.example.com/v1?x=1@2:3",
            "https://user@example.com/path:1@2",
            "postgres://app@db:5432/shop",
            "http://api:8080/users/@me",
            "http://api:$(PORT)/users/@me",
            "npm://registry:4873/@shop/api@1.2.3",
            "--password-file /run/secrets/db --password $(DB_PASSWORD)",
            "--password --verbose",
            "curl -u $(USER):$(PASSWORD) https://x",
            "grant_type:password:refresh",
            "pass=all",
            "api-key: required",
            "5432,6379,8080,9092",
            "+4111111111111111",
            "postgres://app:$(DB_PASSWORD)@db:5432/shop",
            "postgres://app:${DB_PASSWORD}@db:5432/shop",
            "postgres://app:@db/shop",
            "postgres://app:$(DB_USER)${DB_PASSWORD}@db/shop",
            "{\"password\":\"$(DB_PASSWORD)\"}",
            "{\"password\": null, \"passwordRequired\": true}",
            "password: ${DB_PASSWORD}",
            "Password: required",
            "bearer authentication-required",
            "Basic authentication",
            "host=db user=app password=$(DB_PASSWORD)",
            "host=db user=app sslmode=require",
            "user=app;password=;",
            "forgot-password=/reset",
            "git@github.com:shop/api.git",
            "me@example.com",
            "app:1.2@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
            "0123456789abcdef0123456789abcdef01234567",
            "da39a3ee5e6b4b0d3255bfef95601890afd80709",
            "6d6a3f2e-7d9c-4f43-9f43-0c4f6f5d6a77",
            "com.example.shop.configuration.Settings12",
            "/opt/Application/Config/Settings/v1/main",
            "1700000000000",
            "1732165200000",
            "4111111111111112",
            "411111111111111",
            "9007199254740993",
            "0000000000000000",
            "3.4111111111111111",
            "4111111111111111.5",
            "x4111111111111111",
            "4 8 15 16 23 42 1",
            "+49 30 123456789",
            "2026-11-21T05:28:00Z",
            "10.0.0.0/8,192.168.0.0/16",
            "-----BEGIN CERTIFICATE-----\nMIIE\n-----END CERTIFICATE-----",
            "-----BEGIN PUBLIC KEY-----\nMIIE\n-----END PUBLIC KEY-----",
            "LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0tCg==",
            "ghp_",
            "ghp_short",
            "xoxo-hugs",
            "sk-learn",
            "hf_transfer",
            "npm_config",
            "SG.1",
            "eyJ",
            "a.b.c",
            "eyJhbGciOiJIUzI1NiJ9",
            "AKIA",
            "TEXTAKIAIOSFODNN7ABCDEFG",
            "pk_live_abcdefghijklmnopqrstuvwx",
            "café à la carte",
            "*",
            "://",
            "@",
            ":@",
            "://:@",
        ] {
            assert_eq!(secret("SETTING", value), None, "{value}");
        }
    }

    #[test]
    fn the_value_is_not_repeated() {
        let value = "postgres://app:hunter2@db:5432/shop";
        let shown = secret("URL", value).expect("a secret").to_string();
        assert_eq!(shown, "a password in a URL in a literal value of 35 characters");
        assert_eq!(
            secret("DB_PASSWORD", "é").expect("a secret").to_string(),
            "a literal value of 1 character under the name of a secret"
        );
    }
}
