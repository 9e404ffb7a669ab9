//! Throughput, from what processes count.

use std::time::Instant;

/// What a process had counted at some moment.
#[derive(Clone, Debug)]
pub(super) struct Meters {
    at: Instant,
    text: String,
}

impl Meters {
    /// As `/metrics` said just now.
    pub(super) fn new(text: String) -> Self {
        Self { at: Instant::now(), text }
    }

    /// A gauge's value.
    pub(super) fn value(&self, name: &str) -> Option<f64> {
        self.read(name)
    }

    /// How much a counter has grown each second since `before`; nothing when that was another life of the process.
    pub(super) fn rate(&self, before: &Self, series: &str) -> Option<f64> {
        let grown = self.read(series)? - before.read(series).unwrap_or(0.0);
        let seconds = (self.at - before.at).as_secs_f64();
        (grown >= 0.0 && seconds > 0.0).then(|| grown / seconds)
    }

    /// The value of a series, written as Prometheus does: `name{label="value"}`.
    fn read(&self, series: &str) -> Option<f64> {
        let value = self.text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
        value?.trim().parse().ok()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::Meters;

    #[test]
    fn a_counter_grows_at_a_rate() {
        let text = |count| format!("# TYPE events counter\nevents{{of=\"a\"}} {count}\nevents_total 7\n");
        let before = Meters::new(text(10));
        let after = Meters { at: before.at + Duration::from_secs(2), text: text(50) };
        assert_eq!(after.rate(&before, "events{of=\"a\"}"), Some(20.0));
        assert_eq!(after.rate(&before, "events{of=\"b\"}"), None);
        assert_eq!(before.rate(&after, "events{of=\"a\"}"), None, "the process began again");
        assert_eq!((after.value("events_total"), after.value("events")), (Some(7.0), None));
    }
}
