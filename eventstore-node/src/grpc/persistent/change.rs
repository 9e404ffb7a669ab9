//! Create and Update.

use std::time::Duration;

use tonic::Status;

use super::status;
use crate::grpc::filter;
use crate::grpc::wire::{
    AllOption, ChangeGroupOptions, ChangeGroupReq, ChangeTarget, CheckpointAfter, Empty, FilterOptions,
    GroupFilter, MessageTimeout, RevisionOption, Settings, stream_name,
};
use crate::persistent::{
    FilterDefinition, GroupKey, GroupSettings, Pattern, PersistentSubscriptions, Source, Start, Strategy,
};

/// Nanoseconds of a tick.
const TICK: u64 = 100;

/// Makes a group.
pub(super) async fn create(
    groups: &PersistentSubscriptions,
    request: ChangeGroupReq,
) -> Result<Empty, Status> {
    let change = Change::new(request)?;
    let created = groups.create(change.source, &change.key.group, change.start, change.settings).await;
    created.map(|()| Empty {}).map_err(|error| status::of(error, &change.key))
}

/// Changes a group.
pub(super) async fn update(
    groups: &PersistentSubscriptions,
    request: ChangeGroupReq,
) -> Result<Empty, Status> {
    let change = Change::new(request)?;
    let updated = groups.update(&change.key, change.start, change.settings).await;
    updated.map(|()| Empty {}).map_err(|error| status::of(error, &change.key))
}

/// What a group is to be.
struct Change {
    key: GroupKey,
    source: Source,
    start: Start,
    settings: GroupSettings,
}

impl Change {
    fn new(request: ChangeGroupReq) -> Result<Self, Status> {
        let ChangeGroupOptions { target, stream_identifier, group_name, settings } =
            request.options.ok_or_else(|| missing("options"))?;
        let settings = settings.ok_or_else(|| missing("settings"))?;
        let (key, source, start) = match target {
            Some(ChangeTarget::Stream(stream)) => {
                let name = stream_name(stream.stream_identifier.as_ref())?;
                let start = match stream.revision.ok_or_else(|| missing("revision_option"))? {
                    RevisionOption::Revision(revision) => Start::At(revision),
                    RevisionOption::Start(_) => Start::Start,
                    RevisionOption::End(_) => Start::End,
                };
                (GroupKey::on_stream(&name, &group_name), Source::Stream(name), start)
            }
            Some(ChangeTarget::All(all)) => {
                let start = match all.from.ok_or_else(|| missing("all_option"))? {
                    AllOption::Position(position) => Start::At(position.read()?),
                    AllOption::Start(_) => Start::Start,
                    AllOption::End(_) => Start::End,
                };
                let filter = match all.filter {
                    Some(GroupFilter::Filter(filter)) => Some(definition(&filter)?),
                    Some(GroupFilter::NoFilter(_)) | None => None,
                };
                (GroupKey::on_all(&group_name), Source::All { filter }, start)
            }
            None => {
                let name = stream_name(stream_identifier.as_ref())?;
                let start =
                    if settings.revision == u64::MAX { Start::End } else { Start::At(settings.revision) };
                (GroupKey::on_stream(&name, &group_name), Source::Stream(name), start)
            }
        };
        let settings = group_settings(&settings).map_err(|reason| status::failed(&key, &reason))?;
        Ok(Self { key, source, start, settings })
    }
}

fn definition(options: &FilterOptions) -> Result<FilterDefinition, Status> {
    let (by, expression) = filter::subject(options)?;
    let pattern = match (&expression.regex, &expression.prefix) {
        (regex, _) if !regex.is_empty() => Pattern::Regex(regex.clone()),
        (_, prefixes) if !prefixes.is_empty() => Pattern::Prefixes(prefixes.clone()),
        _ => return Err(Status::invalid_argument("The filter has neither a regex nor a prefix.")),
    };
    Ok(FilterDefinition { by, pattern })
}

/// Err: why these are no settings.
fn group_settings(settings: &Settings) -> Result<GroupSettings, String> {
    let count =
        |what, value: i32| u32::try_from(value).map_err(|_| format!("{what} must not be negative: {value}"));
    let message_timeout = match settings.message_timeout.unwrap_or(MessageTimeout::Millis(0)) {
        MessageTimeout::Ticks(ticks) => ticks_time("the message timeout", ticks)?,
        MessageTimeout::Millis(millis) => millis_time("the message timeout", millis)?,
    };
    let checkpoint_after = match settings.checkpoint_after.unwrap_or(CheckpointAfter::Millis(0)) {
        CheckpointAfter::Ticks(ticks) => ticks_time("the time between checkpoints", ticks)?,
        CheckpointAfter::Millis(millis) => millis_time("the time between checkpoints", millis)?,
    };
    let strategy = match (&*settings.consumer_strategy, settings.named_consumer_strategy) {
        ("", 0) => Strategy::DispatchToSingle,
        ("", 1) => Strategy::RoundRobin,
        ("", 2) => Strategy::Pinned,
        ("", number) => return Err(format!("Consumer strategy {number} does not exist.")),
        (name, _) => {
            Strategy::named(name).ok_or_else(|| format!("Consumer strategy {name} does not exist."))?
        }
    };
    Ok(GroupSettings {
        resolve_links: settings.resolve_links,
        extra_statistics: settings.extra_statistics,
        message_timeout,
        max_retry_count: count("the retry count", settings.max_retry_count)?,
        checkpoint_after,
        min_checkpoint_count: count("the least checkpoint count", settings.min_checkpoint_count)?,
        max_checkpoint_count: count("the greatest checkpoint count", settings.max_checkpoint_count)?,
        max_subscriber_count: count("the subscriber count", settings.max_subscriber_count)?,
        live_buffer_size: count("the live buffer size", settings.live_buffer_size)?,
        read_batch_size: count("the read batch size", settings.read_batch_size)?,
        history_buffer_size: count("the history buffer size", settings.history_buffer_size)?,
        strategy,
    })
}

fn ticks_time(what: &str, ticks: i64) -> Result<Duration, String> {
    let ticks = u64::try_from(ticks).map_err(|_| format!("{what} must not be negative: {ticks} ticks"))?;
    Ok(Duration::from_nanos(ticks.saturating_mul(TICK)))
}

fn millis_time(what: &str, millis: i32) -> Result<Duration, String> {
    let millis = u64::try_from(millis).map_err(|_| format!("{what} must not be negative: {millis} ms"))?;
    Ok(Duration::from_millis(millis))
}

fn missing(field: &str) -> Status {
    Status::invalid_argument(format!("Required field {field} is missing."))
}
