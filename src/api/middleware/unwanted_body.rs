//! Request bodies that are not wanted.

use http_body::Body;
use std::future::poll_fn;
use std::pin::Pin;
use std::time::Duration;
use tokio::time::timeout;
use tonic::codegen::Bytes;

/// The most bytes that are received of one.
const BYTES_MAX: usize = 4 << 20;
/// The longest time for that.
const TIME_MAX: Duration = Duration::from_secs(5);

/// Receives and drops the rest of a request body of usual size, and then the body itself.
///
/// A response before the end of its request resets the stream of HTTP/2. Connections with many reset streams are closed,
/// with the other calls on them, and many clients discard the response that they already have.
pub async fn discard_rest<B: Body<Data = Bytes> + Unpin>(mut body: B) {
    let receive = async {
        let mut received = 0;
        while received < BYTES_MAX {
            let frame = poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await;
            let Some(Ok(frame)) = frame else { return };
            received += frame.data_ref().map_or(0, Bytes::len);
        }
    };
    // Elapsed or not, no caller waits for it.
    let _ = timeout(TIME_MAX, receive).await;
}
