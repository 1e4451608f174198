//! The port where proxies get the filter, in plain HTTP: they know its digest, and take nothing else.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use bytes::Bytes;
use futures_util::future::BoxFuture;

/// Connections that the port has at a time: agents of proxies, each for as long as it takes half a megabyte.
pub(crate) const CONNECTIONS: usize = 256;

/// Where the modules are.
pub trait Modules: Send + Sync + 'static {
    /// The module with this SHA-256 digest, in hexadecimal digits; `None` if nobody has it.
    fn get<'m>(&'m self, digest: &'m str) -> BoxFuture<'m, Result<Option<Bytes>, ModuleFailure>>;
}

/// A module can't be read now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ModuleFailure;

/// The path of a module.
#[must_use]
pub fn module_path(digest: &str) -> String {
    format!("/filter/{digest}.wasm")
}

/// The paths of the port.
pub(crate) fn router(modules: Arc<dyn Modules>) -> Router {
    Router::new()
        .route("/filter/{file}", get(module))
        .fallback(async || (StatusCode::NOT_FOUND, "no such path: there is GET /filter/DIGEST.wasm\n"))
        .with_state(modules)
}

async fn module(State(modules): State<Arc<dyn Modules>>, Path(file): Path<String>) -> Response {
    let digest = file.strip_suffix(".wasm").filter(|digest| is_digest(digest));
    let Some(digest) = digest else {
        return (StatusCode::NOT_FOUND, "a filter is named by its SHA-256 digest: 64 digits from 0 to f\n")
            .into_response();
    };
    match modules.get(digest).await {
        Ok(Some(bytes)) => {
            let headers = [
                (header::CONTENT_TYPE, "application/wasm"),
                // What a digest names never changes.
                (header::CACHE_CONTROL, "public, max-age=31536000, immutable"),
            ];
            (headers, bytes).into_response()
        }
        Ok(None) => (StatusCode::NOT_FOUND, "no replica has this filter\n").into_response(),
        Err(ModuleFailure) => {
            (StatusCode::SERVICE_UNAVAILABLE, "the filter can't be read now\n").into_response()
        }
    }
}

fn is_digest(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}
