//! Which events of the whole log a group wants.

use serde::{Deserialize, Serialize};

use super::limits::MAX_FILTER_BYTES;
use crate::pattern;

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

/// A filter ready for use, or one that is recorded but refused.
#[derive(Clone, Debug)]
pub(crate) struct Filter {
    definition: FilterDefinition,
    /// Err: why it cannot be used.
    regex: Result<Option<pattern::Pattern>, String>,
}

impl Filter {
    /// Err: why it cannot be used.
    pub(crate) fn new(definition: FilterDefinition) -> Result<Self, String> {
        let filter = Self::recorded(definition);
        match filter.refusal() {
            Some(refusal) => Err(refusal.to_owned()),
            None => Ok(filter),
        }
    }

    /// One that was taken once. What is taken may have changed since.
    pub(crate) fn recorded(definition: FilterDefinition) -> Self {
        let regex = compile(&definition.pattern);
        Self { definition, regex }
    }

    /// Why it cannot be used, if it cannot.
    pub(crate) fn refusal(&self) -> Option<&str> {
        self.regex.as_ref().err().map(String::as_str)
    }

    pub(crate) fn definition(&self) -> &FilterDefinition {
        &self.definition
    }

    /// Whether nothing else should wait while it is tried.
    pub(crate) fn is_costly(&self) -> bool {
        matches!(&self.regex, Ok(Some(regex)) if regex.is_costly())
    }

    pub(crate) fn matches(&self, stream: &str, event_type: &str) -> bool {
        let text = match self.definition.by {
            FilterBy::Stream => stream,
            FilterBy::EventType => event_type,
        };
        match (&self.definition.pattern, &self.regex) {
            // An expression too costly for this text: better one event too many than one too few.
            (Pattern::Regex(_), Ok(Some(regex))) => regex.matches(text).unwrap_or(true),
            (Pattern::Prefixes(prefixes), _) => prefixes.iter().any(|prefix| text.starts_with(prefix)),
            (Pattern::Regex(_), _) => true,
        }
    }
}

fn compile(pattern: &Pattern) -> Result<Option<pattern::Pattern>, String> {
    match pattern {
        Pattern::Regex(regex) => {
            let compiled = pattern::Pattern::new(regex);
            compiled.map(Some).map_err(|error| format!("the filter's expression cannot be used: {error}"))
        }
        Pattern::Prefixes(prefixes) => {
            let bytes: usize = prefixes.iter().map(|prefix| prefix.len() + 1).sum();
            if bytes > MAX_FILTER_BYTES {
                return Err(format!("the filter has {bytes} bytes, at most {MAX_FILTER_BYTES} are allowed"));
            }
            Ok(None)
        }
    }
}
