//! Waits until a server has sent something, or until a time.

use super::http2::{Http2Connection, Http2Error};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use std::time::Duration;

/// Waits for at most so long; says of each connection whether something can be read.
pub(super) fn wait_for_input<'c>(
    connections: impl Iterator<Item = &'c Http2Connection>,
    has_output: impl Fn(usize) -> bool,
    timeout: Duration,
    ready: &mut Vec<bool>,
) -> Result<(), Http2Error> {
    let mut sockets: Vec<PollFd<'_>> = connections
        .enumerate()
        .map(|(position, connection)| {
            let output = if has_output(position) { PollFlags::OUT } else { PollFlags::empty() };
            PollFd::new(connection.socket(), PollFlags::IN | output)
        })
        .collect();
    let timeout = Timespec::try_from(timeout).ok();
    match poll(&mut sockets, timeout.as_ref()) {
        Ok(_) | Err(Errno::INTR) => {}
        Err(error) => return Err(std::io::Error::from(error).into()),
    }

    ready.clear();
    // An error of a socket is found by reading it.
    let other = PollFlags::ERR | PollFlags::HUP;
    ready.extend(sockets.iter().map(|socket| socket.revents().intersects(PollFlags::IN | other)));
    Ok(())
}
