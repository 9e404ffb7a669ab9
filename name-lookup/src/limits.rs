//! Every bound of this crate.

use std::time::Duration;

/// Look-ups under way, each of another name; others wait for a place within their time, names that are remembered aside. Each is two sockets
/// at most name servers.
pub const LOOKUPS_MAX: usize = 1_024;
/// How long a look-up may take, whatever it takes.
pub const LOOKUP_TIME_MAX: Duration = Duration::from_secs(5);
/// How long a name server may take to answer before it, or another, is asked again.
pub const ANSWER_TIME_MAX: Duration = Duration::from_secs(2);
/// How often it is asked again. An answer of one kind waits for the other kind's, or for its last attempt: all of them must end
/// within [`LOOKUP_TIME_MAX`].
pub const ATTEMPTS_MAX: usize = 1;
/// Answers that are remembered; the least used go first.
pub const REMEMBERED_MAX: usize = 4_096;
/// For how long at most, whatever their owners say.
pub const REMEMBERED_FOR_MAX: Duration = Duration::from_secs(5 * 60);
/// The same for "there is no such name".
pub const UNKNOWN_FOR_MAX: Duration = Duration::from_secs(30);
