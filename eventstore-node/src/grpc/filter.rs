//! Filters of `$all`: by prefix or regular expression, on the stream's name or the event's type.

use tonic::Status;

use super::limits::{DEFAULT_FILTER_WINDOW, MAX_FILTER_BYTES, MAX_FILTER_PREFIXES};
use super::wire::{FilterExpression, FilterOn, FilterOptions, FilterWindow};
use crate::event::RecordedEvent;
use crate::pattern::Pattern;
use crate::persistent::{FilterBy, hidden_from_all};

/// "No system events", as most clients write it.
const NO_SYSTEM_EVENTS: &str = r"^[^\$].*";

/// What the Python client asks for if it is not told otherwise.
const PYTHON_DEFAULT: &str = r"^(?!(\$.+$|PersistentConfig\d+$|Result$))";

/// Whether `$all` leaves the event out for everybody: such a subscription would otherwise hear of itself for ever.
pub(crate) fn is_hidden(event: &RecordedEvent) -> bool {
    hidden_from_all(&event.stream)
}

/// What of an event a client wants looked at, and what it must look like.
pub(crate) fn subject(options: &FilterOptions) -> Result<(FilterBy, &FilterExpression), Status> {
    match &options.filter {
        Some(FilterOn::StreamIdentifier(expression)) => Ok((FilterBy::Stream, expression)),
        Some(FilterOn::EventType(expression)) => Ok((FilterBy::EventType, expression)),
        None => Err(Status::invalid_argument("The filter names neither streams nor event types.")),
    }
}

/// Which events of `$all` a client wants.
#[derive(Debug)]
pub(crate) struct Filter {
    by: FilterBy,
    matcher: Matcher,
    /// Events considered after which a subscription gets a checkpoint.
    pub(crate) checkpoint_interval: u64,
}

/// How it is looked at.
#[derive(Debug)]
enum Matcher {
    Prefixes(Vec<String>),
    /// Not empty and not beginning with `$`.
    NotSystem,
    Regex {
        pattern: Box<Pattern>,
        /// Names that do not begin with one of these match without a look at the expression.
        suspects: Option<&'static [u8]>,
    },
}

impl Filter {
    /// Checks and compiles what a client asks for.
    pub(crate) fn new(options: &FilterOptions) -> Result<Self, Status> {
        let (by, expression) = subject(options)?;
        let window = match options.window {
            Some(FilterWindow::Max(0)) => return Err(Status::invalid_argument("The filter's window is 0.")),
            Some(FilterWindow::Max(window)) => window,
            Some(FilterWindow::Count(_)) => DEFAULT_FILTER_WINDOW,
            None => return Err(Status::invalid_argument("The filter has no window.")),
        };
        if options.checkpoint_interval_multiplier == 0 {
            return Err(Status::invalid_argument("The checkpoint interval multiplier is 0."));
        }
        let checkpoint_interval = u64::from(window) * u64::from(options.checkpoint_interval_multiplier);
        Ok(Self { by, matcher: Matcher::new(expression)?, checkpoint_interval })
    }

    /// Whether the client wants the event.
    pub(crate) fn matches(&self, event: &RecordedEvent) -> Result<bool, Status> {
        self.matcher.matches(match self.by {
            FilterBy::Stream => &event.stream,
            FilterBy::EventType => &event.event_type,
        })
    }

    /// Whether it may take long enough that a batch of events should not be looked at where others wait.
    pub(crate) fn is_costly(&self) -> bool {
        matches!(&self.matcher, Matcher::Regex { pattern, suspects: None } if pattern.is_costly())
    }
}

impl Matcher {
    fn new(expression: &FilterExpression) -> Result<Self, Status> {
        if expression.regex.is_empty() {
            let bytes: usize = expression.prefix.iter().map(String::len).sum();
            return match expression.prefix.len() {
                0 => Err(Status::invalid_argument("The filter has neither a regex nor a prefix.")),
                1..=MAX_FILTER_PREFIXES if bytes <= MAX_FILTER_BYTES => {
                    Ok(Self::Prefixes(expression.prefix.clone()))
                }
                _ => Err(Status::invalid_argument("The filter has too many prefixes.")),
            };
        }
        if expression.regex == NO_SYSTEM_EVENTS {
            return Ok(Self::NotSystem);
        }
        let pattern = Pattern::new(&expression.regex)
            .map_err(|error| Status::invalid_argument(format!("The filter's regex is invalid: {error}")))?;
        let suspects = (expression.regex == PYTHON_DEFAULT).then_some(&b"$PR"[..]);
        Ok(Self::Regex { pattern: Box::new(pattern), suspects })
    }

    fn matches(&self, name: &str) -> Result<bool, Status> {
        match self {
            Self::Prefixes(prefixes) => Ok(prefixes.iter().any(|prefix| name.starts_with(prefix.as_str()))),
            Self::NotSystem => Ok(!name.is_empty() && !name.starts_with('$')),
            Self::Regex { suspects: Some(suspects), .. }
                if name.bytes().next().is_none_or(|first| !suspects.contains(&first)) =>
            {
                Ok(true)
            }
            Self::Regex { pattern, .. } => pattern.matches(name).map_err(|error| {
                Status::invalid_argument(format!("The filter's regex is too costly for '{name}': {error}"))
            }),
        }
    }
}
