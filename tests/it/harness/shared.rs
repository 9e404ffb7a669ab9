//! The one daybook of all journeys that harm nobody. It starts with the first of them and stops with the last.

use std::sync::{Arc, Weak};

use tokio::sync::Mutex;

use super::Daybook;

static SHARED: Mutex<Weak<Daybook>> = Mutex::const_new(Weak::new());

/// Others work on it at the same time: open accounts of your own, and say nothing about all of them. Hold it while you need it:
/// with the last holder it stops.
pub(crate) async fn shared() -> Arc<Daybook> {
    let mut shared = SHARED.lock().await;
    if let Some(daybook) = shared.upgrade() {
        return daybook;
    }
    let daybook = Arc::new(Daybook::start().await);
    *shared = Arc::downgrade(&daybook);
    daybook
}
