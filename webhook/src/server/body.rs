//! The body of a call, read within its bounds.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, HttpBody as _};
use axum::extract::Request as HttpRequest;
use axum::http::{HeaderMap, header};
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt as _;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use super::failure::Failure;
use super::serve::Limits;

/// How long the rest of a refused request is read. Until it is, an HTTP/2 client may see a broken stream instead of the
/// answer (RFC 9113 section 8.1), and an HTTP/1.1 client a broken connection.
const DISCARD: Duration = Duration::from_secs(2);

/// Whether the headers promise an AdmissionReview that can be read.
pub(super) fn check(headers: &HeaderMap) -> Result<(), Failure> {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let media_type = text(header::CONTENT_TYPE).split(';').next().unwrap_or_default().trim();
    if !media_type.eq_ignore_ascii_case("application/json") {
        return Err(Failure::ContentType);
    }
    match text(header::CONTENT_ENCODING).trim() {
        "" => Ok(()),
        identity if identity.eq_ignore_ascii_case("identity") => Ok(()),
        _ => Err(Failure::ContentEncoding),
    }
}

/// Reads what is left of a request that is refused unread, within bounds; not where its sender waits to be asked for it.
pub(super) async fn discard(request: HttpRequest, limits: &Limits) {
    if request.headers().contains_key(header::EXPECT) {
        return;
    }
    let mut body = request.into_body();
    let _ = timeout(DISCARD.min(limits.deadline), drain(&mut body, limits.body_bytes)).await;
}

async fn drain(body: &mut Body, most: usize) {
    let mut length = 0;
    while length <= most
        && let Some(Ok(frame)) = body.frame().await
    {
        length += frame.data_ref().map_or(0, Bytes::len);
    }
}

/// The whole body, of at most `limit` bytes, and what it takes up of `memory`.
pub(super) async fn read(
    mut body: Body,
    limit: usize,
    memory: &Arc<Semaphore>,
) -> Result<(Bytes, Option<OwnedSemaphorePermit>), Failure> {
    let announced = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
    let mut held: Option<OwnedSemaphorePermit> = None;
    let mut first = Bytes::new();
    let mut all = BytesMut::new();
    let mut length = 0;
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(|_| Failure::BrokenBody)?.into_data() else { continue };
        length += data.len();
        if announced.max(length) > limit {
            return Err(refuse_large(body, limit).await);
        }
        let permits = u32::try_from(data.len()).map_err(|_| Failure::Overload)?;
        let more = Arc::clone(memory).try_acquire_many_owned(permits).map_err(|_| Failure::Overload)?;
        match &mut held {
            Some(held) => held.merge(more),
            None => held = Some(more),
        }
        if first.is_empty() {
            first = data;
        } else {
            if all.is_empty() {
                all.reserve(announced.max(length));
                all.extend_from_slice(&first);
            }
            all.extend_from_slice(&data);
        }
    }
    Ok((if all.is_empty() { first } else { all.freeze() }, held))
}

/// Reads on for a while before it refuses: a client that is still sending when the connection closes may never see
/// the answer.
async fn refuse_large(mut body: Body, limit: usize) -> Failure {
    drain(&mut body, limit).await;
    Failure::TooLarge { limit }
}
