//! A gRPC call on bare HTTP/2: what the server really sends, with nothing decoded by a client library.

use crate::server_support::KEY;
use h2::SendStream;
use h2::client::{ResponseFuture, SendRequest};
use prost::Message;
use prost::bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tonic::codegen::http::{HeaderMap, Request};

/// The headers that the clients of Python, Node, Java, Ruby, PHP and .NET send with every call.
pub(crate) const ACCEPT_GZIP: (&str, &str) = ("grpc-accept-encoding", "identity,deflate,gzip");

/// A connection to a server.
pub(crate) struct RawConnection {
    sender: SendRequest<Bytes>,
    /// Ends with the connection.
    connection: JoinHandle<Result<(), h2::Error>>,
    authority: String,
}

/// A response as it came.
#[derive(Debug)]
pub(crate) struct RawResponse {
    pub(crate) headers: HeaderMap,
    /// Each message with its flag, which is 1 when it is compressed.
    pub(crate) messages: Vec<(u8, Vec<u8>)>,
    pub(crate) trailers: HeaderMap,
}

impl RawConnection {
    /// Connects to an address such as `127.0.0.1:50051`, with or without `http://`.
    pub(crate) async fn open(address: &str) -> Self {
        Self::try_open(address).await.unwrap()
    }

    /// The same, where the server may refuse.
    pub(crate) async fn try_open(address: &str) -> Option<Self> {
        let authority = address.trim_start_matches("http://");
        Self::over(TcpStream::connect(authority).await.ok()?, authority).await
    }

    /// The same on a stream that is there.
    pub(crate) async fn over<S>(stream: S, authority: &str) -> Option<Self>
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let (sender, connection) = h2::client::handshake(stream).await.ok()?;
        let authority = authority.to_owned();
        Some(Self { sender, connection: tokio::spawn(connection), authority })
    }

    /// Posts JSON with the key; gives the status and the body of the answer.
    pub(crate) async fn post_json(&mut self, path: &str, json: &str) -> (u16, String) {
        let request = Request::post(format!("http://{}{path}", self.authority))
            .header("authorization", format!("Bearer {KEY}"))
            .body(())
            .unwrap();
        let mut sender = self.sender.clone().ready().await.unwrap();
        let (response, mut stream) = sender.send_request(request, false).unwrap();
        stream.send_data(Bytes::copy_from_slice(json.as_bytes()), true).unwrap();
        let (head, mut body) = response.await.unwrap().into_parts();

        let mut received = Vec::new();
        while let Some(data) = body.data().await {
            let data = data.unwrap();
            body.flow_control().release_capacity(data.len()).unwrap();
            received.extend_from_slice(&data);
        }
        (head.status.as_u16(), String::from_utf8(received).unwrap())
    }

    /// Waits until the server closes the connection.
    pub(crate) async fn closed(self) {
        // However it ends.
        let _ = self.connection.await;
        drop(self.sender);
    }

    /// Sends one message to a method and reads the whole response.
    pub(crate) async fn call(
        &mut self,
        path: &str,
        headers: &[(&str, &str)],
        message: &impl Message,
    ) -> RawResponse {
        self.try_call(path, headers, message).await.unwrap()
    }

    /// The same, where the connection may end.
    pub(crate) async fn try_call(
        &mut self,
        path: &str,
        headers: &[(&str, &str)],
        message: &impl Message,
    ) -> Option<RawResponse> {
        let frame = frame(0, &message.encode_to_vec());
        Some(self.try_send(path, headers, frame).await?.finish().await)
    }

    /// Sends a frame to a method; gives the response when its headers are there.
    pub(crate) async fn send(
        &mut self,
        path: &str,
        headers: &[(&str, &str)],
        frame: Vec<u8>,
    ) -> Responding {
        self.try_send(path, headers, frame).await.unwrap()
    }

    async fn try_send(
        &mut self,
        path: &str,
        headers: &[(&str, &str)],
        frame: Vec<u8>,
    ) -> Option<Responding> {
        let (response, mut stream) = self.begin(path, headers, false).await?;
        stream.send_data(frame.into(), true).ok()?;
        Responding::of(response).await
    }

    /// Starts a request to a method, or ends it with its headers. What follows is up to the caller.
    pub(crate) async fn begin(
        &self,
        path: &str,
        headers: &[(&str, &str)],
        is_end: bool,
    ) -> Option<(ResponseFuture, SendStream<Bytes>)> {
        let mut request = Request::post(format!("http://{}{path}", self.authority))
            .header("te", "trailers")
            .header("content-type", "application/grpc")
            .header("authorization", format!("Bearer {KEY}"));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(()).unwrap();
        let mut sender = self.sender.clone().ready().await.ok()?;
        sender.send_request(request, is_end).ok()
    }

    /// Breaks off the connection.
    pub(crate) fn cut(self) {
        self.connection.abort();
    }
}

/// A response whose body is still to be read.
pub(crate) struct Responding {
    pub(crate) headers: HeaderMap,
    body: h2::RecvStream,
    received: Vec<u8>,
}

impl Responding {
    /// A response, when its headers are there.
    pub(crate) async fn of(response: ResponseFuture) -> Option<Self> {
        let (parts, body) = response.await.ok()?.into_parts();
        Some(Self { headers: parts.headers, body, received: Vec::new() })
    }

    /// The next message with its flag.
    pub(crate) async fn message(&mut self) -> Option<(u8, Vec<u8>)> {
        loop {
            if let Some(message) = take_message(&mut self.received) {
                return Some(message);
            }
            let data = self.body.data().await?.unwrap();
            self.body.flow_control().release_capacity(data.len()).unwrap();
            self.received.extend_from_slice(&data);
        }
    }

    pub(crate) async fn finish(mut self) -> RawResponse {
        let mut messages = Vec::new();
        while let Some(message) = self.message().await {
            messages.push(message);
        }
        let trailers = self.body.trailers().await.unwrap().unwrap_or_default();
        RawResponse { headers: self.headers, messages, trailers }
    }
}

/// A message after its prefix.
pub(crate) fn frame(flag: u8, message: &[u8]) -> Vec<u8> {
    let length = u32::try_from(message.len()).unwrap().to_be_bytes();
    [&[flag], length.as_slice(), message].concat()
}

fn take_message(received: &mut Vec<u8>) -> Option<(u8, Vec<u8>)> {
    let (prefix, rest) = received.split_first_chunk::<5>()?;
    let length = usize::try_from(u32::from_be_bytes([prefix[1], prefix[2], prefix[3], prefix[4]]));
    let message = (prefix[0], rest.get(..length.unwrap())?.to_vec());
    received.drain(..5 + message.1.len());
    Some(message)
}
