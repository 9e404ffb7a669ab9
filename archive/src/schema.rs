//! The columns of a file, and rows as columns.
//!
//! Names and order are the read model's. What engines cannot be trusted with is left out: no unsigned numbers, no dictionaries of Arrow, no
//! encodings younger than Parquet 1.0.

use std::sync::Arc;

use arrow_array::types::{Decimal128Type, Int64Type, TimestampMicrosecondType};
use arrow_array::{
    Array, ArrayRef, ArrowPrimitiveType, Decimal128Array, Int64Array, PrimitiveArray, RecordBatch,
    StringArray, TimestampMicrosecondArray,
};
use arrow_schema::{DataType, Field, Schema, SchemaRef, TimeUnit};
use chrono::{DateTime, Utc};
use ledger_core::Currency;
use parquet::errors::ParquetError;

use crate::ArchiveError;
use crate::row::{EntryKind, Row, Status};

/// The version of these columns. A file of another version is read by what knew it.
pub const SCHEMA_VERSION: u32 = 1;

/// Digits of an amount: every 64-bit count of minor units, with [`AMOUNT_SCALE`] digits after the point. BigQuery's NUMERIC has room for it.
pub(crate) const AMOUNT_PRECISION: u8 = 23;
/// Digits after the point: as many as any currency of ISO 4217 has.
pub(crate) const AMOUNT_SCALE: i8 = 4;

macro_rules! columns {
    ($($constant:ident = $name:literal),* $(,)?) => {
        /// Every column, in order.
        pub(crate) const NAMES: &[&str] = &[$($name),*];
        columns!(@ 0, $($constant)*);
    };
    (@ $index:expr, $constant:ident $($rest:ident)*) => {
        pub(crate) const $constant: usize = $index;
        columns!(@ $index + 1, $($rest)*);
    };
    (@ $index:expr,) => {};
}

columns! {
    ACCOUNT_ID = "account_id",
    REVISION = "revision",
    TRANSFER_ID = "transfer_id",
    KIND = "kind",
    STATUS = "status",
    AMOUNT = "amount",
    BALANCE_AFTER = "balance_after",
    CURRENCY = "currency",
    COUNTERPARTY = "counterparty",
    DESCRIPTION = "description",
    REFERENCE = "reference",
    BOOKED_AT = "booked_at",
    RECORDED_AT = "recorded_at",
}

/// The columns as Arrow knows them.
pub(crate) fn schema() -> SchemaRef {
    let time = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
    let fields = NAMES.iter().enumerate().map(|(column, name)| {
        let data_type = match column {
            KIND | STATUS | CURRENCY | DESCRIPTION | REFERENCE => DataType::Utf8,
            AMOUNT | BALANCE_AFTER => DataType::Decimal128(AMOUNT_PRECISION, AMOUNT_SCALE),
            BOOKED_AT | RECORDED_AT => time.clone(),
            _ => DataType::Int64,
        };
        Field::new(*name, data_type, matches!(column, DESCRIPTION | REFERENCE))
    });
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

/// How many of the decimal's last units one minor unit is.
fn units(currency: Currency) -> Result<i128, ArchiveError> {
    let scale = AMOUNT_SCALE.unsigned_abs();
    let missing = u32::from(scale).checked_sub(currency.digits()).ok_or(ArchiveError::Digits(currency))?;
    Ok(10_i128.pow(missing))
}

/// Rows as columns.
pub(crate) fn to_batch(rows: &[Row]) -> Result<RecordBatch, ArchiveError> {
    let numbers =
        |of: fn(&Row) -> i64| -> ArrayRef { Arc::new(Int64Array::from_iter_values(rows.iter().map(of))) };
    let decimals = |of: fn(&Row) -> i64| -> Result<ArrayRef, ArchiveError> {
        let decimal = |row: &Row| Ok(i128::from(of(row)) * units(row.currency)?);
        let values = rows.iter().map(decimal).collect::<Result<Vec<i128>, ArchiveError>>()?;
        let array = Decimal128Array::from(values)
            .with_precision_and_scale(AMOUNT_PRECISION, AMOUNT_SCALE)
            .map_err(ParquetError::from)?;
        Ok(Arc::new(array))
    };
    let words = |of: fn(&Row) -> &'static str| -> ArrayRef {
        Arc::new(StringArray::from_iter_values(rows.iter().map(of)))
    };
    let texts =
        |of: fn(&Row) -> Option<&str>| -> ArrayRef { Arc::new(rows.iter().map(of).collect::<StringArray>()) };
    let times = |of: fn(&Row) -> DateTime<Utc>| -> ArrayRef {
        let micros = rows.iter().map(|row| of(row).timestamp_micros());
        Arc::new(TimestampMicrosecondArray::from_iter_values(micros).with_timezone("UTC"))
    };
    let columns = vec![
        numbers(|row| row.account_id),
        numbers(|row| row.revision),
        numbers(|row| row.transfer_id),
        words(|row| row.kind.as_str()),
        words(|row| row.status.as_str()),
        decimals(|row| row.amount)?,
        decimals(|row| row.balance_after)?,
        words(|row| row.currency.code()),
        numbers(|row| row.counterparty),
        texts(|row| row.description.as_deref()),
        texts(|row| row.reference.as_deref()),
        times(|row| row.booked_at),
        times(|row| row.recorded_at),
    ];
    Ok(RecordBatch::try_new(schema(), columns).map_err(ParquetError::from)?)
}

/// Columns as rows, after those that are there already; only the rows of which the key is wanted.
///
/// # Errors
/// What is wrong with the columns.
pub(crate) fn add_rows(
    batch: &RecordBatch,
    wanted: impl Fn(i64, i64) -> bool,
    rows: &mut Vec<Row>,
) -> Result<(), String> {
    let account_ids = column::<Int64Type>(batch, ACCOUNT_ID)?;
    let revisions = column::<Int64Type>(batch, REVISION)?;
    let transfer_ids = column::<Int64Type>(batch, TRANSFER_ID)?;
    let kinds = text_column(batch, KIND)?;
    let statuses = text_column(batch, STATUS)?;
    let amounts = column::<Decimal128Type>(batch, AMOUNT)?;
    let balances = column::<Decimal128Type>(batch, BALANCE_AFTER)?;
    let currencies = text_column(batch, CURRENCY)?;
    let counterparties = column::<Int64Type>(batch, COUNTERPARTY)?;
    let descriptions = text_column(batch, DESCRIPTION)?;
    let references = text_column(batch, REFERENCE)?;
    let booked = column::<TimestampMicrosecondType>(batch, BOOKED_AT)?;
    let recorded = column::<TimestampMicrosecondType>(batch, RECORDED_AT)?;
    for index in 0..batch.num_rows() {
        let (account_id, revision) = (account_ids.value(index), revisions.value(index));
        if !wanted(account_id, revision) {
            continue;
        }
        let unknown = |what: &str, found: &str| format!("'{found}' is no {what}");
        let code = currencies.value(index);
        let currency = Currency::from_code(code).ok_or_else(|| unknown("currency", code))?;
        let units = units(currency).map_err(|error| error.to_string())?;
        let minor = |decimal: i128| {
            let minor = (decimal % units == 0).then(|| i64::try_from(decimal / units).ok()).flatten();
            minor.ok_or_else(|| format!("{decimal} is no amount of {currency}"))
        };
        let time = |micros: i64| {
            DateTime::from_timestamp_micros(micros).ok_or_else(|| format!("{micros} is no time"))
        };
        let text = |array: &StringArray| array.is_valid(index).then(|| array.value(index).to_owned());
        let (kind, status) = (kinds.value(index), statuses.value(index));
        rows.push(Row {
            account_id,
            revision,
            transfer_id: transfer_ids.value(index),
            kind: EntryKind::of(kind).ok_or_else(|| unknown("kind", kind))?,
            status: Status::of(status).ok_or_else(|| unknown("status", status))?,
            amount: minor(amounts.value(index))?,
            balance_after: minor(balances.value(index))?,
            currency,
            counterparty: counterparties.value(index),
            description: text(descriptions),
            reference: text(references),
            booked_at: time(booked.value(index))?,
            recorded_at: time(recorded.value(index))?,
        });
    }
    Ok(())
}

fn column<T: ArrowPrimitiveType>(batch: &RecordBatch, column: usize) -> Result<&PrimitiveArray<T>, String> {
    let found = batch.columns().get(column).and_then(|array| array.as_any().downcast_ref());
    found.ok_or_else(|| unlike(column))
}

fn text_column(batch: &RecordBatch, column: usize) -> Result<&StringArray, String> {
    let found = batch.columns().get(column).and_then(|array| array.as_any().downcast_ref());
    found.ok_or_else(|| unlike(column))
}

fn unlike(column: usize) -> String {
    format!("its column '{}' is not what it should be", NAMES.get(column).unwrap_or(&"?"))
}
