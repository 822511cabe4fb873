//! The body of a request, as far as limits allow.

use super::failure::Failure;
use super::options::HttpOptions;
use http_body::Body;
use std::error::Error;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tonic::codegen::Bytes;

/// How much of the bodies of requests is held, and how long is waited for it.
#[derive(Clone, Debug)]
pub(super) struct BodyLimits {
    bytes_max: usize,
    /// The flag that sets it, if one does.
    flag: Option<&'static str>,
    idle_max: Duration,
    /// A permit for each byte that is held.
    budget: Arc<Semaphore>,
}

impl BodyLimits {
    /// The limits of the options.
    pub(super) fn new(options: &HttpOptions) -> Self {
        let permits = options.bodies_bytes_max.min(Semaphore::MAX_PERMITS);
        Self {
            bytes_max: options.body_bytes_max,
            flag: Some("--http-max-body-size"),
            idle_max: options.body_idle_max,
            budget: Arc::new(Semaphore::new(permits)),
        }
    }

    fn too_large(&self) -> Failure {
        Failure::body_too_large(self.bytes_max, self.flag)
    }
}

/// A body that has not been read yet.
#[derive(Debug)]
pub(super) struct RequestBody<B> {
    body: B,
    limits: BodyLimits,
}

/// A body that has been read. It counts against the budget until it is dropped.
#[derive(Debug)]
pub(super) struct BodyText {
    bytes: Vec<u8>,
    memory: Option<OwnedSemaphorePermit>,
}

impl BodyText {
    /// The bytes of the body.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    fn append(&mut self, data: &[u8], limits: &BodyLimits) -> Result<(), Failure> {
        if data.len() > limits.bytes_max.saturating_sub(self.bytes.len()) {
            return Err(limits.too_large());
        }
        let count = u32::try_from(data.len()).map_err(|_| Failure::bodies_too_large())?;
        let permit = Arc::clone(&limits.budget).try_acquire_many_owned(count);
        let permit = permit.map_err(|_| Failure::bodies_too_large())?;
        match &mut self.memory {
            Some(memory) => memory.merge(permit),
            None => self.memory = Some(permit),
        }
        self.bytes.extend_from_slice(data);
        Ok(())
    }
}

impl<B> RequestBody<B>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    /// A body under these limits.
    pub(super) fn new(body: B, limits: &BodyLimits) -> Self {
        Self { body, limits: limits.clone() }
    }

    /// The same with at most so many bytes, if the limits allow more.
    pub(super) fn at_most(mut self, bytes_max: usize) -> Self {
        if bytes_max < self.limits.bytes_max {
            self.limits.bytes_max = bytes_max;
            self.limits.flag = None;
        }
        self
    }

    /// Reads it to its end. Each part of it has to come within the idle time.
    pub(super) async fn read(mut self) -> Result<BodyText, Failure> {
        let limits = &self.limits;
        let announced = usize::try_from(self.body.size_hint().lower()).unwrap_or(usize::MAX);
        if announced > limits.bytes_max {
            return Err(limits.too_large());
        }
        let mut text = BodyText { bytes: Vec::new(), memory: None };
        loop {
            let frame = poll_fn(|context| Pin::new(&mut self.body).poll_frame(context));
            let Ok(frame) = tokio::time::timeout(limits.idle_max, frame).await else {
                return Err(Failure::body_too_slow());
            };
            let Some(frame) = frame else { return Ok(text) };
            let frame = frame.map_err(|error| Failure::broken_body(error.into()))?;
            if let Ok(data) = frame.into_data() {
                text.append(&data, limits)?;
            }
        }
    }
}
