//! Listeners and connections.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::{JoinError, JoinSet};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tracing::{debug, error, info, warn};

use crate::backend::Backend;
use crate::idle::{self, IdleConnections};
use crate::settings::Config;
use crate::site::Site;
use crate::stall::Stallable;

/// Bytes of a connection's buffer, and so most bytes of a request's headers; clients send below one KiB.
const BUFFER_BYTES: usize = 64 * 1024;

/// Pause after a connection could not be accepted, for a reason that the next attempt would meet too (no descriptors left).
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// How long an idle connection that is to be closed for others may take, before the next one is.
const CLOSE_PAUSE: Duration = Duration::from_millis(20);

/// Serves on these listeners until `shutdown` ends; then accepts nothing more, lets running requests finish for the grace
/// period, and returns.
pub(crate) async fn serve<B: Backend>(
    listeners: Vec<TcpListener>,
    config: Config,
    backend: B,
    shutdown: impl Future<Output = ()>,
) {
    let server = Arc::new(Server {
        site: Site::new(&config, backend),
        connections: Arc::new(Semaphore::new(config.max_connections)),
        idle: Arc::default(),
        config,
        stop: CancellationToken::new(),
    });
    let mut loops = JoinSet::new();
    for listener in listeners {
        loops.spawn(Arc::clone(&server).accept(listener));
    }
    shutdown.await;
    info!("Stopping: no more connections are accepted.");
    server.stop.cancel();
    while let Some(ended) = loops.join_next().await {
        note(ended);
    }
}

struct Server<B> {
    site: Site<B>,
    config: Config,
    connections: Arc<Semaphore>,
    idle: Arc<IdleConnections>,
    stop: CancellationToken,
}

impl<B: Backend> Server<B> {
    /// Accepts connections, serves each in a task, and waits for all of them at the end.
    async fn accept(self: Arc<Self>, listener: TcpListener) {
        let mut tasks = JoinSet::new();
        loop {
            while let Some(ended) = tasks.try_join_next() {
                note(ended);
            }
            let next = async {
                // Accepted first: only for somebody who is there may others be closed.
                let (stream, peer) = listener.accept().await?;
                Ok::<_, io::Error>((self.permit().await?, stream, peer))
            };
            let accepted = tokio::select! {
                biased;
                () = self.stop.cancelled() => break,
                accepted = next => accepted,
            };
            match accepted {
                Ok((permit, stream, peer)) => {
                    tasks.spawn(Arc::clone(&self).connection(stream, peer, permit));
                }
                Err(error) => {
                    warn!(%error, "A connection could not be accepted.");
                    sleep(ACCEPT_PAUSE).await;
                }
            }
        }
        drop(listener);
        let finished = async {
            while let Some(ended) = tasks.join_next().await {
                note(ended);
            }
        };
        if timeout(self.config.grace_period, finished).await.is_err() {
            warn!(connections = tasks.len(), "Requests that did not finish within the grace period are cancelled.");
            tasks.shutdown().await;
        }
    }

    /// The permission for one more connection. When there are as many as may be, the one that has been idle for longest is closed
    /// for it: silent ones hold nobody up. When none is idle, it waits, and the next ones do so in the kernel's queue.
    async fn permit(&self) -> io::Result<OwnedSemaphorePermit> {
        let mut permit = pin!(Arc::clone(&self.connections).acquire_owned());
        loop {
            tokio::select! {
                biased;
                permit = permit.as_mut() => return permit.map_err(io::Error::other),
                () = std::future::ready(()) => {}
            }
            self.idle.close_longest();
            if let Ok(permit) = timeout(CLOSE_PAUSE, permit.as_mut()).await {
                return permit.map_err(io::Error::other);
            }
        }
    }

    async fn connection(self: Arc<Self>, stream: TcpStream, peer: SocketAddr, _permit: OwnedSemaphorePermit) {
        let _open = Open::count(&self.site.metrics.connections);
        if let Err(error) = stream.set_nodelay(true) {
            debug!(%peer, %error, "Small packets may be delayed.");
        }
        let idle = self.idle.open();
        let stream = Stallable::new(stream, self.config.write_timeout);
        let Some(tls) = self.config.tls.clone() else {
            return self.requests(stream, peer, idle).await;
        };
        let handshake = timeout(self.config.handshake_timeout, tls.acceptor.accept(stream));
        let shaken = tokio::select! {
            shaken = handshake => shaken,
            () = idle.closing() => return debug!(%peer, "A TLS handshake made room for another connection."),
        };
        match shaken {
            Ok(Ok(stream)) => self.requests(stream, peer, idle).await,
            Ok(Err(error)) => debug!(%peer, %error, "A TLS handshake failed."),
            Err(_) => debug!(%peer, "A TLS handshake took too long."),
        }
    }

    /// Answers the requests of a connection until it is closed.
    async fn requests(
        self: Arc<Self>,
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        peer: SocketAddr,
        idle: idle::Connection,
    ) {
        let idle = Arc::new(idle);
        let service = service_fn({
            let (server, idle) = (Arc::clone(&self), Arc::clone(&idle));
            move |request| {
                let (server, idle) = (Arc::clone(&server), Arc::clone(&idle));
                async move {
                    idle.work();
                    let answer = server.site.serve(request, peer.ip()).await;
                    idle.rest();
                    Ok::<_, Infallible>(answer)
                }
            }
        });
        let mut connection = pin!(
            http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(self.config.header_timeout)
                .max_buf_size(BUFFER_BYTES)
                .serve_connection(TokioIo::new(stream), service)
        );
        let ended = tokio::select! {
            ended = connection.as_mut() => ended,
            () = idle.closing() => {
                debug!(%peer, "A connection makes room for another one.");
                if !idle.has_worked() {
                    return;
                }
                // An answer may still be on its way.
                connection.as_mut().graceful_shutdown();
                connection.await
            }
            () = self.stop.cancelled() => {
                // Closes it at once if nothing is being asked on it.
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        if let Err(error) = ended {
            // Clients that go away, time out or do not speak HTTP: nothing that an operator could change.
            debug!(%peer, %error, "A connection ended early.");
        }
    }
}

/// Counts a connection as long as it lives.
struct Open(prometheus_client::metrics::gauge::Gauge);

impl Open {
    fn count(gauge: &prometheus_client::metrics::gauge::Gauge) -> Self {
        gauge.inc();
        Self(gauge.clone())
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.dec();
    }
}

fn note(ended: Result<(), JoinError>) {
    if let Err(error) = ended
        && error.is_panic()
    {
        error!(%error, "The task of a connection panicked.");
    }
}

#[cfg(test)]
mod tests;
