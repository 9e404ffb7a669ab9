//! The domain's refusals, as data.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

macro_rules! rejections {
    ($($variant:ident, $code:literal, $message:literal;)*) => {
        /// Why the domain says no, in order of precedence: when several reasons hold, the one named first is given.
        ///
        /// A code never changes and is never used again for something else: clients dispatch on it and events carry it.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Rejection {
            $(#[doc = $message] $variant,)*
        }

        impl Rejection {
            /// Every rejection, in order of precedence.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// The stable code, snake case.
            #[must_use]
            pub const fn code(self) -> &'static str {
                match self { $(Self::$variant => $code,)* }
            }

            /// One sentence for people.
            #[must_use]
            pub const fn message(self) -> &'static str {
                match self { $(Self::$variant => $message,)* }
            }
        }
    };
}

rejections! {
    IdempotencyKeyReused, "idempotency_key_reused", "This idempotency key was used before with a different request.";
    SameAccount, "same_account", "The source and the destination are the same account.";
    InvalidAmount, "invalid_amount", "The amount must be greater than zero and at most 1,000,000,000,000,000 minor units.";
    AccountNotFound, "account_not_found", "There is no such account.";
    AccountExists, "account_exists", "There is already an account with this id.";
    ReferenceTaken, "reference_taken", "Another account carries this reference.";
    UserNotFound, "user_not_found", "There is no such user.";
    UserExists, "user_exists", "There is already a user with this id.";
    UserErased, "user_erased", "This user's personal data was erased.";
    WebhookNotFound, "webhook_not_found", "There is no such webhook.";
    WebhookExists, "webhook_exists", "There is already a webhook with this id.";
    TooManyWebhooks, "too_many_webhooks", "There are as many webhooks as there may be; delete one that is not needed.";
    ThresholdMissing, "threshold_missing", "A webhook for balance.below_threshold needs a threshold.";
    AccountClosed, "account_closed", "The account is closed.";
    AccountFrozen, "account_frozen", "The account is frozen.";
    AccountNotFrozen, "account_not_frozen", "The account is not frozen.";
    CurrencyMismatch, "currency_mismatch", "The amount's currency is not the account's.";
    InsufficientFunds, "insufficient_funds", "The account's available balance does not cover the amount.";
    BalanceOutOfRange, "balance_out_of_range", "The balance would leave what an account can hold.";
    BalanceNotZero, "balance_not_zero", "An account is closed only with a balance of zero.";
    OverdraftInUse, "overdraft_in_use", "The account is overdrawn by more than the new limit.";
    SettlementAccount, "settlement_account", "The bank's own settlement accounts take no such command.";
    TransferEnded, "transfer_ended", "The transfer has already ended.";
    TransferNotParked, "transfer_not_parked", "This transfer is not parked.";
    AlreadyResolved, "already_resolved", "This parked transfer was resolved in the other way before.";
    ResolvedByOperator, "resolved_by_operator", "An operator ended this transfer.";
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

impl Serialize for Rejection {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.code())
    }
}

impl<'de> Deserialize<'de> for Rejection {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let code = Cow::<str>::deserialize(deserializer)?;
        Self::ALL
            .iter()
            .copied()
            .find(|rejection| rejection.code() == code)
            .ok_or_else(|| de::Error::custom(format_args!("'{code}' is not a rejection's code")))
    }
}

impl JsonSchema for Rejection {
    fn schema_name() -> Cow<'static, str> {
        "Rejection".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let codes: Vec<_> = Self::ALL.iter().map(|rejection| rejection.code()).collect();
        json_schema!({ "type": "string", "enum": codes })
    }
}
