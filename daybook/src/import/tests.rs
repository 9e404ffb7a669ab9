use ledger_core::settlement::Settlement;

use super::file::{FileError, ReadOptions, parse};
use super::row::{description, settlement};

pub(super) const HEADER: &str = "transaction_id,account_id,booked_on,direction,amount,currency,operation,purpose,counterparty_bank,counterparty_account,balance_after\n";

/// A good row, to be spoilt.
const GOOD: &str = "1,10,1993-01-01,credit,700.00,CZK,cash_deposit,,,,700.00";

fn refused(rows: &[&str]) -> String {
    let text = format!("{HEADER}{}\n", rows.join("\n"));
    parse(text.as_bytes(), ReadOptions::default()).unwrap_err().to_string()
}

#[test]
fn a_good_file() {
    let text = format!(
        "{HEADER}{GOOD}\n2,10,1993-01-02,debit,30.50,CZK,transfer_out,household,YZ,87144583,669.50\n\
         3,10,1993-01-31,debit,700.00,CZK,cash_withdrawal,penalty_interest,,,-30.50\n"
    );
    let rows = parse(text.as_bytes(), ReadOptions::default()).unwrap();
    let lines: Vec<_> = rows.iter().map(|row| row.line).collect();
    assert_eq!(lines, [2, 3, 4]);
    assert_eq!(rows[1].description, "transfer out: household, YZ 87144583");
    assert_eq!(rows[1].settlement, Settlement::Clearing);
    assert_eq!(rows[2].balance_after.amount(), "-30.50");
    assert_eq!(rows[2].settlement, Settlement::Interest);
}

#[test]
fn columns_go_by_name_and_more_may_be_there() {
    let text = "\u{feff}balance_after,note,counterparty_account,counterparty_bank,purpose,operation,currency,amount,direction,booked_on,account_id,transaction_id\r\n\
                700.00,\"a, b\",,,,cash_deposit,CZK,700.00,credit,1993-01-01,10,1\r\n";
    let rows = parse(text.as_bytes(), ReadOptions::default()).unwrap();
    assert_eq!((rows[0].account.as_str(), rows[0].amount.minor), ("10", 70_000));
}

#[test]
fn every_kind_of_bad_row_is_named_by_line_and_column() {
    for (row, place) in [
        (",10,1993-01-01,credit,1.00,CZK,cash_deposit,,,,1.00", "column transaction_id: must be"),
        ("1,,1993-01-01,credit,1.00,CZK,cash_deposit,,,,1.00", "column account_id: must be"),
        (
            "1,10,1993-02-30,credit,1.00,CZK,cash_deposit,,,,1.00",
            "column booked_on: '1993-02-30' is not a day",
        ),
        ("1,10,1993-1-1,credit,1.00,CZK,cash_deposit,,,,1.00", "column booked_on"),
        ("1,10,01.01.1993,credit,1.00,CZK,cash_deposit,,,,1.00", "column booked_on"),
        ("1,10,1993-01-01,CREDIT,1.00,CZK,cash_deposit,,,,1.00", "column direction: 'CREDIT' is unknown"),
        (
            "1,10,1993-01-01,credit,1.0,CZK,cash_deposit,,,,1.00",
            "column amount: '1.0' is not an amount of CZK",
        ),
        ("1,10,1993-01-01,credit,1e3,CZK,cash_deposit,,,,1.00", "column amount"),
        ("1,10,1993-01-01,credit,-1.00,CZK,cash_deposit,,,,-1.00", "column amount: -1.00 is not above zero"),
        ("1,10,1993-01-01,credit,0.00,CZK,cash_deposit,,,,0.00", "column amount: 0.00 is not above zero"),
        ("1,10,1993-01-01,credit,1.00,XXX,cash_deposit,,,,1.00", "column currency: 'XXX' is not an ISO 4217"),
        ("1,10,1993-01-01,credit,1.00,CZK,gift,,,,1.00", "column operation: 'gift' is unknown"),
        (
            "1,10,1993-01-01,credit,1.00,CZK,transfer_out,,,,1.00",
            "column operation: transfer_out is never a credit",
        ),
        ("1,10,1993-01-01,credit,1.00,CZK,cash_deposit,fun,,,1.00", "column purpose: 'fun' is unknown"),
        ("1,10,1993-01-01,credit,1.00,CZK,cash_deposit,,,,", "column balance_after: '' is not an amount"),
        (
            "1,10,1993-01-01,credit,1.00,CZK,cash_deposit,,,,1.01",
            "column balance_after: the balance of account 10",
        ),
        ("1,10,1993-01-01,credit,1.00,CZK,cash_deposit,,,1.00", "10 columns where the header has 11"),
    ] {
        let reason = refused(&[row]);
        assert!(reason.starts_with("line 2") && reason.contains(place), "{row}\n{reason}");
    }
}

#[test]
fn rows_agree_with_those_before_them() {
    let again = refused(&[GOOD, "1,11,1993-01-01,credit,1.00,CZK,cash_deposit,,,,1.00"]);
    assert_eq!(again, "line 3, column transaction_id: transaction 1 is on line 2 already");
    let currency = refused(&[GOOD, "2,10,1993-01-01,credit,1.00,EUR,cash_deposit,,,,701.00"]);
    assert_eq!(currency, "line 3, column currency: account 10 has CZK on line 2");
    let sum = refused(&[GOOD, "2,10,1993-01-01,debit,0.01,CZK,cash_withdrawal,,,,700.00"]);
    assert_eq!(
        sum,
        "line 3, column balance_after: the balance of account 10 does not add up: 700.00 on line 2, - 0.01 gives 699.99, not 700.00"
    );
}

#[test]
fn a_file_that_continues_another_may_begin_with_a_balance() {
    let row = "1,10,1994-01-01,credit,1.00,CZK,cash_deposit,,,,701.00";
    assert!(refused(&[row]).contains("--continues"));
    let text = format!("{HEADER}{row}\n");
    assert!(parse(text.as_bytes(), ReadOptions { continues: true }).is_ok());
}

#[test]
fn headers() {
    for (header, reason) in [
        ("", "line 1: the column transaction_id is missing"),
        (HEADER.replace("purpose", "Purpose").as_str(), "line 1: the column purpose is missing"),
        (HEADER.replace("purpose", "amount").as_str(), "line 1: the column amount is there twice"),
    ] {
        let error = parse(header.as_bytes(), ReadOptions::default()).unwrap_err().to_string();
        assert!(error.starts_with(reason), "{error}");
    }
    assert!(matches!(parse(HEADER.as_bytes(), ReadOptions::default()), Err(FileError::Empty)));
    let latin1 = [HEADER.as_bytes(), b"1,\xe9,x,x,x,x,x,x,x,x,x\n"].concat();
    let error = parse(&latin1[..], ReadOptions::default()).unwrap_err().to_string();
    assert_eq!(error, "line 2: not UTF-8 text");
}

#[test]
fn the_banks_own_side() {
    for (operation, purpose, expected) in [
        ("interest", "interest_credited", Settlement::Interest),
        ("interest", "", Settlement::Interest),
        ("cash_withdrawal", "statement_fee", Settlement::Fees),
        ("cash_withdrawal", "penalty_interest", Settlement::Interest),
        ("cash_withdrawal", "household", Settlement::Cash),
        ("cash_withdrawal", "", Settlement::Cash),
        ("cash_deposit", "", Settlement::Cash),
        ("transfer_in", "pension", Settlement::Clearing),
        ("transfer_out", "insurance", Settlement::Clearing),
        ("transfer_out", "loan_payment", Settlement::Clearing),
    ] {
        assert_eq!(settlement(operation, purpose), expected, "{operation} {purpose}");
    }
}

#[test]
fn descriptions() {
    assert_eq!(description("cash_deposit", "", "", ""), "cash deposit");
    assert_eq!(description("transfer_in", "pension", "", "123"), "transfer in: pension, 123");
    assert_eq!(description("transfer_in", "", "IJ", "123"), "transfer in: IJ 123");
}
