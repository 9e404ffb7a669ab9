//! Money: an integer count of minor units in an ISO 4217 currency.
//!
//! No floats and no silent wrap-around: every sum is checked. As text an amount has exactly the digits its currency has
//! ("10.50" for EUR, "1050" for JPY, "1.234" for KWD); any other spelling is refused, so that one amount has one text.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// An ISO 4217 currency that has minor units defined (so no metals, no test codes).
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Currency(iso_currency::Currency);

impl Currency {
    /// The currency of an upper-case alphabetic code such as `CZK`; `None` when ISO 4217 knows no such currency or
    /// gives it no minor unit.
    #[must_use]
    pub fn from_code(code: &str) -> Option<Self> {
        let upper = code.len() == 3 && code.bytes().all(|byte| byte.is_ascii_uppercase());
        let currency = upper.then(|| iso_currency::Currency::from_code(code)).flatten()?;
        currency.exponent().map(|_| Self(currency))
    }

    /// The currency of an ISO 4217 numeric code such as 203 (CZK).
    #[must_use]
    pub fn from_numeric(numeric: u16) -> Option<Self> {
        let currency = iso_currency::Currency::from_numeric(numeric)?;
        currency.exponent().map(|_| Self(currency))
    }

    /// The alphabetic code, three upper-case letters.
    #[must_use]
    pub fn code(self) -> &'static str {
        self.0.code()
    }

    /// The numeric code, 1 to 999.
    #[must_use]
    pub fn numeric(self) -> u16 {
        self.0.numeric()
    }

    /// Digits after the decimal point, 0 to 4.
    #[must_use]
    pub fn digits(self) -> u32 {
        u32::from(self.0.exponent().unwrap_or(0))
    }

    /// Minor units as text, without the currency: "10.50", "-0.05", JPY "1050". Also for sums that leave the 64 bits of [`Money`].
    #[must_use]
    pub fn amount(self, minor: impl Into<i128>) -> String {
        let (minor, digits) = (minor.into(), self.digits() as usize);
        let sign = if minor < 0 { "-" } else { "" };
        let mut text = format!("{sign}{:0width$}", minor.unsigned_abs(), width = digits.saturating_add(1));
        if digits > 0 {
            text.insert(text.len().saturating_sub(digits), '.');
        }
        text
    }

    /// Every currency Daybook knows.
    pub fn all() -> impl Iterator<Item = Self> {
        use iso_currency::IntoEnumIterator;
        iso_currency::Currency::iter().filter(|currency| currency.exponent().is_some()).map(Self)
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

impl fmt::Debug for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

impl Serialize for Currency {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.code())
    }
}

impl<'de> Deserialize<'de> for Currency {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let code = Cow::<str>::deserialize(deserializer)?;
        Self::from_code(&code).ok_or_else(|| {
            de::Error::custom(format_args!("'{code}' is not an ISO 4217 currency code with minor units"))
        })
    }
}

impl JsonSchema for Currency {
    fn schema_name() -> Cow<'static, str> {
        "Currency".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": "^[A-Z]{3}$", "description": "ISO 4217 alphabetic code" })
    }
}

/// Why a text is not an amount, or a sum not a sum.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MoneyError {
    /// Not a plain decimal number with exactly the currency's digits.
    #[error(
        "'{text}' is not an amount of {currency}: write it with exactly {digits} decimal digits, such as \"{example}\""
    )]
    Malformed {
        /// What was given, cut to 40 characters.
        text: String,
        /// The currency it was read for.
        currency: Currency,
        /// How many digits that currency has.
        digits: u32,
        /// A well-formed amount of that currency.
        example: String,
    },
    /// Beyond what 64 bits of minor units hold.
    #[error("the amount is beyond what an account can hold ({max} {currency})")]
    OutOfRange {
        /// The currency.
        currency: Currency,
        /// The greatest amount.
        max: String,
    },
    /// Two currencies in one sum.
    #[error("{left} and {right} cannot be added")]
    CurrencyMismatch {
        /// Currency of the left operand.
        left: Currency,
        /// Currency of the right operand.
        right: Currency,
    },
}

/// An amount of one currency, in minor units (i64: up to 92 quadrillion crowns and hellers), positive or negative.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Money {
    /// The count of minor units.
    pub minor: i64,
    /// The currency.
    pub currency: Currency,
}

impl Money {
    /// `minor` minor units of `currency`.
    #[must_use]
    pub const fn new(minor: i64, currency: Currency) -> Self {
        Self { minor, currency }
    }

    /// Nothing of `currency`.
    #[must_use]
    pub const fn zero(currency: Currency) -> Self {
        Self::new(0, currency)
    }

    /// Reads an amount: an optional minus, digits without superfluous zeros, and exactly the currency's decimal digits.
    ///
    /// # Errors
    /// [`MoneyError::Malformed`] for any other spelling, [`MoneyError::OutOfRange`] beyond 64 bits.
    pub fn parse(text: &str, currency: Currency) -> Result<Self, MoneyError> {
        let malformed = || MoneyError::Malformed {
            text: text.chars().take(40).collect(),
            currency,
            digits: currency.digits(),
            example: Self::new(1050, currency).amount(),
        };
        let (negative, unsigned) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let (whole, fraction) = match unsigned.split_once('.') {
            Some((whole, fraction)) => (whole, Some(fraction)),
            None => (unsigned, None),
        };
        let digits_only = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        let whole_is_plain = digits_only(whole) && (whole.len() == 1 || !whole.starts_with('0'));
        let fraction_fits = match fraction {
            Some(fraction) => digits_only(fraction) && fraction.len() == currency.digits() as usize,
            None => currency.digits() == 0,
        };
        if !whole_is_plain || !fraction_fits {
            return Err(malformed());
        }
        let mut minor: i64 = 0;
        for digit in whole.bytes().chain(fraction.unwrap_or_default().bytes()) {
            let digit = i64::from(digit.saturating_sub(b'0'));
            // Built up on the negative side, whose range is one greater, so that i64::MIN has a text too.
            minor = minor
                .checked_mul(10)
                .and_then(|minor| minor.checked_sub(digit))
                .ok_or_else(|| Self::out_of_range(currency))?;
        }
        if negative && minor == 0 {
            return Err(malformed());
        }
        let minor =
            if negative { minor } else { minor.checked_neg().ok_or_else(|| Self::out_of_range(currency))? };
        Ok(Self::new(minor, currency))
    }

    fn out_of_range(currency: Currency) -> MoneyError {
        MoneyError::OutOfRange { currency, max: Self::new(i64::MAX, currency).amount() }
    }

    /// The amount as text, without the currency: "10.50", "-0.05", JPY "1050".
    #[must_use]
    pub fn amount(self) -> String {
        self.currency.amount(self.minor)
    }

    /// The sum.
    ///
    /// # Errors
    /// [`MoneyError::CurrencyMismatch`], [`MoneyError::OutOfRange`].
    pub fn plus(self, other: Self) -> Result<Self, MoneyError> {
        self.combine(other, i64::checked_add)
    }

    /// The difference.
    ///
    /// # Errors
    /// [`MoneyError::CurrencyMismatch`], [`MoneyError::OutOfRange`].
    pub fn minus(self, other: Self) -> Result<Self, MoneyError> {
        self.combine(other, i64::checked_sub)
    }

    fn combine(self, other: Self, operation: fn(i64, i64) -> Option<i64>) -> Result<Self, MoneyError> {
        if self.currency != other.currency {
            return Err(MoneyError::CurrencyMismatch { left: self.currency, right: other.currency });
        }
        let minor = operation(self.minor, other.minor).ok_or_else(|| Self::out_of_range(self.currency))?;
        Ok(Self::new(minor, self.currency))
    }
}

impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.amount(), self.currency)
    }
}

impl fmt::Debug for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Money as JSON writes it, in events as in the API.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Money")]
struct MoneyJson<'a> {
    /// Decimal text with exactly the currency's digits.
    amount: Cow<'a, str>,
    currency: Currency,
}

impl Serialize for Money {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        MoneyJson { amount: self.amount().into(), currency: self.currency }.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Money {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let json = MoneyJson::deserialize(deserializer)?;
        Self::parse(&json.amount, json.currency).map_err(de::Error::custom)
    }
}

impl JsonSchema for Money {
    fn schema_name() -> Cow<'static, str> {
        "Money".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        MoneyJson::json_schema(generator)
    }
}

#[cfg(test)]
#[path = "money_tests.rs"]
mod tests;
