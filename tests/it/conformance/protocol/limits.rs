//! What is too large.

use bytes::Bytes;
use eventstore::{Error, EventData};

use super::{append, every_server, unique};

/// More than any server takes in one append: EventStoreDB up to 25.0 takes 1 MiB, the protocol 16 MiB.
const TOO_LARGE: usize = 17 * 1024 * 1024;

#[tokio::test]
async fn an_append_that_is_too_large_is_refused_and_harms_nobody() {
    every_server(async |client| {
        let stream = unique("large");
        let large = EventData::binary("large", Bytes::from(vec![7; TOO_LARGE]));
        let answer = client.append_to_stream(&*stream, &Default::default(), large).await;
        assert!(answer.is_err(), "{answer:?}");
        assert_eq!(append(&client, &stream, "small").await.next_expected_version, 0);
    })
    .await;
}

#[tokio::test]
async fn an_append_over_the_bound_of_the_store_is_refused_as_such() {
    every_server(async |client| {
        // In several events: newer servers bound each one, and all of them higher.
        let stream = unique("large");
        let events: Vec<_> =
            (0..3).map(|_| EventData::binary("large", Bytes::from(vec![7; 500 * 1024]))).collect();
        match client.append_to_stream(&*stream, &Default::default(), events).await {
            Err(Error::Grpc { message, .. }) => assert!(message.contains("Maximum Append Size"), "{message}"),
            Ok(written) => assert_eq!(written.next_expected_version, 2),
            Err(error) => panic!("{error:?}"),
        }
        append(&client, &stream, "small").await;
    })
    .await;
}
