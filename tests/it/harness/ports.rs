//! Ports that a program finds free again when it restarts.

use std::net::TcpListener;
use std::sync::atomic::{AtomicU32, Ordering};

/// Below those that systems give to whoever asks for any.
const PORTS: std::ops::Range<u16> = 21_130..29_130;

/// An address on loopback that nobody else has.
pub(crate) fn free_address() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let width = u32::from(PORTS.end - PORTS.start);
    loop {
        // Another number for each test of this process, and most likely for other processes of tests.
        let number = std::process::id().wrapping_mul(37).wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed));
        let address = format!("127.0.0.1:{}", PORTS.start + u16::try_from(number % width).unwrap());
        if TcpListener::bind(&address).is_ok() {
            return address;
        }
    }
}
