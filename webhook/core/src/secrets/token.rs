//! Tokens that their issuers have made recognisable.

/// How a token begins, how long at least what follows is and of what, and what it is.
pub(super) type Token = (&'static str, usize, Of, &'static str);

/// What a token is made of, as a class of a regular expression.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Of {
    Alphanumeric,
    Hexadecimal,
    /// The alphabet of base64url (RFC 4648 section 5).
    UrlSafe,
    Dotted,
}

impl Of {
    pub(super) fn class(self) -> &'static str {
        match self {
            Self::Alphanumeric => "[A-Za-z0-9]",
            Self::Hexadecimal => "[0-9a-f]",
            Self::UrlSafe => "[A-Za-z0-9_-]",
            Self::Dotted => "[A-Za-z0-9_.-]",
        }
    }
}

use Of::{Alphanumeric, Dotted, Hexadecimal, UrlSafe};

/// All of them.
pub(super) const TOKENS: [Token; 48] = [
    ("ghp_", 36, Alphanumeric, "a GitHub token"),
    ("gho_", 36, Alphanumeric, "a GitHub token"),
    ("ghu_", 36, Alphanumeric, "a GitHub token"),
    ("ghs_", 36, Alphanumeric, "a GitHub token"),
    ("ghr_", 36, Alphanumeric, "a GitHub token"),
    ("github_pat_", 36, UrlSafe, "a GitHub token"),
    ("glpat-", 20, Dotted, "a GitLab token"),
    ("gldt-", 20, Dotted, "a GitLab token"),
    ("glrt-", 20, Dotted, "a GitLab token"),
    ("glcbt-", 20, Dotted, "a GitLab token"),
    ("glptt-", 20, Dotted, "a GitLab token"),
    ("glsoat-", 20, Dotted, "a GitLab token"),
    ("glagent-", 20, Dotted, "a GitLab token"),
    ("xoxb-", 20, UrlSafe, "a Slack token"),
    ("xoxa-", 20, UrlSafe, "a Slack token"),
    ("xoxe-", 20, UrlSafe, "a Slack token"),
    ("xoxe.", 20, Dotted, "a Slack token"),
    ("xoxo-", 20, UrlSafe, "a Slack token"),
    ("xoxp-", 20, UrlSafe, "a Slack token"),
    ("xoxr-", 20, UrlSafe, "a Slack token"),
    ("xoxs-", 20, UrlSafe, "a Slack token"),
    ("xapp-", 20, UrlSafe, "a Slack token"),
    ("sk_live_", 16, Alphanumeric, "a Stripe key"),
    ("sk_test_", 16, Alphanumeric, "a Stripe key"),
    ("rk_live_", 16, Alphanumeric, "a Stripe key"),
    ("rk_test_", 16, Alphanumeric, "a Stripe key"),
    ("whsec_", 24, Alphanumeric, "a Stripe key"),
    ("AIza", 35, UrlSafe, "a Google API key"),
    ("GOCSPX-", 24, UrlSafe, "a Google client secret"),
    ("ya29.", 30, Dotted, "a Google token"),
    ("npm_", 36, Alphanumeric, "an npm token"),
    ("pypi-", 50, UrlSafe, "a PyPI token"),
    ("dckr_pat_", 20, UrlSafe, "a Docker token"),
    ("dckr_oat_", 20, UrlSafe, "a Docker token"),
    ("hvs.", 24, UrlSafe, "a Vault token"),
    ("hvb.", 24, UrlSafe, "a Vault token"),
    ("SG.", 60, Dotted, "a SendGrid key"),
    ("sk-proj-", 20, UrlSafe, "an API key"),
    ("sk-svcacct-", 20, UrlSafe, "an API key"),
    ("sk-ant-", 20, UrlSafe, "an API key"),
    ("sk-", 40, Alphanumeric, "an API key"),
    ("hf_", 34, Alphanumeric, "a Hugging Face token"),
    ("dop_v1_", 64, Hexadecimal, "a DigitalOcean token"),
    ("SK", 32, Hexadecimal, "a Twilio key"),
    ("shpat_", 32, Hexadecimal, "a Shopify token"),
    ("shpss_", 32, Hexadecimal, "a Shopify token"),
    ("dapi", 32, Hexadecimal, "a Databricks token"),
    ("glsa_", 32, UrlSafe, "a Grafana token"),
];

/// How much of a token is enough to leave it out, where its beginning can hardly be anything else.
pub(super) const ENOUGH: usize = 16;
