//! The HTTP server of `/metrics` and of what is served beside it.

use super::collect::collect;
use super::encode::{Format, encode};
use crate::daemon::Shared;
use crate::kernel::netlink;
use axum::Router;
use axum::extract::connect_info::Connected;
use axum::extract::{ConnectInfo, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::serve::IncomingStream;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;

/// Between two tries to listen: the filter does its work without metrics too.
const RETRY: Duration = Duration::from_secs(10);

/// Serves for ever; tries again, loudly, while the address is taken. What else is served there
/// comes as `beside`.
pub async fn serve(listen: SocketAddr, shared: Arc<Shared>, beside: Router) {
    let router = Router::new()
        .route("/metrics", get(metrics))
        .with_state(shared)
        .merge(beside);
    loop {
        let served = match TcpListener::bind(listen).await {
            Ok(listener) => {
                let service = router.clone().into_make_service_with_connect_info::<Ends>();
                axum::serve(listener, service).await
            }
            Err(error) => Err(error),
        };
        if let Err(error) = served {
            tracing::error!(
                %listen,
                %error,
                "NO METRICS: cannot listen; choose another [daemon] metrics_listen, or see who \
                 listens there: ss -ltnp"
            );
        }
        tokio::time::sleep(RETRY).await;
    }
}

/// Who asks, and which of the host's addresses was asked: the guard takes care of them.
#[derive(Clone, Copy, Debug)]
pub struct Ends(pub Option<(SocketAddr, SocketAddr)>);

impl Connected<IncomingStream<'_, TcpListener>> for Ends {
    fn connect_info(stream: IncomingStream<'_, TcpListener>) -> Self {
        Self(
            stream
                .io()
                .local_addr()
                .ok()
                .map(|local| (*stream.remote_addr(), local)),
        )
    }
}

async fn metrics(
    State(shared): State<Arc<Shared>>,
    ConnectInfo(ends): ConnectInfo<Ends>,
    headers: HeaderMap,
) -> Response {
    shared.view().scraper = ends.0;
    let accept = headers.get(header::ACCEPT);
    let accept = accept.and_then(|value| value.to_str().ok());
    let format = Format::negotiate(accept.unwrap_or_default());
    match scrape(shared, format).await {
        Ok(text) => ([(header::CONTENT_TYPE, format.content_type())], text).into_response(),
        Err(error) => {
            tracing::error!("metrics: {error:#}");
            let text = format!("{error:#}\n");
            (StatusCode::INTERNAL_SERVER_ERROR, text).into_response()
        }
    }
}

async fn scrape(shared: Arc<Shared>, format: Format) -> anyhow::Result<String> {
    let links = netlink::links().await?;
    // Millions of cells are counted: beside the loop's thread.
    let families = tokio::task::spawn_blocking(move || collect(&shared, &links)).await??;
    Ok(encode(&families, format))
}
