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
    pub(super) fn value(&self, series: &Series<'_>) -> Option<f64> {
        self.text.lines().filter_map(|line| series.read(line)).reduce(f64::max)
    }

    /// How much a counter has grown each second since `before`; nothing when that was another life of the process. Where several lines tell
    /// of the same, each counts all of it: the greatest is right.
    pub(super) fn rate(&self, before: &Self, series: &Series<'_>) -> Option<f64> {
        let grown = self.value(series)? - before.value(series).unwrap_or(0.0);
        let seconds = (self.at - before.at).as_secs_f64();
        (grown >= 0.0 && seconds > 0.0).then(|| grown / seconds)
    }
}

/// Which lines are meant: of a name, perhaps with one label, whatever other labels there are.
#[derive(Clone, Copy, Debug)]
pub(super) struct Series<'a> {
    name: &'a str,
    label: Option<(&'a str, &'a str)>,
}

impl<'a> Series<'a> {
    pub(super) const fn named(name: &'a str) -> Self {
        Self { name, label: None }
    }

    pub(super) const fn of(name: &'a str, label: &'a str, value: &'a str) -> Self {
        Self { name, label: Some((label, value)) }
    }

    /// The value on a line as Prometheus writes it: `name{label="value",other="one"} 7`. No label of ours has a comma in its value.
    fn read(&self, line: &str) -> Option<f64> {
        let (series, value) = line.rsplit_once(' ')?;
        let labels = series.strip_prefix(self.name)?;
        let is_it = match self.label {
            None => labels.is_empty(),
            Some((label, wanted)) => {
                let labels = labels.strip_prefix('{')?.strip_suffix('}')?;
                let mut pairs = labels.split(',').filter_map(|pair| pair.split_once('='));
                pairs.any(|(name, value)| name == label && value.trim_matches('"') == wanted)
            }
        };
        is_it.then_some(value)?.parse().ok()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Meters, Series};

    #[test]
    fn a_counter_grows_at_a_rate() {
        let text = |count| format!("# TYPE events counter\nevents{{of=\"a\"}} {count}\nevents_total 7\n");
        let before = Meters::new(text(10));
        let after = Meters { at: before.at + Duration::from_secs(2), text: text(50) };
        assert_eq!(after.rate(&before, &Series::of("events", "of", "a")), Some(20.0));
        assert_eq!(after.rate(&before, &Series::of("events", "of", "b")), None);
        assert_eq!(before.rate(&after, &Series::of("events", "of", "a")), None, "the process began again");
        let value = |name| after.value(&Series::named(name));
        assert_eq!((value("events_total"), value("events")), (Some(7.0), None));
    }

    #[test]
    fn of_several_databases_the_greatest_counts() {
        let text = |first, second| {
            format!(
                "events{{projection=\"a\",database=\"1\"}} {first}\nevents{{projection=\"a\",database=\"2\"}} {second}\n\
                 events{{projection=\"ab\",database=\"1\"}} 900\n"
            )
        };
        let before = Meters::new(text(5, 10));
        let after = Meters { at: before.at + Duration::from_secs(2), text: text(7, 30) };
        assert_eq!(after.rate(&before, &Series::of("events", "projection", "a")), Some(10.0));
        assert_eq!(after.value(&Series::of("events", "database", "1")), Some(900.0));
    }
}
