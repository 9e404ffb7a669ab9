//! Columns that hold more than their SQL type says.

use std::num::ParseIntError;

use ledger_core::{Currency, Money};
use serde::{Deserialize, Serialize};
use sqlx::error::BoxDynError;
use sqlx::postgres::{PgTypeInfo, PgValueRef};
use sqlx::{Decode, Postgres, Type};

/// A currency code, checked where the row is read so that nothing after has to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "&'static str")]
pub(crate) struct CurrencyColumn(pub(crate) Currency);

impl CurrencyColumn {
    /// Minor units of this currency as money.
    pub(crate) const fn money(self, minor: i64) -> Money {
        Money::new(minor, self.0)
    }

    /// Minor units of this currency as text.
    pub(crate) fn amount(self, minor: impl Into<i128>) -> String {
        self.0.amount(minor)
    }
}

impl From<CurrencyColumn> for &'static str {
    fn from(column: CurrencyColumn) -> Self {
        column.0.code()
    }
}

impl TryFrom<&str> for CurrencyColumn {
    type Error = String;

    fn try_from(code: &str) -> Result<Self, String> {
        Currency::from_code(code).map(Self).ok_or_else(|| format!("'{code}' is not a currency"))
    }
}

impl TryFrom<String> for CurrencyColumn {
    type Error = String;

    fn try_from(code: String) -> Result<Self, String> {
        code.as_str().try_into()
    }
}

impl Type<Postgres> for CurrencyColumn {
    fn type_info() -> PgTypeInfo {
        <&str as Type<Postgres>>::type_info()
    }

    fn compatible(found: &PgTypeInfo) -> bool {
        <&str as Type<Postgres>>::compatible(found)
    }
}

impl<'r> Decode<'r, Postgres> for CurrencyColumn {
    fn decode(value: PgValueRef<'r>) -> Result<Self, BoxDynError> {
        Ok(Self::try_from(<&str as Decode<Postgres>>::decode(value)?)?)
    }
}

/// A sum of minor units, which may leave 64 bits where no amount does: `numeric`, read as text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct SumColumn(i128);

impl SumColumn {
    /// Both together.
    pub(crate) const fn plus(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl From<SumColumn> for i128 {
    fn from(sum: SumColumn) -> Self {
        sum.0
    }
}

impl From<i128> for SumColumn {
    fn from(sum: i128) -> Self {
        Self(sum)
    }
}

impl TryFrom<String> for SumColumn {
    type Error = ParseIntError;

    fn try_from(text: String) -> Result<Self, ParseIntError> {
        text.parse().map(Self)
    }
}
