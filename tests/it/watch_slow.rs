//! Watch: a client that does not take its changes.

use super::server_support::{Bearer, KEY, fresh_with, require, soon, touch};
use super::watch_support::{Watched, from};
use kilwa::proto::authzed::api::v1::watch_service_client::WatchServiceClient;
use std::time::Duration;
use tonic::Code;
use tonic::transport::Channel;

#[tokio::test]
async fn a_client_that_does_not_read_gets_an_error_and_no_gap() {
    let server = fresh_with(|config| {
        config.watch.buffer_length = 2;
        config.watch.write_timeout = Duration::from_millis(1);
    })
    .await;
    let start = server.touch(&["group:start#member@user:ann"]).await.unwrap();
    let id = |number: usize| format!("{}{number:08}", "d".repeat(1_000));
    // Little fits between the server and a client that does not read.
    let narrow = Channel::from_shared(server.address.clone()).unwrap();
    let narrow = narrow.initial_stream_window_size(65_535).connect().await.unwrap();
    let mut narrow = WatchServiceClient::with_interceptor(narrow, Bearer(KEY.to_owned()));
    let (mut writes, mut count, mut seen) = (30, 0, 0);
    let end = soon(async {
        loop {
            let slow = narrow.watch(from(Some(&start), &[])).await.unwrap();
            let mut slow = Watched(slow.into_inner());
            // The client looks elsewhere meanwhile, and longer from round to round.
            for _ in 0..writes {
                let many = (count..count + 100)
                    .map(|number| touch(&format!("document:{}#owner@user:ann", id(number))));
                server.write(many.collect()).await.unwrap();
                count += 100;
            }
            writes *= 2;
            seen = 0;
            while seen < count {
                match slow.next().await {
                    Ok(response) => {
                        for update in response.updates {
                            let resource = update.relationship.unwrap().resource.unwrap();
                            assert_eq!(resource.object_id, id(seen));
                            seen += 1;
                        }
                    }
                    Err(status) => return status,
                }
            }
        }
    })
    .await;
    require(&end, Code::ResourceExhausted, "", &[]);
    assert!(end.message().starts_with("watch disconnected"), "{end:?}");
    assert!(seen < count);
}
