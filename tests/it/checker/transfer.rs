//! A transfer, as the events about it tell.

use serde_json::Value;

use super::log::LogEvent;
use crate::harness::{cents, text};

/// The only ways that a transfer may go: from, by this event, to. No event is there twice on any way, so no leg is booked twice.
const COURSE: [(&str, &str, &str); 11] = [
    ("requested", "AccountDebited", "debited"),
    ("requested", "DebitRefused", "debit refused"),
    // Refused in the same append as it was asked for.
    ("requested", "TransferRejected", "rejected"),
    ("debit refused", "TransferRejected", "rejected"),
    ("debited", "AccountCredited", "credited"),
    ("debited", "CreditRefused", "credit refused"),
    ("credit refused", "DebitReversed", "reversed"),
    // An operator completes what was refused.
    ("credit refused", "ReversalWaived", "reversal waived"),
    ("reversal waived", "AccountCredited", "credited"),
    ("credited", "TransferCompleted", "completed"),
    ("reversed", "TransferFailed", "failed"),
];

#[derive(Clone, Debug)]
pub(super) struct Transfer {
    pub(super) stream: String,
    pub(super) from: String,
    pub(super) to: String,
    pub(super) amount: i64,
    pub(super) currency: String,
    pub(super) reference: Option<String>,
    /// History that was imported may overdraw.
    pub(super) already_booked: bool,
    /// Why it was refused, or failed.
    pub(super) reason: Option<String>,
    /// Each stage, and where in the log it was reached.
    pub(super) stages: Vec<(u64, &'static str)>,
}

impl Transfer {
    /// Its id, and what was asked for.
    pub(super) fn requested(event: &LogEvent) -> (String, Self) {
        let data = &event.data;
        let transfer = Self {
            stream: event.stream.clone(),
            from: text(&data["from"]),
            to: text(&data["to"]),
            amount: cents(&text(&data["amount"]["amount"])),
            currency: text(&data["amount"]["currency"]),
            reference: data["reference"].as_str().map(str::to_owned),
            already_booked: data["already_booked"] == true,
            reason: None,
            stages: vec![(event.position, "requested")],
        };
        (text(&data["transfer_id"]), transfer)
    }

    pub(super) fn stage(&self) -> &'static str {
        self.stages[self.stages.len() - 1].1
    }

    /// Where a stage was reached.
    pub(super) fn reached(&self, stage: &str) -> Option<u64> {
        self.stages.iter().find(|(_, reached)| *reached == stage).map(|(position, _)| *position)
    }

    pub(super) fn has_ended(&self) -> bool {
        status_at(self.stage()) != "pending"
    }

    /// As clients are shown it.
    pub(super) fn status(&self) -> &'static str {
        status_at(self.stage())
    }

    /// Every status it had at this position or later.
    pub(super) fn statuses_from(&self, position: u64) -> impl Iterator<Item = &'static str> {
        let seen = self.stages.partition_point(|(reached, _)| *reached <= position).saturating_sub(1);
        self.stages[seen..].iter().map(|(_, stage)| status_at(stage))
    }

    /// Goes on by this event, if it may.
    pub(super) fn go_on(&mut self, event: &LogEvent) -> Result<(), String> {
        let stage = self.stage();
        let step = COURSE.iter().find(|(from, by, _)| *from == stage && *by == event.name);
        let &(.., next) = step.ok_or_else(|| format!("its transfer was {stage} before it"))?;
        let reason = event.data["reason"].as_str().map(str::to_owned);
        let is_forced = stage == "reversal waived";
        if (event.data["forced"] == true) != is_forced {
            return Err(format!("its transfer was {stage} before it"));
        }
        match (&self.reason, next) {
            // What was refused is done after all.
            (_, "reversal waived") => self.reason = None,
            (Some(before), _) if reason.as_ref() != Some(before) => {
                return Err(format!("the reason was {before} before"));
            }
            _ => self.reason = reason,
        }
        self.stages.push((event.position, next));
        Ok(())
    }

    /// Whether an account's event is about a leg of it.
    pub(super) fn fits_leg(&self, event: &LogEvent, account: &str) -> Result<(), String> {
        let debited =
            ["AccountDebited", "DebitRefused", "DebitReversed", "ReversalWaived"].contains(&&*event.name);
        let (own, other) = if debited { (&self.from, &self.to) } else { (&self.to, &self.from) };
        let Leg { counterparty, amount, currency, .. } = Leg::of(&event.data);
        let fits =
            own == account && *other == counterparty && amount == self.amount && currency == self.currency;
        if fits { Ok(()) } else { Err(format!("it is not what was asked for: {self:?}")) }
    }
}

fn status_at(stage: &str) -> &'static str {
    match stage {
        "completed" => "completed",
        "failed" => "failed",
        "rejected" => "rejected",
        _ => "pending",
    }
}

/// What an account's events about legs say.
pub(super) struct Leg {
    pub(super) transfer: String,
    pub(super) counterparty: String,
    pub(super) amount: i64,
    pub(super) currency: String,
}

impl Leg {
    pub(super) fn of(data: &Value) -> Self {
        Self {
            transfer: text(&data["transfer_id"]),
            counterparty: text(&data["counterparty"]),
            amount: cents(&text(&data["amount"]["amount"])),
            currency: text(&data["amount"]["currency"]),
        }
    }
}
