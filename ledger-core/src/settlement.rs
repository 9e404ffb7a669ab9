//! The bank's own side of deposits, withdrawals, interest and fees.
//!
//! Double entry everywhere: money that enters or leaves the bank moves against an internal settlement account of that
//! purpose and currency. Its id is derived, not drawn, so that every process names the same account without asking.

use std::fmt;

use crate::{AccountId, Currency};

/// What a settlement account stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Settlement {
    /// Notes and coins over the counter.
    Cash,
    /// Payments from and to other banks.
    Clearing,
    /// Interest the bank pays and charges.
    Interest,
    /// Fees the bank charges.
    Fees,
}

impl Settlement {
    /// Every purpose.
    pub const ALL: [Self; 4] = [Self::Cash, Self::Clearing, Self::Interest, Self::Fees];

    /// The purpose's name in references.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Cash => "cash",
            Self::Clearing => "clearing",
            Self::Interest => "interest",
            Self::Fees => "fees",
        }
    }

    /// The account of this purpose in `currency`: 1,000 × (1 to 4) + the ISO 4217 numeric code, below every snowflake.
    #[must_use]
    pub fn account_id(self, currency: Currency) -> AccountId {
        let purpose = match self {
            Self::Cash => 1_000,
            Self::Clearing => 2_000,
            Self::Interest => 3_000,
            Self::Fees => 4_000,
        };
        AccountId::reserved(currency.numeric().saturating_add(purpose))
    }

    /// The account's external reference: `settlement:cash:CZK`.
    #[must_use]
    pub fn reference(self, currency: Currency) -> String {
        format!("settlement:{self}:{currency}")
    }

    /// The purpose and currency of a settlement account's id; `None` for a customer's account.
    #[must_use]
    pub fn of(id: AccountId) -> Option<(Self, Currency)> {
        let id = u64::try_from(id.as_i64()).ok()?;
        let purpose = usize::try_from(id / 1_000).ok()?.checked_sub(1)?;
        let currency = Currency::from_numeric(u16::try_from(id % 1_000).ok()?)?;
        Self::ALL.get(purpose).map(|settlement| (*settlement, currency))
    }
}

impl fmt::Display for Settlement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
