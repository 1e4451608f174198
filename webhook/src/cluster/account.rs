//! Whom the API server takes Sallyport for.

use anyhow::Context as _;
use k8s_openapi::api::authentication::v1::SelfSubjectReview;
use kube::api::PostParams;
use kube::{Api, Client};

/// The name of the user that this client is (SelfSubjectReview of authentication.k8s.io/v1): of a pod's service account
/// `system:serviceaccount:NAMESPACE:NAME`.
///
/// # Errors
/// The API server does not say.
pub(crate) async fn account(client: &Client) -> anyhow::Result<String> {
    let reviews: Api<SelfSubjectReview> = Api::all(client.clone());
    let review = reviews
        .create(&PostParams::default(), &SelfSubjectReview::default())
        .await
        .context("the API server does not say whom it takes Sallyport for")?;
    let user = review.status.and_then(|status| status.user_info);
    user.and_then(|user| user.username).context("the API server takes Sallyport for nobody")
}
