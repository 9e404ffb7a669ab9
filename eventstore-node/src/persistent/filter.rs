//! Which events of the whole log a group wants.

use serde::{Deserialize, Serialize};

use super::limits::{MAX_BACKTRACKS, MAX_COMPILED_FILTER_BYTES, MAX_FILTER_BYTES};

/// What of an event a filter looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum FilterBy {
    /// The name of its stream.
    Stream,
    /// Its type.
    EventType,
}

/// What it must look like.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Pattern {
    /// Some part of it matches this regular expression.
    Regex(String),
    /// It begins with one of these.
    Prefixes(Vec<String>),
}

/// Which events of the whole log a group wants, as it is recorded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FilterDefinition {
    /// What is looked at.
    pub by: FilterBy,
    /// What it must look like.
    pub pattern: Pattern,
}

/// A filter ready for use.
#[derive(Clone, Debug)]
pub(crate) struct Filter {
    definition: FilterDefinition,
    regex: Option<fancy_regex::Regex>,
}

impl Filter {
    /// Err: why it cannot be used.
    pub(crate) fn new(definition: FilterDefinition) -> Result<Self, String> {
        let bytes = match &definition.pattern {
            Pattern::Regex(regex) => regex.len(),
            Pattern::Prefixes(prefixes) => prefixes.iter().map(|prefix| prefix.len() + 1).sum(),
        };
        if bytes > MAX_FILTER_BYTES {
            return Err(format!("the filter has {bytes} bytes, at most {MAX_FILTER_BYTES} are allowed"));
        }
        let regex = match &definition.pattern {
            Pattern::Regex(regex) => {
                let compiled = fancy_regex::RegexBuilder::new(regex)
                    .backtrack_limit(MAX_BACKTRACKS)
                    .delegate_size_limit(MAX_COMPILED_FILTER_BYTES)
                    .build();
                Some(compiled.map_err(|error| format!("the filter's expression is invalid: {error}"))?)
            }
            Pattern::Prefixes(_) => None,
        };
        Ok(Self { definition, regex })
    }

    pub(crate) fn definition(&self) -> &FilterDefinition {
        &self.definition
    }

    pub(crate) fn matches(&self, stream: &str, event_type: &str) -> bool {
        let text = match self.definition.by {
            FilterBy::Stream => stream,
            FilterBy::EventType => event_type,
        };
        match (&self.definition.pattern, &self.regex) {
            // An expression too costly for this text: better one event too many than one too few.
            (_, Some(regex)) => regex.is_match(text).unwrap_or(true),
            (Pattern::Prefixes(prefixes), None) => prefixes.iter().any(|prefix| text.starts_with(prefix)),
            (Pattern::Regex(_), None) => true,
        }
    }
}
