//! What a client asks Read for, checked: only some combinations of its options make sense.

use std::sync::Arc;

use tonic::Status;

use super::resolve::Shape;
use crate::event::{AllFrom, Direction, Position, StreamFrom};
use crate::grpc::filter::Filter;
use crate::grpc::wire::{
    AllOption, FilterOption, ReadCount, ReadOptions, ReadReq, ReadSource, RevisionOption, stream_name,
};

/// A request that makes sense.
#[derive(Debug)]
pub(crate) struct ReadRequest {
    pub(crate) what: What,
    pub(crate) shape: Shape,
    /// The client wants to hear the stream's first and last revisions.
    pub(crate) wants_bounds: bool,
}

/// What is to be read.
#[derive(Debug)]
pub(crate) enum What {
    /// Some events of a stream.
    Stream { stream: Arc<str>, from: StreamFrom, direction: Direction, count: u64 },
    /// Some events of the log.
    All { from: AllFrom, direction: Direction, count: u64, filter: Option<Filter> },
    /// A stream's events after a place, for ever.
    FollowStream { stream: Arc<str>, after: After<u64> },
    /// The log's events after a place, for ever.
    FollowAll { after: After<Position>, filter: Option<Filter> },
}

/// Where a subscription begins.
#[derive(Clone, Copy, Debug)]
pub(crate) enum After<T> {
    /// Before everything.
    Nothing,
    /// Behind this place, which need not be there yet.
    Place(T),
    /// Behind everything there is now.
    Everything,
}

impl ReadRequest {
    /// Checks a request.
    pub(crate) fn new(request: ReadReq) -> Result<Self, Status> {
        let options = request.options.unwrap_or_default();
        let uuids = options
            .uuid_option
            .and_then(|option| option.content)
            .ok_or_else(|| Status::invalid_argument("Required field uuid_option is missing."))?;
        Ok(Self {
            shape: Shape { resolve_links: options.resolve_links, uuids },
            wants_bounds: options.control_option.is_some_and(|control| control.compatibility >= 1),
            what: What::new(&options)?,
        })
    }
}

impl What {
    fn new(options: &ReadOptions) -> Result<Self, Status> {
        let direction = match options.read_direction {
            0 => Direction::Forward,
            1 => Direction::Backward,
            _ => return Err(invalid(options)),
        };
        let filter = match &options.filter {
            Some(FilterOption::NoFilter(_)) => None,
            Some(FilterOption::Filter(filter)) => Some(filter),
            None => return Err(invalid(options)),
        };
        match (&options.source, options.count, direction, filter) {
            (Some(ReadSource::Stream(source)), Some(count), _, None) => {
                let stream = stream_name(source.stream_identifier.as_ref())?;
                let from = source.revision.ok_or_else(|| missing("revision_option"))?;
                match (count, direction) {
                    (ReadCount::Count(count), _) => {
                        Ok(Self::Stream { stream, from: from.into(), direction, count })
                    }
                    (ReadCount::Subscription(_), Direction::Forward) => {
                        Ok(Self::FollowStream { stream, after: from.into() })
                    }
                    (ReadCount::Subscription(_), Direction::Backward) => Err(invalid(options)),
                }
            }
            (Some(ReadSource::All(source)), Some(count), _, filter) => {
                let from = source.from.ok_or_else(|| missing("all_option"))?;
                let filter = filter.map(Filter::new).transpose()?;
                match (count, direction) {
                    (ReadCount::Count(count), _) => {
                        Ok(Self::All { from: all_from(from)?, direction, count, filter })
                    }
                    (ReadCount::Subscription(_), Direction::Forward) => {
                        Ok(Self::FollowAll { after: all_after(from)?, filter })
                    }
                    (ReadCount::Subscription(_), Direction::Backward) => Err(invalid(options)),
                }
            }
            _ => Err(invalid(options)),
        }
    }
}

impl From<RevisionOption> for StreamFrom {
    fn from(option: RevisionOption) -> Self {
        match option {
            RevisionOption::Revision(revision) => Self::Revision(revision),
            RevisionOption::Start(_) => Self::Start,
            RevisionOption::End(_) => Self::End,
        }
    }
}

impl From<RevisionOption> for After<u64> {
    fn from(option: RevisionOption) -> Self {
        match option {
            RevisionOption::Revision(revision) => Self::Place(revision),
            RevisionOption::Start(_) => Self::Nothing,
            RevisionOption::End(_) => Self::Everything,
        }
    }
}

fn all_from(option: AllOption) -> Result<AllFrom, Status> {
    Ok(match option {
        AllOption::Position(position) => AllFrom::Position(position.read()?),
        AllOption::Start(_) => AllFrom::Start,
        AllOption::End(_) => AllFrom::End,
    })
}

fn all_after(option: AllOption) -> Result<After<Position>, Status> {
    Ok(match option {
        AllOption::Position(position) => After::Place(position.read()?),
        AllOption::Start(_) => After::Nothing,
        AllOption::End(_) => After::Everything,
    })
}

fn missing(field: &str) -> Status {
    Status::invalid_argument(format!("Required field {field} is missing."))
}

fn invalid(options: &ReadOptions) -> Status {
    let source = match options.source {
        Some(ReadSource::Stream(_)) => "Stream",
        Some(ReadSource::All(_)) => "All",
        None => "None",
    };
    let count = match options.count {
        Some(ReadCount::Count(_)) => "Count",
        Some(ReadCount::Subscription(_)) => "Subscription",
        None => "None",
    };
    let direction = match options.read_direction {
        0 => "Forwards".to_owned(),
        1 => "Backwards".to_owned(),
        other => other.to_string(),
    };
    let filter = match options.filter {
        Some(FilterOption::Filter(_)) => "Filter",
        Some(FilterOption::NoFilter(_)) => "NoFilter",
        None => "None",
    };
    Status::invalid_argument(format!(
        "The combination of ({source}, {count}, {direction}, {filter}) is invalid."
    ))
}
