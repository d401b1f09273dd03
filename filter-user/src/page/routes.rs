//! What is served: the page, and what it polls.

use super::document::DOCUMENT;
use super::gate::Gate;
use super::watch::Watch;
use crate::metrics::Ends;
use axum::Router;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use std::sync::Arc;

/// For every answer, refusals included: nothing is kept, guessed, framed or shared.
const HEADERS: [(HeaderName, HeaderValue); 6] = [
    (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    (
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    ),
    (header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
    (
        header::REFERRER_POLICY,
        HeaderValue::from_static("no-referrer"),
    ),
    (
        HeaderName::from_static("cross-origin-resource-policy"),
        HeaderValue::from_static("same-origin"),
    ),
    (
        HeaderName::from_static("cross-origin-opener-policy"),
        HeaderValue::from_static("same-origin"),
    ),
];

/// `/` and `/status.json`; nothing if the page is turned off.
pub fn routes(gate: Gate, watch: Watch) -> Router {
    if !gate.is_open() {
        return Router::new();
    }
    Router::new()
        .route("/", get(page))
        .route("/status.json", get(status))
        .with_state(Arc::new(watch))
        .route_layer(middleware::from_fn_with_state(Arc::new(gate), guard))
}

async fn guard(
    State(gate): State<Arc<Gate>>,
    ConnectInfo(ends): ConnectInfo<Ends>,
    request: Request,
    next: Next,
) -> Response {
    let host = request.headers().get(header::HOST);
    let host = host.and_then(|host| host.to_str().ok());
    let mut response = match gate.check(ends.0, host) {
        Ok(()) => next.run(request).await,
        Err(refusal) => (StatusCode::FORBIDDEN, format!("{refusal}\n")).into_response(),
    };
    response.headers_mut().extend(HEADERS);
    response
}

async fn page() -> Response {
    let headers = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CONTENT_SECURITY_POLICY, DOCUMENT.policy.as_str()),
    ];
    (headers, DOCUMENT.html.as_str()).into_response()
}

async fn status(State(watch): State<Arc<Watch>>) -> Response {
    match watch.look().await {
        Ok(json) => {
            let headers = [(header::CONTENT_TYPE, "application/json")];
            (headers, String::from(&*json)).into_response()
        }
        Err(error) => {
            tracing::error!("status page: {error:#}");
            let text = format!("{error:#}\n");
            (StatusCode::INTERNAL_SERVER_ERROR, text).into_response()
        }
    }
}
