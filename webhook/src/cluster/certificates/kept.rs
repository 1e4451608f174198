//! What the Secret holds.

use std::collections::BTreeMap;

use anyhow::{Context as _, bail, ensure};
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;

use super::issue;
use super::plan::{Asked, Held, Lifetimes, Next, Retired, Step};
use crate::server::PemPair as Pair;

/// What the Secret holds.
#[derive(Clone, Debug)]
pub(super) struct Kept {
    /// What is served, made by `authority`.
    pub(super) served: Pair,
    authority: Pair,
    /// The authority that follows, and since when it has been known to be published.
    next: Option<(Pair, Option<i64>)>,
    /// The certificates of authorities before, and since when each has signed nothing.
    retired: Vec<(String, i64)>,
}

/// The keys of the Secret's data. Those of what is served are the usual ones.
mod field {
    pub(super) const BUNDLE: &str = "ca.crt";
    pub(super) const CERTIFICATE: &str = "tls.crt";
    pub(super) const KEY: &str = "tls.key";
    pub(super) const AUTHORITY: &str = "authority.crt";
    pub(super) const AUTHORITY_KEY: &str = "authority.key";
    pub(super) const NEXT: &str = "next.crt";
    pub(super) const NEXT_KEY: &str = "next.key";
    pub(super) const NEXT_PUBLISHED: &str = "next.published";
    pub(super) const RETIRED: &str = "retired.crt";
    pub(super) const RETIRED_SINCE: &str = "retired.since";
}

impl Kept {
    /// What a Secret holds.
    ///
    /// # Errors
    /// A part is missing, or is not what it should be.
    pub(super) fn read(secret: &Secret) -> anyhow::Result<Self> {
        let data = secret.data.as_ref().context("it is empty")?;
        let text = |name: &str| {
            let bytes = data.get(name)?;
            str::from_utf8(&bytes.0).ok().map(str::to_owned)
        };
        let needed = |name: &str| text(name).with_context(|| format!("{name} is missing"));
        let number = |name: &str| text(name)?.parse::<i64>().ok();
        let kept = Self {
            served: Pair { certificate: needed(field::CERTIFICATE)?, key: needed(field::KEY)? },
            authority: Pair { certificate: needed(field::AUTHORITY)?, key: needed(field::AUTHORITY_KEY)? },
            next: match (text(field::NEXT), text(field::NEXT_KEY)) {
                (Some(certificate), Some(key)) => {
                    Some((Pair { certificate, key }, number(field::NEXT_PUBLISHED)))
                }
                _ => None,
            },
            retired: retired(text(field::RETIRED), text(field::RETIRED_SINCE)),
        };
        let next = kept.next.iter().map(|(pair, _)| pair);
        for pair in [&kept.served, &kept.authority].into_iter().chain(next) {
            ensure!(issue::belong_together(pair)?, "a certificate has another key than the one beside it");
        }
        Ok(kept)
    }

    pub(super) fn data(&self) -> BTreeMap<String, ByteString> {
        let number = |number: &i64| number.to_string();
        let next = self.next.as_ref();
        let is_any = !self.retired.is_empty();
        let since: Vec<String> = self.retired.iter().map(|(_, since)| number(since)).collect();
        let fields = [
            (field::BUNDLE, Some(self.bundle())),
            (field::CERTIFICATE, Some(self.served.certificate.clone())),
            (field::KEY, Some(self.served.key.clone())),
            (field::AUTHORITY, Some(self.authority.certificate.clone())),
            (field::AUTHORITY_KEY, Some(self.authority.key.clone())),
            (field::NEXT, next.map(|(pair, _)| pair.certificate.clone())),
            (field::NEXT_KEY, next.map(|(pair, _)| pair.key.clone())),
            (field::NEXT_PUBLISHED, next.and_then(|(_, published)| published.as_ref().map(number))),
            (field::RETIRED, is_any.then(|| self.retired.iter().map(|(one, _)| one.as_str()).collect())),
            (field::RETIRED_SINCE, is_any.then(|| since.join(" "))),
        ];
        let there = fields.into_iter().filter_map(|(name, text)| Some((name.to_owned(), text?)));
        there.map(|(name, text)| (name, ByteString(text.into_bytes()))).collect()
    }

    /// The authorities to trust, in PEM.
    pub(super) fn bundle(&self) -> String {
        let next = self.next.iter().map(|(pair, _)| pair.certificate.as_str());
        let retired = self.retired.iter().map(|(certificate, _)| certificate.as_str());
        [self.authority.certificate.as_str()].into_iter().chain(next).chain(retired).collect()
    }

    /// Notes that the next authority is published, where it is, and was not known to be.
    pub(super) fn note_publication(&mut self, published: Option<&str>, now: i64) {
        if let (Some((next, since @ None)), Some(published)) = (&mut self.next, published)
            && published.contains(&next.certificate)
        {
            *since = Some(now);
        }
    }

    /// What the plan needs to know.
    pub(super) fn held(&self, names: &[String], asked: Option<Asked>) -> anyhow::Result<Held> {
        let next = self.next.as_ref().map(|(pair, published)| {
            issue::validity(&pair.certificate).map(|validity| Next { validity, published: *published })
        });
        let retired = self.retired.iter().map(|(certificate, since)| {
            issue::validity(certificate).map(|v| Retired { not_after: v.not_after, since: *since })
        });
        Ok(Held {
            signing: issue::validity(&self.authority.certificate)?,
            next: next.transpose()?,
            retired: retired.collect::<anyhow::Result<_>>()?,
            certificate: issue::validity(&self.served.certificate)?,
            is_named: issue::names(&self.served.certificate)? == names.iter().cloned().collect(),
            asked,
        })
    }

    /// What is kept after a step.
    pub(super) fn after(
        step: Step,
        kept: Option<Self>,
        names: &[String],
        lifetimes: Lifetimes,
        now: i64,
    ) -> anyhow::Result<Self> {
        let certificate = |authority: &Pair| issue::certificate(authority, names, lifetimes.certificate, now);
        match (step, kept) {
            (Step::MakeAll, _) | (_, None) => {
                let authority = issue::authority(lifetimes.authority, now)?;
                Ok(Self { served: certificate(&authority)?, authority, next: None, retired: Vec::new() })
            }
            (Step::Renew, Some(kept)) => Ok(Self { served: certificate(&kept.authority)?, ..kept }),
            (Step::MakeNext, Some(kept)) => {
                Ok(Self { next: Some((issue::authority(lifetimes.authority, now)?, None)), ..kept })
            }
            (Step::Promote, Some(Self { authority, next: Some((next, _)), mut retired, .. })) => {
                retired.push((authority.certificate, now));
                Ok(Self { served: certificate(&next)?, authority: next, next: None, retired })
            }
            (Step::Promote, Some(_)) => bail!("there is no authority to follow"),
            (Step::Forget, Some(mut kept)) => {
                kept.retired.retain(|(certificate, since)| {
                    let validity = issue::validity(certificate);
                    validity.is_ok_and(|validity| {
                        Retired { not_after: validity.not_after, since: *since }.ends(lifetimes) > now
                    })
                });
                Ok(kept)
            }
            (Step::Wait(_), Some(kept)) => Ok(kept),
        }
    }
}

/// The certificates of a text, each with the number at its place in another.
fn retired(certificates: Option<String>, since: Option<String>) -> Vec<(String, i64)> {
    const END: &str = "-----END CERTIFICATE-----\n";
    let (certificates, since) = (certificates.unwrap_or_default(), since.unwrap_or_default());
    let since = since.split(' ').filter_map(|since| since.parse().ok());
    certificates.split_inclusive(END).map(str::to_owned).zip(since).collect()
}
