//! The claims that every token is asked for: who issued it, for whom, and how long it is good (RFC 7519 §4.1).

use thiserror::Error;

use crate::Provider;
use crate::host::WallClock;
use crate::jose::json::Number;
use crate::jose::{Json, NumericDate};

/// Why a token is refused, whoever signed it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Error)]
pub enum ClaimError {
    /// `iss` is absent, or another's.
    #[error("the token is of another issuer")]
    Issuer,
    /// `aud` names none of ours.
    #[error("the token is for another audience")]
    Audience,
    /// `exp` is absent.
    #[error("the token does not say when it expires")]
    NoExpiry,
    /// `exp` has passed.
    #[error("the token has expired")]
    Expired,
    /// `nbf` is still to come.
    #[error("the token is not valid yet")]
    NotYet,
    /// `iat` is still to come.
    #[error("the token was issued in the future")]
    IssuedLater,
    /// `exp` is too long after `iat`, or there is no `iat`.
    #[error("the token is valid for too long")]
    Lifetime,
    /// `exp`, `nbf` or `iat` is no number, or no time.
    #[error("a time in the token is no number")]
    Time,
}

/// When a token is good, as it says itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Times {
    /// `exp`.
    pub expires: Option<NumericDate>,
    /// `nbf`.
    pub not_before: Option<NumericDate>,
    /// `iat`.
    pub issued: Option<NumericDate>,
}

impl Times {
    /// The times of a token.
    ///
    /// # Errors
    /// One of them is no number, or no time.
    pub fn of(claims: &Json) -> Result<Self, ClaimError> {
        let time = |name| match claims.at(&[name]) {
            None => Ok(None),
            Some(value) => value
                .as_number()
                .and_then(Number::date)
                .filter(|date| date.nanoseconds() >= 0)
                .map(Some)
                .ok_or(ClaimError::Time),
        };
        Ok(Self { expires: time("exp")?, not_before: time("nbf")?, issued: time("iat")? })
    }

    /// Whether the token is good now.
    ///
    /// # Errors
    /// Why it is not.
    pub fn check(&self, provider: &Provider, now: WallClock) -> Result<(), ClaimError> {
        let nanoseconds = |duration: sallyport_policy::Duration| i128::from(duration.as_millis()) * 1_000_000;
        let now = i128::from(now.0);
        let skew = nanoseconds(provider.clock_skew);
        match self.expires {
            // The time on which it expires is not one on which it is good (RFC 7519 §4.1.4).
            Some(expires) if now - skew >= expires.nanoseconds() => return Err(ClaimError::Expired),
            None if !provider.allow_no_expiry => return Err(ClaimError::NoExpiry),
            _ => {}
        }
        if self.not_before.is_some_and(|not_before| now + skew < not_before.nanoseconds()) {
            return Err(ClaimError::NotYet);
        }
        if self.issued.is_some_and(|issued| now + skew < issued.nanoseconds()) {
            return Err(ClaimError::IssuedLater);
        }
        if let Some(longest) = provider.max_lifetime {
            let (Some(expires), Some(issued)) = (self.expires, self.issued) else {
                return Err(ClaimError::Lifetime);
            };
            if expires.nanoseconds() - issued.nanoseconds() > nanoseconds(longest) {
                return Err(ClaimError::Lifetime);
            }
        }
        Ok(())
    }
}

/// Whether a token is of the provider's issuer and for one of its audiences.
///
/// # Errors
/// Which it is not.
pub fn check_parties(provider: &Provider, claims: &Json) -> Result<(), ClaimError> {
    if claims.at(&["iss"]).and_then(Json::as_str) != Some(provider.issuer.as_str()) {
        return Err(ClaimError::Issuer);
    }
    let is_ours = |audience: &Json| {
        audience.as_str().is_some_and(|audience| provider.audiences.iter().any(|ours| ours == audience))
    };
    let for_us = match claims.at(&["aud"]) {
        _ if provider.audiences.is_empty() => true,
        Some(Json::Array(audiences)) => audiences.iter().any(is_ours),
        Some(audience) => is_ours(audience),
        None => false,
    };
    if for_us { Ok(()) } else { Err(ClaimError::Audience) }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn read(value: &Value) -> Json {
        Json::parse(value.to_string().as_bytes()).unwrap()
    }

    const NOW: u64 = 1_800_000_000;

    fn provider(more: Value) -> Provider {
        let mut provider = json!({
            "name": "p", "issuer": "https://issuer.example", "algorithms": ["RS256"], "jwks": {}, "clockSkew": "60s",
        });
        provider.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        serde_json::from_value(provider).unwrap()
    }

    #[track_caller]
    fn check(provider_says: Value, claims: Value, want: Result<(), ClaimError>) {
        let provider = provider(provider_says);
        let got = Times::of(&read(&claims))
            .and_then(|times| times.check(&provider, WallClock(NOW * 1_000_000_000)));
        assert_eq!(got, want, "{claims}");
    }

    #[test]
    fn a_token_is_good_until_it_expires_but_for_the_skew() {
        check(json!({}), json!({"exp": NOW + 1}), Ok(()));
        check(json!({}), json!({"exp": NOW - 59}), Ok(()));
        check(json!({}), json!({"exp": NOW - 60}), Err(ClaimError::Expired));
        check(json!({"clockSkew": "0s"}), json!({"exp": NOW}), Err(ClaimError::Expired));
        check(json!({"clockSkew": "0s"}), json!({"exp": NOW as f64 + 0.5}), Ok(()));
        check(json!({"clockSkew": "0s"}), json!({"exp": NOW as f64 - 0.5}), Err(ClaimError::Expired));
        check(json!({}), json!({"exp": 0}), Err(ClaimError::Expired));
        check(json!({}), json!({"exp": 1e300}), Err(ClaimError::Time));
        check(json!({}), json!({"exp": u64::MAX}), Ok(()));
    }

    #[test]
    fn a_token_without_expiry_is_refused_unless_that_is_waived() {
        check(json!({}), json!({}), Err(ClaimError::NoExpiry));
        check(json!({"allowNoExpiry": true}), json!({}), Ok(()));
        check(json!({"allowNoExpiry": true}), json!({"exp": 1}), Err(ClaimError::Expired));
        check(json!({"allowNoExpiry": true}), json!({"exp": null}), Err(ClaimError::Time));
    }

    #[test]
    fn a_token_from_the_future_is_refused() {
        let exp = NOW + 600;
        check(json!({}), json!({"exp": exp, "nbf": NOW + 60}), Ok(()));
        check(json!({}), json!({"exp": exp, "nbf": NOW + 61}), Err(ClaimError::NotYet));
        check(
            json!({"clockSkew": "0s"}),
            json!({"exp": exp, "nbf": NOW as f64 + 0.5}),
            Err(ClaimError::NotYet),
        );
        check(json!({}), json!({"exp": exp, "iat": NOW + 60}), Ok(()));
        check(json!({}), json!({"exp": exp, "iat": NOW + 61}), Err(ClaimError::IssuedLater));
    }

    #[test]
    fn a_token_that_lives_too_long_is_refused() {
        let hour = json!({"maxLifetime": "1h"});
        check(hour.clone(), json!({"exp": NOW + 1800, "iat": NOW - 1800}), Ok(()));
        check(hour.clone(), json!({"exp": NOW + 1801, "iat": NOW - 1800}), Err(ClaimError::Lifetime));
        check(hour, json!({"exp": NOW + 1800}), Err(ClaimError::Lifetime));
    }

    #[test]
    fn times_are_numbers() {
        for time in [json!("1800000600"), json!(-1), json!([1]), json!({}), json!(true)] {
            check(json!({}), json!({"exp": time}), Err(ClaimError::Time));
            check(json!({}), json!({"exp": NOW + 1, "nbf": time}), Err(ClaimError::Time));
            check(json!({}), json!({"exp": NOW + 1, "iat": time}), Err(ClaimError::Time));
        }
    }

    #[test]
    fn issuer_and_audience_are_compared_to_the_letter() {
        let ours = provider(json!({"audiences": ["shop", "cart"]}));
        let claims = |aud: Value| json!({"iss": "https://issuer.example", "aud": aud});
        for aud in [json!("shop"), json!(["other", "cart"])] {
            assert_eq!(check_parties(&ours, &read(&claims(aud))), Ok(()));
        }
        for aud in
            [json!("Shop"), json!(["other"]), json!([]), json!(null), json!({"shop": 1}), json!([["shop"]])]
        {
            assert_eq!(check_parties(&ours, &read(&claims(aud))), Err(ClaimError::Audience));
        }
        for iss in [json!("https://issuer.example/"), json!(null), json!(["https://issuer.example"])] {
            assert_eq!(
                check_parties(&ours, &read(&json!({"iss": iss, "aud": "shop"}))),
                Err(ClaimError::Issuer)
            );
        }
        assert_eq!(check_parties(&ours, &read(&json!({"aud": "shop"}))), Err(ClaimError::Issuer));
        assert_eq!(
            check_parties(&provider(json!({})), &read(&json!({"iss": "https://issuer.example"}))),
            Ok(())
        );
    }
}
