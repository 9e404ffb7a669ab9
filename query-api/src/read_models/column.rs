//! Columns that hold more than their SQL type says.

use ledger_core::{Currency, Money};

/// A currency code, checked where the row is read so that nothing after has to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CurrencyColumn(pub(crate) Currency);

impl CurrencyColumn {
    /// Minor units of this currency as money.
    pub(crate) const fn money(self, minor: i64) -> Money {
        Money::new(minor, self.0)
    }

    /// Minor units of this currency as text.
    pub(crate) fn amount(self, minor: i64) -> String {
        self.money(minor).amount()
    }
}

impl TryFrom<String> for CurrencyColumn {
    type Error = String;

    fn try_from(code: String) -> Result<Self, String> {
        Currency::from_code(&code).map(Self).ok_or_else(|| format!("'{code}' is not a currency"))
    }
}
