//! What is to be done next about the authority and the certificate, as a pure function of what there is and of the time.
//!
//! An authority is published before any certificate of it is served, and stays published for as long as one may be: so
//! there is no moment at which the API server is shown what it does not trust.
//!
//! ```text
//! authority    ├─ signs ──────────────────────────┤─ retired ─┤
//! next                               ├─ published ┤─ signs ────────…
//! certificate  ├────────┼────────┼────────┼────────┼────────┼───…
//! ```

/// For how long things are valid, in seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Lifetimes {
    pub(crate) authority: i64,
    pub(crate) certificate: i64,
}

/// What clocks may differ by, in seconds: everything is valid from so long before it was made.
pub(crate) const SKEW: i64 = 3600;

impl Lifetimes {
    /// # Errors
    /// They are too short, or an authority would end before its certificates.
    pub(crate) fn check(self) -> anyhow::Result<()> {
        anyhow::ensure!(self.certificate >= 10, "a certificate must be valid for at least 10 s");
        anyhow::ensure!(
            self.authority >= 4 * self.certificate,
            "an authority must be valid for at least four times as long as a certificate"
        );
        Ok(())
    }

    /// How long an authority stands in the webhook configurations before a certificate of it is served: every API
    /// server has read them by then. Where certificates live shortly, as in a test, so do API servers' caches.
    pub(crate) fn settling(self) -> i64 {
        (self.certificate / 100).clamp(1, 300)
    }

    /// The age at which a certificate is replaced.
    fn renewal(self) -> i64 {
        self.certificate / 3 * 2
    }
}

/// From when and until when something is valid: Unix time in seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Validity {
    /// When it was made.
    pub(crate) made: i64,
    pub(crate) not_after: i64,
}

/// What is held in the cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Held {
    /// The authority that certificates are made of.
    pub(crate) signing: Validity,
    /// The one that follows it.
    pub(crate) next: Option<Next>,
    /// Those before it, of which a replica may still serve a certificate; published, without their keys.
    pub(crate) retired: Vec<Retired>,
    /// What is served, of the signing authority.
    pub(crate) certificate: Validity,
    /// Whether the certificate has the names under which the API server calls.
    pub(crate) is_named: bool,
    /// What somebody asked for, whatever the time.
    pub(crate) asked: Option<Asked>,
}

/// An authority that signs nothing yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Next {
    pub(crate) validity: Validity,
    /// Since when it has stood in the webhook configurations, as far as is known.
    pub(crate) published: Option<i64>,
}

/// An authority that signs no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Retired {
    pub(crate) not_after: i64,
    /// Since when the certificate has been another's.
    pub(crate) since: i64,
}

impl Retired {
    /// When no certificate of it is valid any more.
    pub(crate) fn ends(&self, lifetimes: Lifetimes) -> i64 {
        (self.since + lifetimes.certificate).min(self.not_after)
    }
}

/// A renewal that somebody asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    Certificate,
    Authority,
}

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Everything is made anew: there is nothing, or nothing of use.
    MakeAll,
    /// The signing authority makes another certificate.
    Renew,
    /// A further authority is made, to be published.
    MakeNext,
    /// The next authority makes a certificate, and signs from now on; the one before it is retired.
    Promote,
    /// Retired authorities of which no certificate is valid any more are forgotten.
    Forget,
    /// Nothing, before this time.
    Wait(i64),
}

/// What is to be done at this time about what is held.
pub(crate) fn step(held: Option<&Held>, lifetimes: Lifetimes, now: i64) -> Step {
    let Some(held) = held else { return Step::MakeAll };
    if held.signing.not_after <= now && held.next.is_none() {
        // Nothing that is trusted can be made any more, and nobody is answered.
        return Step::MakeAll;
    }
    if let Some(next) = &held.next {
        let signing_ended = held.signing.not_after <= now;
        match next.published {
            Some(since) if now >= since + lifetimes.settling() || signing_ended => return Step::Promote,
            // It can't get worse.
            None if signing_ended => return Step::Promote,
            _ => {}
        }
    }
    let last = lifetimes.certificate;
    let succession = held.signing.not_after - 2 * last;
    let wants_next = now >= succession || held.asked == Some(Asked::Authority);
    if held.next.is_none() && wants_next {
        return Step::MakeNext;
    }
    let renewal = held.certificate.made + lifetimes.renewal();
    let fits = held.signing.not_after > held.certificate.not_after;
    if !held.is_named || held.asked == Some(Asked::Certificate) || (now >= renewal && fits) {
        return Step::Renew;
    }
    let forgetting = held.retired.iter().map(|retired| retired.ends(lifetimes)).min();
    if forgetting.is_some_and(|at| now >= at) {
        return Step::Forget;
    }
    let promotion = held.next.and_then(|next| Some(next.published? + lifetimes.settling()));
    let renewal = fits.then_some(renewal);
    let succession = held.next.is_none().then_some(succession);
    let soonest = [promotion, renewal, succession, forgetting, Some(held.signing.not_after)];
    Step::Wait(soonest.into_iter().flatten().min().unwrap_or(now))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A cluster: what is kept, and what stands in the webhook configurations. Authorities and certificates are known by
    /// their numbers.
    #[derive(Clone, Debug)]
    struct Cluster {
        held: Held,
        signing: u32,
        next: Option<u32>,
        retired: Vec<u32>,
        published: Vec<u32>,
        /// Which authority made what each replica serves.
        served: [u32; 2],
        made: u32,
    }

    const DAY: i64 = 86_400;
    const LIFETIMES: Lifetimes = Lifetimes { authority: 730 * DAY, certificate: 90 * DAY };

    fn valid(now: i64, lifetime: i64) -> Validity {
        Validity { made: now, not_after: now + lifetime }
    }

    impl Cluster {
        fn new(now: i64) -> Self {
            let held = Held {
                signing: valid(now, LIFETIMES.authority),
                next: None,
                retired: Vec::new(),
                certificate: valid(now, LIFETIMES.certificate),
                is_named: true,
                asked: None,
            };
            Self {
                held,
                signing: 0,
                next: None,
                retired: Vec::new(),
                published: vec![0],
                served: [0; 2],
                made: 1,
            }
        }

        fn act(&mut self, step: Step, now: i64) {
            let held = &mut self.held;
            match step {
                Step::MakeAll => panic!("nothing is lost here"),
                Step::Renew => held.certificate = valid(now, LIFETIMES.certificate),
                Step::MakeNext => {
                    held.next = Some(Next { validity: valid(now, LIFETIMES.authority), published: None });
                    self.next = Some(self.made);
                    self.made += 1;
                }
                Step::Promote => {
                    held.retired.push(Retired { not_after: held.signing.not_after, since: now });
                    held.signing = held.next.take().unwrap().validity;
                    held.certificate = valid(now, LIFETIMES.certificate);
                    self.retired.push(self.signing);
                    self.signing = self.next.take().unwrap();
                }
                Step::Forget => {
                    let kept: Vec<bool> = held.retired.iter().map(|it| it.ends(LIFETIMES) > now).collect();
                    let mut each = kept.iter();
                    held.retired.retain(|_| *each.next().unwrap());
                    let mut each = kept.iter();
                    self.retired.retain(|_| *each.next().unwrap());
                }
                Step::Wait(_) => {}
            }
            held.asked = None;
        }

        fn publish(&mut self, now: i64) {
            let others = self.next.iter().chain(&self.retired);
            self.published = [self.signing].iter().chain(others).copied().collect();
            if let Some(next) = &mut self.held.next
                && next.published.is_none()
            {
                next.published = Some(now);
            }
        }
    }

    proptest! {
        /// Whatever the leader's pauses, whenever a replica takes up what is kept, and whatever somebody asks for: the API
        /// server is never shown a certificate of an authority that it does not trust, or one that has ended.
        #[test]
        fn nothing_is_served_that_is_not_trusted(
            events in proptest::collection::vec((0..5_u8, 1..20_i64), 1..400),
        ) {
            let mut now = 1_000_000_000;
            let mut cluster = Cluster::new(now);
            let mut takes_up = [cluster.held.certificate; 2];
            for (event, days) in events {
                // Nobody is away for longer than a third of a certificate's life.
                now += days * DAY;
                match event {
                    0 => cluster.held.asked = Some(Asked::Certificate),
                    1 => cluster.held.asked = Some(Asked::Authority),
                    _ => {}
                }
                for _ in 0..4 {
                    cluster.publish(now);
                    let step = step(Some(&cluster.held), LIFETIMES, now);
                    prop_assert!(!matches!(step, Step::Wait(at) if at <= now), "{step:?} at {now}: {cluster:?}");
                    cluster.act(step, now);
                }
                cluster.publish(now);
                // One replica takes it up at once, the other only now and then.
                cluster.served[0] = cluster.signing;
                takes_up[0] = cluster.held.certificate;
                if event > 1 {
                    cluster.served[1] = cluster.signing;
                    takes_up[1] = cluster.held.certificate;
                }
                for (authority, certificate) in cluster.served.iter().zip(takes_up) {
                    if certificate.not_after > now {
                        prop_assert!(cluster.published.contains(authority), "{authority} at {now}: {cluster:?}");
                    }
                }
                prop_assert!(takes_up[0].not_after > now);
                prop_assert!(cluster.held.signing.not_after >= cluster.held.certificate.not_after);
            }
        }
    }

    #[test]
    fn what_is_missing_or_ended_is_made_anew() {
        let now = 1_000_000_000;
        assert_eq!(step(None, LIFETIMES, now), Step::MakeAll);
        let held = Cluster::new(now).held;
        assert_eq!(step(Some(&held), LIFETIMES, now + LIFETIMES.authority), Step::MakeAll);
        let renamed = Held { is_named: false, ..held.clone() };
        assert_eq!(step(Some(&renamed), LIFETIMES, now), Step::Renew);
        assert_eq!(step(Some(&held), LIFETIMES, now), Step::Wait(now + 60 * DAY));
    }
}
