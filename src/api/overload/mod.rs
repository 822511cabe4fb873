//! Overload protection: calls beyond what the server can answer in time are refused early and cheaply.
//!
//! The limit of calls in progress follows the time for which calls wait: in their connection, for their turn on the threads that
//! receive them, for a free worker, and for the processor. It is additive increase, multiplicative decrease (AIMD) with that waiting time as the
//! signal of congestion. Unlike the duration of calls, it is the same for short and for long ones, so a limit that
//! follows it needs to know nothing about the mix of methods.

mod arrival;
mod backlog;
mod caller_load;
mod limiter;
mod options;
mod processors;
mod queue_probe;
mod refusal_time;
mod scheduling_delay;
mod waiting;
mod work_load;

pub use arrival::{CallArrival, ConnectionCaller};
pub(crate) use caller_load::CallerLoads;
pub use limiter::OverloadStatus;
pub(crate) use limiter::{AdmittedCall, CallTurn, ConcurrencyLimiter};
pub use options::OverloadOptions;
pub(crate) use processors::processors;
pub(crate) use scheduling_delay::SchedulingDelay;
pub(crate) use work_load::WorkInProgress;
