//! How many processors the server has.

use std::num::NonZero;
use std::thread::available_parallelism;

/// The processors of this machine that the server may use. For the start of something: it reads the limits of the control group
/// from files.
pub(crate) fn processors() -> usize {
    available_parallelism().map_or(1, NonZero::get)
}
