//! Sets the image pull policy. The API server has always filled it in already, so only Override makes sense.

use serde_json::{Value, json};

use super::log::Log;
use super::transformation::{Heeds, Subject, Terms, Transformation, for_each_selected};
use crate::resources::{ImagePullPolicy, Strategy};

/// The policy that every selected container gets.
#[derive(Debug)]
pub(crate) struct PullPolicy(Value);

impl PullPolicy {
    pub(crate) fn compile(policy: ImagePullPolicy) -> Self {
        Self(json!(policy))
    }
}

impl Transformation for PullPolicy {
    fn heeds(&self) -> Heeds {
        Heeds::BOTH
    }

    fn apply(&self, terms: &Terms, subject: &mut Subject<'_>, log: &mut Log) {
        let Some(mut pod) = subject.pod(log) else { return };
        for_each_selected(&mut pod, terms, |container| {
            log.fill(container.fields, &["imagePullPolicy"], &self.0, Strategy::Override, &container.path);
        });
    }

    fn sets(&self) -> Vec<(String, Value)> {
        vec![("container.imagePullPolicy".to_owned(), self.0.clone())]
    }
}
