//! The HTTP server of `/metrics` and of what is served beside it: nobody who asks, slowly, often or
//! at length, takes more than the limits say.

use super::collect::collect;
use super::encode::{Format, encode};
use crate::daemon::Shared;
use crate::kernel::netlink;
use axum::extract::{ConnectInfo, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Extension, Router};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::timeout;

/// Between two tries to listen: the filter does its work without metrics too.
const RETRY: Duration = Duration::from_secs(10);
/// For a scraper of a host's own; what more come wait in the kernel's queue, in their order.
const LIMITS: Limits = Limits {
    connections: 32,
    header: Duration::from_secs(5),
    whole: Duration::from_secs(30),
    header_bytes: 16 << 10,
};

/// What one who scrapes may take.
#[derive(Clone, Copy, Debug)]
struct Limits {
    /// At once.
    connections: usize,
    /// To say what is wanted.
    header: Duration,
    /// From the first byte to the last; a scrape counts cells by the million.
    whole: Duration,
    /// Of a request. What it carries behind its header is not read.
    header_bytes: usize,
}

/// Serves for ever; tries again, loudly, while the address is taken. What else is served there
/// comes as `beside`.
pub async fn serve(listen: SocketAddr, shared: Arc<Shared>, beside: Router) {
    let router = Router::new()
        .route("/metrics", get(metrics))
        .with_state(shared)
        .merge(beside);
    loop {
        match TcpListener::bind(listen).await {
            Ok(listener) => accept(&listener, &router, LIMITS).await,
            Err(error) => tracing::error!(
                %listen,
                %error,
                "NO METRICS: cannot listen; choose another [daemon] metrics_listen, or see who \
                 listens there: ss -ltnp"
            ),
        }
        tokio::time::sleep(RETRY).await;
    }
}

/// Who asks, and which of the host's addresses was asked: the guard takes care of them.
#[derive(Clone, Copy, Debug)]
pub struct Ends(pub Option<(SocketAddr, SocketAddr)>);

impl Ends {
    fn of(stream: &TcpStream) -> Self {
        let ends = stream
            .peer_addr()
            .and_then(|peer| Ok((peer, stream.local_addr()?)));
        Self(ends.ok())
    }
}

/// Until the listener fails. A request a connection, so that nobody keeps a place.
async fn accept(listener: &TcpListener, router: &Router, limits: Limits) {
    let places = Arc::new(Semaphore::new(limits.connections));
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else {
            return;
        };
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::error!(%error, "metrics: accepting a connection failed");
                // Out of file descriptors, most likely: not again at once.
                tokio::time::sleep(RETRY / 10).await;
                continue;
            }
        };
        let ends = ConnectInfo(Ends::of(&stream));
        let service = router.clone().layer(Extension(ends));
        tokio::spawn(async move {
            let connection = http1::Builder::new()
                .keep_alive(false)
                .timer(TokioTimer::new())
                .header_read_timeout(limits.header)
                .max_buf_size(limits.header_bytes)
                .serve_connection(TokioIo::new(stream), TowerToHyperService::new(service));
            match timeout(limits.whole, connection).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => tracing::debug!(%error, "metrics: a connection ended"),
                Err(_) => tracing::debug!("metrics: a connection took too long"),
            }
            drop(place);
        });
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

/// Readings that go on at once. One goes on though nobody waits for it any more, so it is not a
/// connection's place that bounds them.
static READINGS: Semaphore = Semaphore::const_new(2);

async fn scrape(shared: Arc<Shared>, format: Format) -> anyhow::Result<String> {
    let reading = READINGS.acquire().await?;
    let links = netlink::links().await?;
    // Millions of cells are counted: beside the loop's thread.
    let families = tokio::task::spawn_blocking(move || {
        let _reading = reading;
        collect(&shared, &links)
    })
    .await??;
    Ok(encode(&families, format))
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::runtime;

    const HOUR: Duration = Duration::from_secs(3600);
    const REQUEST: &[u8] = b"GET /metrics HTTP/1.1\r\nHost: here\r\n\r\n";

    /// With a page of this size, and these limits.
    fn with_server<F: Future>(page: usize, limits: Limits, work: impl FnOnce(SocketAddr) -> F) {
        let runtime = runtime::Builder::new_current_thread().enable_all().build();
        runtime.unwrap().block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            let text = "x".repeat(page);
            let router = Router::new().route("/metrics", get(|| async { text }));
            let serving = tokio::spawn(async move { accept(&listener, &router, limits).await });
            work(address).await;
            serving.abort();
        });
    }

    async fn connect(address: SocketAddr) -> TcpStream {
        TcpStream::connect(address).await.unwrap()
    }

    /// What comes until the server ends it, however it ends it.
    async fn rest(mut stream: TcpStream) -> String {
        let mut bytes = Vec::new();
        let _ = stream.read_to_end(&mut bytes).await;
        String::from_utf8_lossy(&bytes).into_owned()
    }

    async fn ask(address: SocketAddr, request: &[u8]) -> String {
        let mut stream = connect(address).await;
        stream.write_all(request).await.unwrap();
        rest(stream).await
    }

    #[test]
    fn who_says_nothing_or_never_ends_is_left_and_makes_room() {
        let limits = Limits {
            connections: 2,
            header: Duration::from_millis(50),
            whole: HOUR,
            ..LIMITS
        };
        with_server(1, limits, async |address| {
            let silent = connect(address).await;
            let mut endless = connect(address).await;
            endless.write_all(&REQUEST[..20]).await.unwrap();
            let answer = ask(address, REQUEST).await;
            assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
            assert!(!rest(silent).await.contains("200"));
            assert!(!rest(endless).await.contains("200"));
        });
    }

    #[test]
    fn who_does_not_take_the_answer_is_left() {
        let limits = Limits {
            connections: 1,
            header: HOUR,
            whole: Duration::from_millis(50),
            ..LIMITS
        };
        // More than the sockets' buffers hold.
        with_server(64 << 20, limits, async |address| {
            let mut stuck = connect(address).await;
            stuck.write_all(REQUEST).await.unwrap();
            // The one place is free only when the first has been left.
            let mut next = connect(address).await;
            next.write_all(REQUEST).await.unwrap();
            let mut first = [0; 12];
            next.read_exact(&mut first).await.unwrap();
            assert_eq!(&first, b"HTTP/1.1 200");
            assert!(rest(stuck).await.len() < 64 << 20);
        });
    }

    #[test]
    fn it_is_read_only_and_takes_no_long_requests() {
        with_server(1, LIMITS, async |address| {
            for (request, status) in [
                ("GET / HTTP/1.1\r\nHost: x\r\n\r\n".to_owned(), "404"),
                (
                    "POST /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\n1".into(),
                    "405",
                ),
                ("nonsense\r\n\r\n".into(), "400"),
                (
                    format!(
                        "GET /metrics HTTP/1.1\r\nx: {}\r\n\r\n",
                        "y".repeat(17 << 10)
                    ),
                    "431",
                ),
                (
                    format!("GET /{} HTTP/1.1\r\n\r\n", "y".repeat(17 << 10)),
                    "4",
                ),
            ] {
                let answer = ask(address, request.as_bytes()).await;
                let wanted = format!("HTTP/1.1 {status}");
                // A server that has left before all was said resets the connection.
                let is_refused =
                    answer.starts_with(&wanted) || (answer.is_empty() && status.starts_with('4'));
                assert!(is_refused, "{wanted}: {answer}");
            }
            // One request a connection.
            let twice = [REQUEST, REQUEST].concat();
            let answer = ask(address, &twice).await;
            assert_eq!(answer.matches("HTTP/1.1").count(), 1, "{answer}");
        });
    }
}
