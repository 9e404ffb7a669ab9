//! What the journeys travel on: a real daybook in its own process, on its own disk, with its own Postgres, asked by HTTP.

mod bank;
mod client;
mod daybook;
mod divided;
mod endpoint;
mod held;
mod log;
mod months;
mod ports;
mod program;
mod proxy;
mod redis;
mod s3;
mod separate;
mod shared;
mod small_disk;
mod wait;
mod witness;

pub(crate) use bank::{cents, euros};
pub(crate) use client::{Answer, Client, POSITION, text};
pub(crate) use daybook::{Daybook, scratch};
pub(crate) use divided::Divided;
pub(crate) use endpoint::{Certificate, Endpoint, Post, Reply};
pub(crate) use held::{HeldRebuilds, Live};
pub(crate) use log::{last_event, log_client};
pub(crate) use months::months;
pub(crate) use ports::free_address;
pub(crate) use program::{Program, begin, begin_within, run, run_within};
pub(crate) use proxy::{Line, Proxy, Target};
pub(crate) use redis::Redis;
pub(crate) use s3::{Read, S3};
pub(crate) use separate::{Separate, node};
pub(crate) use shared::shared;
pub(crate) use small_disk::SmallDisk;
pub(crate) use wait::until;
pub(crate) use witness::Exchange;
