//! The bytes of a connection, with or without TLS.

use super::{TlsIdentity, client_names};
use crate::api::ClientCertificate;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// A connection's socket.
#[derive(Debug)]
pub(in crate::server) enum ServerStream {
    /// Plain text.
    Plain(TcpStream),
    /// TLS, after its handshake.
    Tls(Box<TlsStream<TcpStream>>),
}

/// Completes the TLS handshake where the listener has an identity; gives the client's certificate where one was required, unless that is the
/// listener's own, whose names give a caller no role.
/// Takes as long as the client likes: the caller has the timeout.
pub(in crate::server) async fn handshake(
    stream: TcpStream,
    identity: Option<&TlsIdentity>,
) -> io::Result<(ServerStream, Option<ClientCertificate>)> {
    let Some(identity) = identity else { return Ok((ServerStream::Plain(stream), None)) };
    let loaded = identity.loaded();
    let acceptor = TlsAcceptor::from(Arc::clone(&loaded.config));
    let stream = acceptor.accept(stream).await?;
    let (_, session) = stream.get_ref();
    let certificate = match session.peer_certificates().and_then(<[_]>::first) {
        Some(certificate) if !loaded.is_own(certificate) => Some(client_names::read(certificate)?),
        Some(_) | None => None,
    };
    Ok((ServerStream::Tls(Box::new(stream)), certificate))
}

impl AsyncRead for ServerStream {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_read(context, buffer),
            Self::Tls(stream) => Pin::new(stream).poll_read(context, buffer),
        }
    }
}

impl AsyncWrite for ServerStream {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write(context, bytes),
            Self::Tls(stream) => Pin::new(stream).poll_write(context, bytes),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write_vectored(context, bytes),
            Self::Tls(stream) => Pin::new(stream).poll_write_vectored(context, bytes),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Plain(stream) => stream.is_write_vectored(),
            Self::Tls(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_flush(context),
            Self::Tls(stream) => Pin::new(stream).poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(context),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(context),
        }
    }
}
