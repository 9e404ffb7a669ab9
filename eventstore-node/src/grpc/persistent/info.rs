//! GetInfo and List.

use tonic::Status;

use super::{key, status};
use crate::grpc::wire::{
    ConnectionInfo, ListReq, ListResp, ListWhat, Measurement, StreamOrAll, SubscriptionInfo,
};
use crate::persistent::{ConsumerInfo, GroupInfo, PersistentSubscriptions};

/// Figures of all groups, or of those on a stream or the whole log.
pub(super) async fn list(groups: &PersistentSubscriptions, request: ListReq) -> Result<ListResp, Status> {
    let what = request.options.and_then(|options| options.what);
    let target: Option<StreamOrAll> = match what {
        Some(ListWhat::Everything(_)) => None,
        Some(ListWhat::Of(of)) => Some(
            of.target.ok_or_else(|| Status::invalid_argument("Required field stream_option is missing."))?,
        ),
        None => return Err(Status::invalid_argument("Required field list_option is missing.")),
    };
    let infos = match target {
        None => groups.list(None).await.map_err(status::of_all)?,
        target => {
            let key = key::of(target, "")?;
            groups.list(Some(&key.source)).await.map_err(|error| status::of(error, &key))?
        }
    };
    Ok(ListResp { subscriptions: infos.into_iter().map(message).collect() })
}

/// Figures of a group as they go to a client.
pub(super) fn message(info: GroupInfo) -> SubscriptionInfo {
    let settings = info.settings;
    SubscriptionInfo {
        event_source: info.key.source.to_string(),
        group_name: info.key.group.to_string(),
        status: info.status,
        connections: info.consumers.into_iter().map(connection).collect(),
        average_per_second: small(info.average_per_second),
        total_items: large(info.total_items),
        count_since_last_measurement: large(info.count_since_last_measurement),
        last_checkpointed_event_position: info.last_checkpointed.unwrap_or_default(),
        last_known_event_position: info.last_known.unwrap_or_default(),
        resolve_link_tos: settings.resolve_links,
        start_from: info.start_from,
        message_timeout_milliseconds: small(settings.message_timeout.as_millis()),
        extra_statistics: settings.extra_statistics,
        max_retry_count: small(settings.max_retry_count),
        live_buffer_size: small(settings.live_buffer_size),
        buffer_size: small(settings.history_buffer_size),
        read_batch_size: small(settings.read_batch_size),
        check_point_after_milliseconds: small(settings.checkpoint_after.as_millis()),
        min_check_point_count: small(settings.min_checkpoint_count),
        max_check_point_count: small(settings.max_checkpoint_count),
        read_buffer_count: small(info.read_buffer_count),
        live_buffer_count: large(info.live_buffer_count as u64),
        retry_buffer_count: small(info.retry_buffer_count),
        total_in_flight_messages: small(info.in_flight),
        outstanding_messages_count: small(info.outstanding),
        named_consumer_strategy: settings.strategy.name().to_owned(),
        max_subscriber_count: small(settings.max_subscriber_count),
        parked_message_count: large(info.parked),
    }
}

fn connection(info: ConsumerInfo) -> ConnectionInfo {
    let measurement = |(key, value)| Measurement { key, value };
    ConnectionInfo {
        from: info.about.from,
        username: info.about.username,
        average_items_per_second: small(info.average_per_second),
        total_items: large(info.total_items),
        count_since_last_measurement: large(info.count_since_last_measurement),
        observed_measurements: info.measurements.into_iter().map(measurement).collect(),
        available_slots: small(info.available_slots),
        in_flight_messages: small(info.in_flight),
        connection_name: info.about.connection_name,
    }
}

fn small(number: impl TryInto<i32>) -> i32 {
    number.try_into().unwrap_or(i32::MAX)
}

fn large(number: u64) -> i64 {
    number.try_into().unwrap_or(i64::MAX)
}
