//! Months of an account.

use async_graphql::SimpleObject;

use crate::read_models::monthly_totals::Totals;

macro_rules! month {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(SimpleObject)]
        pub(super) struct $name {
            /// YYYY-MM.
            month: String,
            /// The balance before the month's first entry.
            opening: String,
            /// The balance after the month's last entry.
            closing: String,
            /// What left the account.
            total_debits: String,
            /// What came to the account, debits that came back included.
            total_credits: String,
            /// How many entries.
            count: i64,
        }

        impl From<Totals> for $name {
            fn from(totals: Totals) -> Self {
                Self {
                    month: totals.month.to_string(),
                    opening: totals.opening,
                    closing: totals.closing,
                    total_debits: totals.debits,
                    total_credits: totals.credits,
                    count: totals.count,
                }
            }
        }
    };
}

month!(
    /// What a month did to an account. Amounts are decimal text of the account's currency.
    MonthlyTotals
);
month!(
    /// An account's statement of a month. Amounts are decimal text of the account's currency.
    Statement
);
