//! Regular expressions that clients send: one that could keep a thread busy for long is not taken.
//!
//! Expressions without look-around, references back and their like run on an engine whose time is linear. The others
//! are tried by steps forward and steps back. The library bounds the steps back only, so what may lie between two of
//! them is measured here before the expression is compiled.

use fancy_regex::{Assertion, Expr, Regex, RegexBuilder};

use crate::limits::{
    MAX_COMPILED_PATTERN_BYTES, MAX_PATTERN_BACKTRACKS, MAX_PATTERN_BYTES, MAX_PATTERN_REPEATS,
    MAX_PATTERN_STEPS,
};

/// What a set of characters counts in an expression's steps: compiled it is larger than anything else.
const SET_STEPS: usize = 8;

/// Why an expression cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PatternError {
    #[error("it has {0} bytes, at most {MAX_PATTERN_BYTES} are allowed")]
    TooLong(usize),
    #[error("it repeats too much: at most {MAX_PATTERN_REPEATS} times, and {MAX_PATTERN_STEPS} steps in all")]
    TooManyRepeats,
    #[error(transparent)]
    Invalid(#[from] Box<fancy_regex::Error>),
}

/// The expression took too many steps for a name.
#[derive(Debug, thiserror::Error)]
#[error("it takes too many steps")]
pub(crate) struct TooCostly;

/// A regular expression ready for use.
#[derive(Clone, Debug)]
pub(crate) struct Pattern {
    regex: Regex,
    backtracks: bool,
}

impl Pattern {
    /// Checks and compiles an expression.
    pub(crate) fn new(expression: &str) -> Result<Self, PatternError> {
        if expression.len() > MAX_PATTERN_BYTES {
            return Err(PatternError::TooLong(expression.len()));
        }
        let tree = Expr::parse_tree(expression).map_err(Box::new)?;
        let mut measure = Measure::default();
        measure.add(&tree.expr, 1);
        if measure.repeats > MAX_PATTERN_REPEATS || measure.steps > MAX_PATTERN_STEPS {
            return Err(PatternError::TooManyRepeats);
        }
        let regex = RegexBuilder::new(expression)
            .backtrack_limit(MAX_PATTERN_BACKTRACKS)
            .delegate_size_limit(MAX_COMPILED_PATTERN_BYTES)
            .build()
            .map_err(Box::new)?;
        Ok(Self { regex, backtracks: measure.backtracks })
    }

    /// Whether a part of the name matches.
    pub(crate) fn matches(&self, name: &str) -> Result<bool, TooCostly> {
        self.regex.is_match(name).map_err(|_| TooCostly)
    }

    /// Whether a match may take long enough that nothing else should wait for the thread.
    pub(crate) fn is_costly(&self) -> bool {
        self.backtracks
    }
}

/// What an expression may cost.
#[derive(Default)]
struct Measure {
    /// Most repetitions of any part.
    repeats: usize,
    /// Parts, each as often as it is repeated.
    steps: usize,
    /// It is more than the linear engine can do.
    backtracks: bool,
}

impl Measure {
    /// Adds a part that is repeated so often.
    fn add(&mut self, part: &Expr, repeats: usize) {
        let size = match part {
            Expr::Delegate { .. } => SET_STEPS,
            Expr::Literal { val, .. } => val.len(),
            _ => 1,
        };
        self.repeats = self.repeats.max(repeats);
        self.steps = self.steps.saturating_add(repeats.saturating_mul(size));
        self.backtracks |= match part {
            Expr::Assertion(place) => {
                matches!(place, Assertion::LeftWordBoundary | Assertion::RightWordBoundary)
            }
            Expr::Empty | Expr::Any { .. } | Expr::Literal { .. } | Expr::Delegate { .. } => false,
            Expr::Concat(_) | Expr::Alt(_) | Expr::Group(_) | Expr::Repeat { .. } => false,
            _ => true,
        };
        match part {
            Expr::Concat(parts) | Expr::Alt(parts) => parts.iter().for_each(|part| self.add(part, repeats)),
            Expr::Group(part) | Expr::LookAround(part, _) | Expr::AtomicGroup(part) => {
                self.add(part, repeats);
            }
            Expr::Repeat { child, lo, hi, .. } => {
                // Without an upper bound every further round takes a part of the name, or is the last.
                let rounds = if *hi == usize::MAX { lo.saturating_add(1) } else { (*hi).max(1) };
                self.add(child, repeats.saturating_mul(rounds));
            }
            Expr::Conditional { condition, true_branch, false_branch } => {
                for part in [condition, true_branch, false_branch] {
                    self.add(part, repeats);
                }
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_run_for_ever_is_refused() {
        for expression in [
            "(",
            r"^(?:()(?=.)){1000000000000}",
            r"^(?:()(?=.)){1000000000000,}",
            r"^(?:(?:()(?=.)){1000}){1000}",
            r"(?:(?:()(?=.)){0,100}){0,100}",
            &format!("{}()(?=.){}", "(?:".repeat(50), ")+".repeat(50)),
            r"(?!x)\w{900}",
            "(((((a{100}){100}){100}){100}){100})",
            &"x".repeat(MAX_PATTERN_BYTES + 1),
            r"(?<name>a)\g<name>",
        ] {
            assert!(Pattern::new(expression).is_err(), "{expression}");
        }
    }

    #[test]
    fn what_is_costly_ends_soon() {
        let name = "a".repeat(200);
        for expression in [r"^((a+)+)(?!b)\2c$", r"(?:(?:a?){20}){40}(?!a)b", r"(?:(?:(?:(?=.)a*)+)+)+b"] {
            let pattern = Pattern::new(expression).unwrap();
            assert!(pattern.is_costly());
            let begun = std::time::Instant::now();
            let _ = pattern.matches(&name);
            assert!(begun.elapsed() < std::time::Duration::from_secs(1), "{expression}");
        }
    }

    #[test]
    fn ordinary_expressions_are_taken() {
        for (expression, name, costly, matches) in [
            (r"^(?!(\$.+$|PersistentConfig\d+$|Result$))", "Results", true, true),
            (r"^[^\$].*", "$x", false, false),
            (r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$", "x", false, false),
            (r"^(?:cat|dog)-\w{1,9}$", "cat-1", false, true),
            (r"(?<!o)ther-(\d)\1", "ather-11", true, true),
        ] {
            let pattern = Pattern::new(expression).unwrap();
            assert_eq!(
                (pattern.is_costly(), pattern.matches(name).unwrap()),
                (costly, matches),
                "{expression}"
            );
        }
    }
}
