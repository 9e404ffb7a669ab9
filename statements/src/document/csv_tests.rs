use ledger_core::Money;
use proptest::prelude::*;

use super::csv;
use crate::EntryKind::{Credit, Debit, Reversal};
use crate::Statement;
use crate::testing::{any_statement, booking, statement};

/// Header and lines, by an independent reading of the same format.
fn read(statement: &Statement) -> Vec<Vec<String>> {
    let bytes = csv(statement).unwrap();
    let mut reader = ::csv::ReaderBuilder::new().has_headers(false).from_reader(bytes.as_slice());
    reader.records().map(|record| record.unwrap().iter().map(str::to_owned).collect()).collect()
}

#[test]
fn a_line_says_all_of_a_booking() {
    let mut credit = booking(7, Credit, 150_000, "Salary, \"March\"");
    credit.reference = Some("K-17".to_owned());
    let text =
        csv(&statement("CZK", -50, vec![credit, booking(8, Debit, 1, ""), booking(9, Reversal, 1, "")]));
    let expected = "account_id,account_reference,month,currency,entry,booked_at,revision,transfer_id,reference,counterparty,description,amount,balance\r\n\
        7123456789012345001,1787,2026-03,CZK,opening,2026-03-01T00:00:00+01:00,,,,,,,-0.50\r\n\
        7123456789012345001,1787,2026-03,CZK,credit,2026-03-01T00:07:00+01:00,7,7200000000000000007,K-17,7111111111111111111,\"Salary, \"\"March\"\"\",1500.00,1499.50\r\n\
        7123456789012345001,1787,2026-03,CZK,debit,2026-03-01T00:08:00+01:00,8,7200000000000000008,,7111111111111111111,,-0.01,1499.49\r\n\
        7123456789012345001,1787,2026-03,CZK,reversal,2026-03-01T00:09:00+01:00,9,7200000000000000009,,7111111111111111111,,0.01,1499.50\r\n\
        7123456789012345001,1787,2026-03,CZK,closing,2026-03-31T23:59:59+02:00,,,,,,,1499.50\r\n";
    assert_eq!(String::from_utf8(text.unwrap()).unwrap(), expected);
}

#[test]
fn a_spreadsheet_sees_no_formula() {
    for text in ["=1+1", "+420", "-1", "@SUM(A1)", "'quoted", "\t=1", "＝1"] {
        let lines = read(&statement("CZK", 0, vec![booking(1, Debit, 1, text)]));
        assert_eq!(lines[2][10], format!("'{text}"));
    }
    let lines = read(&statement("CZK", 0, vec![booking(1, Debit, 1, "a=b")]));
    assert_eq!(lines[2][10], "a=b");
}

proptest! {
    #[test]
    fn what_is_read_back_adds_up_to_the_statement(statement in any_statement(120)) {
        let lines = read(&statement);
        let currency = statement.account().currency;
        let minor = |text: &str| i128::from(Money::parse(text, currency).unwrap().minor);
        let (first, last) = (&lines[1], lines.last().unwrap());
        prop_assert_eq!(lines.len(), statement.lines().len() + 3);
        prop_assert_eq!((minor(&first[12]), minor(&last[12])), (statement.opening(), statement.closing()));
        let mut balance = statement.opening();
        for (line, said) in lines[2..].iter().zip(statement.lines()) {
            balance += minor(&line[11]);
            prop_assert_eq!(minor(&line[12]), balance);
            prop_assert_eq!(line[10].strip_prefix('\'').unwrap_or(&line[10]), said.booking.description.as_deref().unwrap_or(""));
        }
        prop_assert_eq!(balance, statement.closing());
    }
}
