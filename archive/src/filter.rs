//! Which of an account's entries are wanted.

use chrono::{DateTime, Utc};

use crate::{EntryKind, Row, Status};

/// Which side of the account an entry stands on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Side {
    /// Money left the account.
    Debit,
    /// Money came to it, also a debit that came back.
    Credit,
}

/// Entries that fit everything that is given. What is absent does not matter. It means what the live reads' filter means; of pending
/// entries there are none.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Filter {
    /// Booked then or later.
    pub from: Option<DateTime<Utc>>,
    /// Booked before.
    pub to: Option<DateTime<Utc>>,
    /// On this side.
    pub side: Option<Side>,
    /// Which ended so.
    pub status: Option<Status>,
    /// Minor units, inclusive.
    pub amount_min: Option<i64>,
    /// Minor units, inclusive.
    pub amount_max: Option<i64>,
    /// The account on the other side.
    pub counterparty: Option<i64>,
    /// Part of the description or reference. Letters of ASCII are the same in small and capital, others are not, and so it is in
    /// Postgres, whatever its locale.
    pub text: Option<String>,
}

impl Filter {
    /// Whether the row is one of those.
    #[must_use]
    pub fn fits(&self, row: &Row) -> bool {
        let side = match row.kind {
            EntryKind::Debit => Side::Debit,
            EntryKind::Credit | EntryKind::Reversal => Side::Credit,
        };
        self.from.is_none_or(|from| row.booked_at >= from)
            && self.to.is_none_or(|to| row.booked_at < to)
            && self.side.is_none_or(|wanted| side == wanted)
            && self.status.is_none_or(|status| row.status == status)
            && self.amount_min.is_none_or(|least| row.amount >= least)
            && self.amount_max.is_none_or(|most| row.amount <= most)
            && self.counterparty.is_none_or(|counterparty| row.counterparty == counterparty)
            && self.text.as_deref().is_none_or(|text| {
                [&row.description, &row.reference].into_iter().any(|found| holds(found.as_deref(), text))
            })
    }
}

/// Whether the text is in there. An absent one is as good as an empty one.
fn holds(found: Option<&str>, text: &str) -> bool {
    found.unwrap_or_default().to_ascii_lowercase().contains(&text.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::holds;

    /// As `lower(… collate "C")` in Postgres.
    #[test]
    fn letters_of_ascii_are_the_same_in_small_and_capital_and_others_are_not() {
        for (text, fits) in [
            ("nájem ŽIŽKOV", true),
            ("NáJEM Ži", true),
            ("NÁJEM", false),
            ("žiŽKOV", false),
            ("İ", true),
            ("i̇", false),
            ("ı", false),
        ] {
            assert_eq!(holds(Some("Nájem ŽIŽKOV İ"), text), fits, "{text}");
        }
        assert!(holds(None, "") && !holds(None, "x"));
    }
}
