//! What stands on the paper, as the template gets it: every text ready to be set.

use std::ops::Range;

use chrono::{Datelike as _, NaiveDate};
use serde::Serialize;

use super::super::{BankProfile, DocumentError, Issue};
use super::Fonts;
use crate::{Booking, EntryKind, Line, Statement};

/// Amounts in the table, in points; the template says the same.
const AMOUNT_POINTS: f64 = 8.5;
/// Columns of amounts are at least this wide, and have this much room on their left.
const AMOUNT_COLUMN_POINTS_MIN: f64 = 62.0;
const AMOUNT_GAP_POINTS: f64 = 9.0;
/// The rest of the row, the template's too: its width, what the date takes of it, and the sizes of description and details.
const ROW_POINTS: f64 = 170.0 * POINTS_PER_MM;
const DATE_COLUMN_POINTS: f64 = 19.0 * POINTS_PER_MM;
const DESCRIPTION_POINTS: f64 = 9.0;
const DETAILS_POINTS: f64 = 7.5;
const POINTS_PER_MM: f64 = 72.0 / 25.4;
/// What kerning may add to a line.
const KERNING_MAX: f64 = 1.03;
/// A word of more characters may be broken after each so many: it would run into the amounts.
const WORD_CHARS_MAX: usize = 18;
/// The same for scripts whose letters join, where a break shows.
const JOINED_WORD_CHARS_MAX: usize = 24;
/// The first letter of the first such script, Hebrew; before it, Latin, Greek, Cyrillic and Armenian.
const FIRST_JOINED: char = '\u{590}';
const REPLACEMENT: char = '\u{fffd}';

/// Date, description, details, debit, credit, balance; and how the pen goes in a row that surely has two lines, see [`pen`].
type Row = ([String; 6], Option<[f64; 2]>);

/// One statement, word for word.
#[derive(Debug, Default, Serialize)]
pub(super) struct Sheet {
    family: String,
    ident: String,
    title: String,
    date: [i32; 3],
    bank: String,
    address: Vec<String>,
    logo: bool,
    month: String,
    holder: String,
    /// Label and text.
    facts: Vec<(&'static str, String)>,
    account: String,
    currency: String,
    first_day: String,
    last_day: String,
    opening: String,
    closing: String,
    debits: String,
    credits: String,
    count: String,
    /// Of debit, credit and balance, in points.
    widths: [f64; 3],
    #[serde(skip)]
    rows: Vec<Row>,
    /// Characters to measure.
    characters: String,
    #[serde(skip)]
    missing: Vec<char>,
}

impl Sheet {
    pub(super) fn of(bank: &BankProfile, statement: &Statement, issue: &Issue, fonts: &Fonts) -> Self {
        let mut texts = Texts { fonts, missing: Vec::new() };
        let account = statement.account();
        let month = statement.month();
        let month_in_words = format!("{} {}", month_name(month.first_day()), month.year());
        let issued = statement.local(issue.issued_at).date_naive();
        let figure = |minor: i128| figure(&statement.amount(minor));
        let number = match issue.replaces {
            Some(before) => format!("{month} / {} (replaces issue {before})", issue.number),
            None => format!("{month} / {}", issue.number),
        };
        let reference = account.reference.as_deref().map(|reference| ("Reference", texts.shown(reference)));
        let facts = [("Account", account.id.to_string())].into_iter().chain(reference).chain([
            ("Currency", account.currency.code().to_owned()),
            ("Period", format!("{} – {}", day(month.first_day()), day(month.last_day()))),
            ("Statement", number),
            ("Issued on", day(issued)),
        ]);
        let rows: Vec<_> = statement.lines().iter().map(|line| row(statement, line, &mut texts)).collect();
        let [opening, closing] = [statement.opening(), statement.closing()].map(figure);
        let [debits, credits] = [statement.debits(), statement.credits()].map(figure);
        let column = |column: usize, ends: [&String; 2]| {
            let texts = rows.iter().filter_map(|row| row.get(column)).chain(ends);
            let chars = texts.map(|text| text.chars().count()).max().unwrap_or_default();
            AMOUNT_GAP_POINTS + AMOUNT_COLUMN_POINTS_MIN.max(chars as f64 * fonts.figure_em * AMOUNT_POINTS)
        };
        let widths = [column(3, [&debits; 2]), column(4, [&credits; 2]), column(5, [&opening, &closing])];
        Self {
            family: fonts.family().to_owned(),
            ident: format!("daybook/{}/{month}/{}", account.id, issue.number),
            title: format!("Account statement {month_in_words}, account {}", account.id),
            date: [issued.year(), issued.month().cast_signed(), issued.day().cast_signed()],
            bank: texts.shown(&bank.name),
            address: bank.address.iter().map(|line| texts.shown(line)).collect(),
            logo: bank.logo.is_some(),
            month: month_in_words,
            holder: texts.shown(&account.holder),
            facts: facts.collect(),
            account: account.id.to_string(),
            currency: account.currency.code().to_owned(),
            first_day: month.first_day().to_string(),
            last_day: month.last_day().to_string(),
            opening,
            closing,
            debits,
            credits,
            count: match rows.len() {
                1 => "1 booking".to_owned(),
                count => format!("{count} bookings"),
            },
            widths,
            rows: rows
                .into_iter()
                .map(|row| (pen(&row, widths, fonts), row))
                .map(|(pen, row)| (row, pen))
                .collect(),
            characters: String::new(),
            missing: texts.missing,
        }
    }

    /// A statement of nothing, to see whether one can be set.
    pub(super) fn sample(bank: &BankProfile, fonts: &Fonts) -> Self {
        let mut texts = Texts { fonts, missing: Vec::new() };
        Self {
            family: fonts.family().to_owned(),
            title: "Sample".to_owned(),
            date: [2025, 1, 1],
            bank: texts.shown(&bank.name),
            address: bank.address.iter().map(|line| texts.shown(line)).collect(),
            logo: bank.logo.is_some(),
            widths: [AMOUNT_COLUMN_POINTS_MIN; 3],
            ..Self::default()
        }
    }

    /// Nothing but characters to measure.
    pub(super) fn of_characters(family: &str, characters: String) -> Self {
        Self { family: family.to_owned(), characters, ..Self::default() }
    }

    /// With these rows of its own.
    pub(super) fn json(&self, rows: Range<usize>) -> Result<Vec<u8>, DocumentError> {
        #[derive(Serialize)]
        struct WithRows<'a> {
            #[serde(flatten)]
            sheet: &'a Sheet,
            rows: &'a [Row],
        }
        json(&WithRows { sheet: self, rows: self.rows.get(rows).unwrap_or_default() })
    }

    /// What makes the document another than all others.
    pub(super) fn ident(&self) -> &str {
        &self.ident
    }

    pub(super) fn bookings(&self) -> usize {
        self.rows.len()
    }

    /// The characters that no font has, each once.
    pub(super) fn missing(&self) -> &[char] {
        &self.missing
    }
}

/// As the template reads it.
pub(super) fn json(value: &impl Serialize) -> Result<Vec<u8>, DocumentError> {
    serde_json::to_vec(value).map_err(|error| DocumentError::Typesetting(error.to_string()))
}

fn row(statement: &Statement, Line { booking, balance }: &Line, texts: &mut Texts<'_>) -> [String; 6] {
    let amount = figure(&statement.amount(booking.amount));
    let (debit, credit) = match booking.kind {
        EntryKind::Debit => (amount, String::new()),
        EntryKind::Credit | EntryKind::Reversal => (String::new(), amount),
    };
    let description = booking.description.as_deref().map(|text| texts.shown(text));
    let description = description.unwrap_or_else(|| {
        let words = match booking.kind {
            EntryKind::Debit => "Debit",
            EntryKind::Credit => "Credit",
            EntryKind::Reversal => "Reversal",
        };
        words.to_owned()
    });
    let date = statement.local(booking.booked_at).date_naive().to_string();
    [date, description, details(booking, texts), debit, credit, figure(&statement.amount(*balance))]
}

/// From how far left of the row's right end the pen goes to the amount, and how far from there to the balance, in points. None if the
/// description might need a second line, or the details.
fn pen(row: &[String; 6], widths: [f64; 3], fonts: &Fonts) -> Option<[f64; 2]> {
    let [date, description, details, debit, credit, balance] = row;
    let [_, credit_column, balance_column] = widths;
    let fits = |text: &str, points: f64, room: f64| {
        fonts.widths.of(text).is_some_and(|ems| ems * points * KERNING_MAX <= room)
    };
    let room = ROW_POINTS - DATE_COLUMN_POINTS;
    let fit = fits(description, DESCRIPTION_POINTS, room - widths.iter().sum::<f64>())
        && fits(details, DETAILS_POINTS, room);
    if !fit {
        return None;
    }
    let figure = |text: &str| Some(fonts.widths.of(text)? * AMOUNT_POINTS);
    let (amount, right) =
        if debit.is_empty() { (credit, balance_column) } else { (debit, balance_column + credit_column) };
    let (date, amount, balance) = (figure(date)?, figure(amount)?, figure(balance)?);
    Some([date + amount + right, right - balance])
}

/// The other account, and what the booking is found by: the reference that it was given, else the transfer's id. The files for machines have both.
fn details(booking: &Booking, texts: &mut Texts<'_>) -> String {
    let Booking { counterparty, transfer_id, .. } = booking;
    let (side, transfer) = match booking.kind {
        EntryKind::Debit => ("To", "Transfer"),
        EntryKind::Credit => ("From", "Transfer"),
        EntryKind::Reversal => ("Back from", "Reversal of transfer"),
    };
    match booking.reference.as_deref().filter(|reference| !reference.is_empty()) {
        Some(reference) => format!("{side}\u{a0}{counterparty} · Ref.\u{a0}{}", texts.shown(reference)),
        None => format!("{side}\u{a0}{counterparty} · {transfer}\u{a0}{transfer_id}"),
    }
}

/// Makes texts of unknown origin fit to be set.
struct Texts<'a> {
    fonts: &'a Fonts,
    missing: Vec<char>,
}

impl Texts<'_> {
    /// A text on one line, with a visible sign where no font has the character, and places to break words that are too long.
    fn shown(&mut self, text: &str) -> String {
        let mut shown = String::with_capacity(text.len());
        let mut word = 0_usize;
        for char in text.chars() {
            let char = match char {
                char if char.is_control() || matches!(char, '\u{2028}' | '\u{2029}') => ' ',
                char if self.fonts.have(char) => char,
                char => {
                    if !self.missing.contains(&char) {
                        self.missing.push(char);
                    }
                    REPLACEMENT
                }
            };
            word = if char.is_whitespace() { 0 } else { word.saturating_add(1) };
            let word_chars_max = if char < FIRST_JOINED { WORD_CHARS_MAX } else { JOINED_WORD_CHARS_MAX };
            if word > word_chars_max && !matches!(char, '\u{300}'..='\u{36f}' | '\u{483}'..='\u{489}') {
                shown.push('\u{200b}');
                word = 1;
            }
            shown.push(char);
        }
        shown
    }
}

/// "-1234567.89" as "−1,234,567.89".
pub(super) fn figure(amount: &str) -> String {
    let (sign, unsigned) = match amount.strip_prefix('-') {
        Some(unsigned) => ("−", unsigned),
        None => ("", amount),
    };
    let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
    let mut figure = String::from(sign);
    for (place, digit) in whole.chars().enumerate() {
        if place > 0 && whole.len().saturating_sub(place) % 3 == 0 {
            figure.push(',');
        }
        figure.push(digit);
    }
    if !fraction.is_empty() {
        figure.push('.');
        figure.push_str(fraction);
    }
    figure
}

fn day(day: NaiveDate) -> String {
    format!("{} {} {}", day.day(), month_name(day), day.year())
}

fn month_name(day: NaiveDate) -> &'static str {
    let number = u8::try_from(day.month()).ok();
    number.and_then(|number| chrono::Month::try_from(number).ok()).map_or("", |month| month.name())
}
