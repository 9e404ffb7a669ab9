//! The engine from outside; where faults or damage are needed, with a hand inside.

mod appends;
mod support;
