//! Ids: 63-bit snowflakes, unique without asking anybody.
//!
//! Layout, from the high bit: 41 bits of milliseconds since [`EPOCH_MS`] (enough until 2094), 10 bits of worker,
//! 12 bits of sequence. In JSON and GraphQL an id is a decimal string: 63 bits do not survive a JavaScript number.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;
use std::sync::atomic::{AtomicU64, Ordering};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// 2025-01-01T00:00:00Z in milliseconds since the UNIX epoch: where snowflake time begins.
pub const EPOCH_MS: u64 = 1_735_689_600_000;
/// The greatest worker number.
pub const WORKER_MAX: u16 = (1 << WORKER_BITS) - 1;

const WORKER_BITS: u32 = 10;
const SEQUENCE_BITS: u32 = 12;
const SEQUENCE_MASK: u64 = (1 << SEQUENCE_BITS) - 1;
const TIME_MASK: u64 = (1 << 41) - 1;

/// Makes snowflakes for one worker; share it between threads.
#[derive(Debug)]
pub struct Snowflakes {
    worker: u64,
    /// Milliseconds since the epoch and sequence, without the worker's bits between: the next id is a plain +1.
    last: AtomicU64,
}

impl Snowflakes {
    /// A generator for `worker` (0 to [`WORKER_MAX`]; `None` above). Ids will lie after `floor_ms` (milliseconds since the UNIX
    /// epoch): give the newest time known to be used, such as the last event's, so that a clock set back while the
    /// process was down cannot make an id twice.
    #[must_use]
    pub fn try_new(worker: u16, floor_ms: u64) -> Option<Self> {
        let floor = floor_ms.saturating_sub(EPOCH_MS).saturating_add(1) << SEQUENCE_BITS;
        (worker <= WORKER_MAX).then(|| Self { worker: u64::from(worker), last: AtomicU64::new(floor) })
    }

    /// The next id, given the time in milliseconds since the UNIX epoch.
    ///
    /// Strictly increasing whatever the clock does: when it stands still or goes back, or more than 4,096 ids are asked for in one
    /// millisecond, ids are taken from the milliseconds that follow the last one used.
    pub fn next(&self, now_ms: u64) -> i64 {
        let now = (now_ms.saturating_sub(EPOCH_MS) & TIME_MASK) << SEQUENCE_BITS;
        let advance = |last: u64| last.saturating_add(1).max(now);
        let last = self
            .last
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |last| Some(advance(last)))
            .unwrap_or_else(|last| last);
        let time_and_sequence = advance(last);
        let time = (time_and_sequence >> SEQUENCE_BITS) & TIME_MASK;
        let id = (time << (WORKER_BITS + SEQUENCE_BITS))
            | (self.worker << SEQUENCE_BITS)
            | (time_and_sequence & SEQUENCE_MASK);
        id.cast_signed()
    }
}

impl Snowflakes {
    /// The time of the last id, in milliseconds since the UNIX epoch. Ids may run ahead of the clock.
    #[must_use]
    pub fn last_ms(&self) -> u64 {
        (self.last.load(Ordering::Relaxed) >> SEQUENCE_BITS).saturating_add(EPOCH_MS)
    }
}

/// Why a text is not an id.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is not an id: a decimal number from 1 to 9223372036854775807")]
pub struct IdError(String);

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(i64);

        impl $name {
            /// The id of a positive number.
            #[must_use]
            pub const fn from_i64(id: i64) -> Option<Self> {
                if id > 0 { Some(Self(id)) } else { None }
            }

            /// The number, positive.
            #[must_use]
            pub const fn as_i64(self) -> i64 {
                self.0
            }

            /// When it was made, in milliseconds since the UNIX epoch. Ids may run ahead of the clock.
            #[must_use]
            pub const fn made_at_ms(self) -> u64 {
                (self.0.cast_unsigned() >> (WORKER_BITS + SEQUENCE_BITS)).saturating_add(EPOCH_MS)
            }

            /// A new id; see [`Snowflakes::next`].
            pub fn generate(snowflakes: &Snowflakes, now_ms: u64) -> Self {
                Self(snowflakes.next(now_ms))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({})", stringify!($name), self.0)
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                let plain = !text.starts_with('0') && text.bytes().all(|byte| byte.is_ascii_digit());
                plain
                    .then(|| text.parse().ok())
                    .flatten()
                    .and_then(Self::from_i64)
                    .ok_or_else(|| IdError(text.chars().take(40).collect()))
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                Cow::<str>::deserialize(deserializer)?.parse().map_err(de::Error::custom)
            }
        }

        impl JsonSchema for $name {
            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({ "type": "string", "pattern": "^[1-9][0-9]{0,18}$" })
            }
        }
    };
}

id!(
    /// An account's id. Those below 2^22 are reserved for settlement accounts; see [`crate::settlement`].
    AccountId
);
id!(
    /// A transfer's id.
    TransferId
);
impl AccountId {
    /// An id below every snowflake, for [`crate::settlement`].
    pub(crate) const fn reserved(number: u16) -> Self {
        Self(if number == 0 { 1 } else { number as i64 })
    }
}

id!(
    /// A user's id.
    UserId
);

id!(
    /// A webhook's id.
    WebhookId
);

#[cfg(test)]
#[path = "id_tests.rs"]
mod tests;
