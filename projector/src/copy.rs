//! Many new rows at once, by COPY in its binary format: it costs both sides less than an insert of arrays.

use chrono::{DateTime, NaiveDate, Utc};
use sqlx::PgConnection;

use crate::ApplyError;

/// Fewer rows than this are inserted: COPY takes more trips to the server.
pub(crate) const COPY_ROWS_MIN: usize = 1_000;

/// Postgres counts days and microseconds from the first day of 2000.
const EPOCH_DAYS: i32 = 10_957;
const EPOCH_MICROS: i64 = 946_684_800_000_000;
const SIGNATURE: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";
const END: [u8; 2] = (-1_i16).to_be_bytes();
const NULL: [u8; 4] = (-1_i32).to_be_bytes();

/// Rows on their way into a table. A row has its columns in the order of the statement, each in exactly its type.
pub(crate) struct CopyRows {
    columns: i16,
    rows: usize,
    bytes: Vec<u8>,
}

impl CopyRows {
    /// None yet; `rows` will come.
    pub(crate) fn new(columns: i16, rows: usize) -> Self {
        let mut bytes = Vec::with_capacity(rows.saturating_mul(200).saturating_add(SIGNATURE.len()));
        bytes.extend_from_slice(SIGNATURE);
        Self { columns, rows: 0, bytes }
    }

    /// Begins the next row.
    pub(crate) fn row(&mut self) -> &mut Self {
        self.rows = self.rows.saturating_add(1);
        self.bytes.extend_from_slice(&self.columns.to_be_bytes());
        self
    }

    /// A `bigint`.
    pub(crate) fn bigint(&mut self, value: impl Into<Option<i64>>) -> &mut Self {
        self.field(value.into().map(i64::to_be_bytes))
    }

    /// A `text`.
    pub(crate) fn text<'a>(&mut self, value: impl Into<Option<&'a str>>) -> &mut Self {
        self.field(value.into())
    }

    /// A `date`.
    pub(crate) fn date(&mut self, value: NaiveDate) -> &mut Self {
        let days = value.to_epoch_days().saturating_sub(EPOCH_DAYS);
        self.field(Some(days.to_be_bytes()))
    }

    /// A `timestamptz`.
    pub(crate) fn time(&mut self, value: impl Into<Option<DateTime<Utc>>>) -> &mut Self {
        let micros = |time: DateTime<Utc>| time.timestamp_micros().saturating_sub(EPOCH_MICROS);
        self.field(value.into().map(|time| micros(time).to_be_bytes()))
    }

    fn field(&mut self, bytes: Option<impl AsRef<[u8]>>) -> &mut Self {
        match bytes {
            Some(bytes) => {
                let bytes = bytes.as_ref();
                // A text is far shorter: see the limits of commands. What is too long, Postgres refuses.
                let length = i32::try_from(bytes.len()).unwrap_or(i32::MAX);
                self.bytes.extend_from_slice(&length.to_be_bytes());
                self.bytes.extend_from_slice(bytes);
            }
            None => self.bytes.extend_from_slice(&NULL),
        }
        self
    }

    /// Sends them, by a statement as `copy … from stdin (format binary)`.
    ///
    /// # Errors
    /// The database's; and when not all rows arrived.
    pub(crate) async fn send(
        mut self,
        table: &'static str,
        statement: &str,
        db: &mut PgConnection,
    ) -> Result<(), ApplyError> {
        self.bytes.extend_from_slice(&END);
        let mut copy = db.copy_in_raw(statement).await?;
        copy.send(self.bytes).await?;
        let found = copy.finish().await?;
        if usize::try_from(found) == Ok(self.rows) {
            Ok(())
        } else {
            Err(ApplyError::RowsDiffer { table, expected: self.rows, found })
        }
    }
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, NaiveDate};

    use super::CopyRows;

    #[test]
    fn values_are_as_postgres_writes_them() {
        let mut rows = CopyRows::new(5, 1);
        let begin = rows.bytes.len();
        rows.row()
            .bigint(-2)
            .text("ž")
            .text(None)
            .date(NaiveDate::from_ymd_opt(2000, 1, 3).unwrap())
            .time(DateTime::from_timestamp(946_684_801, 5_000).unwrap());
        let expected: Vec<u8> = [
            &[0, 5][..],
            &[0, 0, 0, 8, 255, 255, 255, 255, 255, 255, 255, 254],
            &[0, 0, 0, 2, 0xc5, 0xbe],
            &[255, 255, 255, 255],
            &[0, 0, 0, 4, 0, 0, 0, 2],
            &[0, 0, 0, 8, 0, 0, 0, 0, 0, 0x0f, 0x42, 0x45],
        ]
        .concat();
        assert_eq!(rows.bytes[begin..], expected);
    }
}
