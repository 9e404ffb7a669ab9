//! A stream's metadata as the client writes and reads it.

use eventstore::{
    AppendToStreamOptions, Error, ReadStreamOptions, StreamMetadataBuilder, StreamMetadataResult,
    StreamState, TombstoneStreamOptions,
};

use super::{append, every_server, unique};

#[tokio::test]
async fn metadata_comes_back_as_it_was_set() {
    every_server(async |client| {
        let stream = unique("described");
        let found = client.get_stream_metadata(&*stream, &Default::default()).await.unwrap();
        assert!(found.is_not_found(), "{found:?}");
        for version in 0..3 {
            let metadata = StreamMetadataBuilder::new()
                .max_count(7 + version)
                .insert_custom_property("ours", version)
                .build();
            client.set_stream_metadata(&*stream, &Default::default(), &metadata).await.unwrap();
            let found = client.get_stream_metadata(&*stream, &Default::default()).await.unwrap();
            let StreamMetadataResult::Success(found) = found else { panic!("{found:?}") };
            assert_eq!((found.version(), found.metadata()), (version, &metadata));
        }
        let late = AppendToStreamOptions::default().stream_state(StreamState::StreamRevision(0));
        let metadata = StreamMetadataBuilder::new().build();
        client.set_stream_metadata(&*stream, &late, &metadata).await.unwrap_err();
    })
    .await;
}

#[tokio::test]
async fn metadata_truncates_a_stream() {
    every_server(async |client| {
        let stream = unique("described");
        for _ in 0..5 {
            append(&client, &stream, "happened").await;
        }
        let metadata = StreamMetadataBuilder::new().max_count(2).build();
        client.set_stream_metadata(&*stream, &Default::default(), &metadata).await.unwrap();
        let mut read = client.read_stream(&*stream, &ReadStreamOptions::default()).await.unwrap();
        assert_eq!(read.next().await.unwrap().unwrap().event.unwrap().revision, 3);
    })
    .await;
}

#[tokio::test]
async fn metadata_of_a_stream_deleted_for_good_is_deleted() {
    every_server(async |client| {
        let stream = unique("described");
        client.tombstone_stream(&*stream, &TombstoneStreamOptions::default()).await.unwrap();
        match client.get_stream_metadata(&*stream, &Default::default()).await {
            // The client says it in one way or the other, by when the server does.
            Ok(StreamMetadataResult::Deleted) | Err(Error::ResourceDeleted) => {}
            other => panic!("{other:?}"),
        }
    })
    .await;
}
