//! A watch across a restart of its server: nothing is lost, nothing comes twice, and all of it comes in order.

use super::server_support::{Running, SCHEMA, config, soon, start, touch};
use super::watch_support::from;
use kilwa::proto::authzed::api::v1 as proto;
use tonic::Code;

/// How many updates one write has.
const PER_WRITE: usize = 1_000;

/// How many updates to write; more than usual when `KILWA_TEST_WATCH_UPDATES` says so.
#[expect(clippy::disallowed_methods, reason = "the one knob of the test, for long runs by hand")]
fn updates() -> usize {
    std::env::var("KILWA_TEST_WATCH_UPDATES").map_or(10_000, |count| count.parse().unwrap())
}

async fn write(server: &Running, numbers: std::ops::Range<usize>) {
    for first in numbers.step_by(PER_WRITE) {
        let many =
            (first..first + PER_WRITE).map(|n| touch(&format!("document:d{n}#owner@user:u")));
        server.write(many.collect()).await.unwrap();
    }
}

/// What a watcher has received, and the position from which it would resume.
#[derive(Default)]
struct Seen {
    numbers: Vec<usize>,
    token: Option<proto::ZedToken>,
}

impl Seen {
    /// Watches until as many have come as there are, or the server goes; says whether it went.
    async fn watch(&mut self, server: &Running, count: usize) -> bool {
        let mut watched = server.watch(from(self.token.as_ref(), &[])).await.unwrap();
        while self.numbers.len() < count {
            match watched.next().await {
                Ok(response) => self.take(response),
                Err(status) => {
                    assert_eq!(status.code(), Code::Unavailable, "{status:?}");
                    return true;
                }
            }
        }
        false
    }

    fn take(&mut self, response: proto::WatchResponse) {
        for update in response.updates {
            let id = update.relationship.unwrap().resource.unwrap().object_id;
            self.numbers.push(id.strip_prefix('d').unwrap().parse().unwrap());
        }
        self.token = response.changes_through;
    }
}

#[tokio::test]
async fn nothing_is_lost_and_nothing_comes_twice() {
    let dir = tempfile::tempdir().unwrap();
    let count = updates();
    let configured = || {
        let mut config = config(dir.path());
        // Enough for everything, so that no watcher counts as too slow.
        config.watch.buffer_length = 1_000_000;
        config
    };
    let server = start(configured()).await;
    let token = server.write_schema(SCHEMA).await.unwrap();
    let watchers = [(); 2].map(|()| Seen { token: Some(token.clone()), ..Seen::default() });
    let [mut one, mut two] = watchers;
    // The server goes while one watcher is behind and the other waits for more.
    let (written, one_gone, two_gone) = tokio::join!(
        write(&server, 0..count / 2),
        one.watch(&server, count / 4),
        two.watch(&server, count / 2),
    );
    assert_eq!((written, one_gone, two_gone), ((), false, false));
    let mut behind = server.watch(from(one.token.as_ref(), &[])).await.unwrap();
    one.take(behind.next().await.unwrap());
    let mut idle = server.watch(from(two.token.as_ref(), &[])).await.unwrap();
    soon(server.stop()).await.unwrap();
    for watched in [&mut behind, &mut idle] {
        assert_eq!(watched.end().await.code(), Code::Unavailable);
    }

    let server = start(configured()).await;
    let (written, one_gone, two_gone) = tokio::join!(
        write(&server, count / 2..count),
        one.watch(&server, count),
        two.watch(&server, count),
    );
    assert_eq!((written, one_gone, two_gone), ((), false, false));
    let all: Vec<_> = (0..count).collect();
    assert!(one.numbers == all && two.numbers == all);
}
