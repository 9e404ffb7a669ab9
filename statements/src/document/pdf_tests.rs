use std::process::Command;

use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;

use super::sheet::figure;
use super::{FontSources, Pdf, Warning};
use crate::EntryKind::{Credit, Debit, Reversal};
use crate::testing::{any_statement, bank, booking, documents, issue, statement};
use crate::tools::said;
use crate::{Booking, Documents, Logo, ProfileError, Statement};

/// The words of a document, and where each is: left, right (in points, from the page's left side).
struct Page {
    dir: tempfile::TempDir,
}

impl Page {
    fn of(pdf: &Pdf) -> Self {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("statement.pdf"), &pdf.bytes).unwrap();
        Self { dir }
    }

    fn tool(&self, program: &str, arguments: &[&str]) -> String {
        let mut command = Command::new(program);
        command.args(arguments).arg(self.dir.path().join("statement.pdf"));
        if program == "pdftotext" {
            command.arg("-");
        }
        said(&mut command)
    }

    fn text(&self) -> String {
        self.tool("pdftotext", &["-layout"])
    }

    /// Text, left and right of every word.
    fn words(&self) -> Vec<(String, f64, f64)> {
        let words = self.tool("pdftotext", &["-bbox"]);
        let word = |line: &str| {
            let (place, rest) = line.trim().strip_prefix("<word ")?.split_once('>')?;
            let number = |name: &str| {
                let (_, rest) = place.split_once(&format!("{name}=\""))?;
                rest.split('"').next()?.parse::<f64>().ok()
            };
            Some((rest.trim_end_matches("</word>").to_owned(), number("xMin")?, number("xMax")?))
        };
        words.lines().filter_map(word).collect()
    }
}

/// The lines of the table, by what stands at their right ends.
fn figures(text: &str) -> Vec<&str> {
    let is_figure = |word: &str| {
        word.ends_with(|char: char| char.is_ascii_digit())
            && word.chars().all(|char| char.is_ascii_digit() || matches!(char, '−' | ',' | '.'))
    };
    text.split_whitespace().filter(|word| is_figure(word)).collect()
}

fn contains_in_order(found: &[&str], wanted: &[String]) -> Result<(), String> {
    let mut found = found.iter();
    wanted.iter().enumerate().try_for_each(|(place, wanted)| match found.any(|found| found == wanted) {
        true => Ok(()),
        false => Err(format!("{wanted} is missing, number {place}")),
    })
}

/// Every amount that a statement must show, in the order in which it is read.
fn amounts(statement: &Statement) -> Vec<String> {
    let figure = |minor: i128| figure(&statement.amount(minor));
    let glance = [statement.opening(), statement.credits(), statement.debits(), statement.closing()];
    let lines = statement.lines().iter().flat_map(|line| [i128::from(line.booking.amount), line.balance]);
    let end = [statement.debits(), statement.credits(), statement.closing()];
    glance.into_iter().chain([statement.opening()]).chain(lines).chain(end).map(figure).collect()
}

#[test]
fn an_independent_reader_finds_every_amount_in_its_place() {
    let documents = documents();
    let mut runner = TestRunner::deterministic();
    for bookings_max in [0, 3, 60, 60, 200] {
        let statement = any_statement(bookings_max).new_tree(&mut runner).unwrap().current();
        // Words of others might look like amounts.
        let bookings = statement.lines().iter().map(|line| Booking {
            description: Some("Rent".to_owned()),
            reference: None,
            ..line.booking.clone()
        });
        let statement = Statement::new(
            statement.account().clone(),
            statement.month(),
            statement.zone(),
            statement.opening(),
            bookings.collect(),
        )
        .unwrap();
        let page = Page::of(&documents.pdf(&statement, &issue(1)).unwrap());
        let text = page.text();
        contains_in_order(&figures(&text), &amounts(&statement))
            .unwrap_or_else(|error| panic!("{error}:\n{text}"));
        let count = statement.lines().len();
        assert_eq!(text.matches("Transfer").count() + text.matches("Reversal of").count(), count);
    }
}

#[test]
fn any_statement_is_set_twice_the_same() {
    let documents = documents();
    let mut runner = TestRunner::deterministic();
    for _ in 0..6 {
        let statement = any_statement(40).new_tree(&mut runner).unwrap().current();
        let [once, twice] = [0; 2].map(|_| documents.pdf(&statement, &issue(1)).unwrap());
        assert_eq!(once, twice);
        assert_ne!(once.bytes, documents.pdf(&statement, &issue(2)).unwrap().bytes);
    }
}

#[test]
fn a_long_statement_has_pages_that_say_so_and_its_own_fonts() {
    let bookings = (1..=80).map(|revision| booking(revision, Debit, 1_050, "Standing order")).collect();
    let pdf = documents().pdf(&statement("CZK", 0, bookings), &issue(3)).unwrap();
    let page = Page::of(&pdf);
    let info = page.tool("pdfinfo", &[]);
    let fact = |name: &str| {
        let line = info.lines().find_map(|line| line.strip_prefix(&format!("{name}:")));
        line.unwrap_or_default().trim().to_owned()
    };
    assert_eq!(fact("Title"), "Account statement March 2026, account 7123456789012345001");
    assert_eq!(fact("Author"), "Bank of Bohemia & Sons");
    assert!(fact("Page size").ends_with("(A4)"), "{info}");
    assert!(fact("CreationDate").contains("Apr  1") && fact("CreationDate").contains("2026"), "{info}");
    assert_eq!(fact("Pages"), pdf.pages.to_string());
    assert!(pdf.pages >= 3);
    let text = page.text();
    let pages: Vec<_> = text.trim_end_matches('\u{c}').split('\u{c}').collect();
    assert_eq!(pages.len(), pdf.pages);
    for (number, page) in (1..).zip(&pages) {
        assert!(page.contains(&format!("Page {number} of {}", pdf.pages)), "{page}");
        assert!(page.contains("Booked on"), "the table's head is on every page");
    }
    assert!(text.contains("2026-03 / 3 (replaces issue 2)"), "{text}");
    let fonts = page.tool("pdffonts", &[]);
    let embedded = fonts.lines().skip(2).map(|line| line.contains(" yes yes "));
    assert!(embedded.clone().count() >= 2 && embedded.into_iter().all(|embedded| embedded), "{fonts}");
}

fn in_parts(documents: &Documents, statement: &Statement, bookings: usize) -> Pdf {
    documents.press.pdf_in_parts(&documents.bank, statement, &issue(1), bookings).unwrap()
}

#[test]
fn nobody_sees_where_parts_meet() {
    let documents = documents();
    let long = "a description that is far too long for a single line of the table ".repeat(3);
    // Rows of one, two and more lines, where the place on the page decides whether a row still has room.
    let texts = ["Rent", "", &long, "Miete für Žižkov", "Ελένη Жуков", "שכר דירה", "Fee"];
    for (count, bookings) in [(41, 40), (121, 60), (160, 53)] {
        let texts = texts.iter().cycle().zip(1..=count);
        let all =
            texts.map(|(text, revision)| booking(revision, Credit, 10_000 + revision.cast_signed(), text));
        let statement = statement("CZK", 0, all.collect());
        let [whole, parts] =
            [usize::MAX, bookings].map(|bookings| in_parts(&documents, &statement, bookings));
        assert_eq!((whole.pages, &whole.warnings), (parts.pages, &parts.warnings));
        assert_ne!(whole.bytes, parts.bytes);
        let [whole, parts] = [&whole, &parts].map(Page::of);
        assert_eq!(whole.text(), parts.text(), "in parts of {bookings}");
        let apart = |(one, other): (&(String, f64, f64), &(String, f64, f64))| {
            one.0 != other.0 || (one.1 - other.1).abs() > 0.01 || (one.2 - other.2).abs() > 0.01
        };
        let apart = whole
            .words()
            .iter()
            .zip(&parts.words())
            .find(|words| apart(*words))
            .map(|words| format!("{words:?}"));
        assert_eq!(apart, None, "in parts of {bookings}");
    }
}

#[test]
fn a_statement_in_parts_has_all_pages_and_bookings_once_and_in_order() {
    let part = 60;
    let bookings =
        (1..=2 * part + 17).map(|revision| booking(revision, Debit, 1_000 + revision.cast_signed(), "Rent"));
    let statement = statement("CZK", 5_000_000, bookings.collect());
    let documents = documents();
    let [pdf, again] = [(); 2].map(|()| in_parts(&documents, &statement, part as usize));
    assert_eq!(pdf, again);
    let page = Page::of(&pdf);
    let text = page.text();
    contains_in_order(&figures(&text), &amounts(&statement))
        .unwrap_or_else(|error| panic!("{error}:\n{text}"));
    for line in statement.lines() {
        let transfer = format!("Transfer\u{a0}{}", line.booking.transfer_id);
        assert_eq!(
            text.replace("Transfer ", "Transfer\u{a0}").matches(&transfer).count(),
            1,
            "{transfer}:\n{text}"
        );
    }
    let pages: Vec<_> = text.trim_end_matches('\u{c}').split('\u{c}').collect();
    assert_eq!(pages.len(), pdf.pages);
    for (number, page) in (1..).zip(&pages) {
        assert!(page.contains(&format!("Page {number} of {}", pdf.pages)), "{page}");
        assert_eq!(page.matches("Booked on").count(), 1, "{page}");
        assert_eq!(page.contains("Issued on"), number == 1, "{page}");
        assert_eq!(page.matches("Opening balance").count(), if number == 1 { 2 } else { 0 }, "{page}");
        assert_eq!(page.contains("Closing balance, 137 bookings"), number == pdf.pages, "{page}");
    }
    let info = page.tool("pdfinfo", &[]);
    for fact in
        ["Account statement March 2026, account 7123456789012345001", "Bank of Bohemia & Sons", "(A4)"]
    {
        assert!(info.contains(fact), "{info}");
    }
    assert!(
        info.lines().any(|line| line.starts_with("Pages:") && line.ends_with(&format!(" {}", pdf.pages))),
        "{info}"
    );
}

#[test]
fn words_and_figures_of_any_length_stay_in_their_columns() {
    let texts = [
        "W".repeat(140),
        "Ž".repeat(140),
        "Ω".repeat(140),
        "no_spaces_but_underscores_".repeat(5),
        "ש".repeat(140),
    ];
    let bookings = texts
        .iter()
        .zip(1..)
        .map(|(text, revision)| booking(revision, Credit, 900_000_000_000_000_001, text));
    let mut bookings: Vec<_> = bookings.collect();
    bookings[0].reference = Some("R".repeat(64));
    let statement = statement("CZK", -i128::from(i64::MAX), bookings);
    let page = Page::of(&documents().pdf(&statement, &issue(1)).unwrap());
    let words = page.words();
    let widest = figure(&statement.amount(statement.lines()[0].booking.amount));
    let credits: Vec<_> = words.iter().filter(|(text, ..)| *text == widest).collect();
    assert_eq!(credits.len(), 5, "no amount was broken");
    let amounts_begin = words.iter().find(|(text, ..)| text == "Debit").unwrap().1;
    let stray: Vec<_> = words
        .iter()
        .filter(|(text, ..)| ["WW", "ŽŽ", "ΩΩ", "no_", "שש", "RR"].iter().any(|part| text.contains(part)))
        .filter(|(_, _, right)| *right > amounts_begin)
        .collect();
    assert!(stray.is_empty(), "{stray:?} reach beyond {amounts_begin}");
}

#[test]
fn amounts_end_at_the_same_place_in_rows_of_any_length() {
    let long = "a description that is far too long for a single line of the table ".repeat(2);
    let texts = ["Rent", &long, "Miete für Žižkov", "שכר דירה"];
    let bookings = texts.iter().zip(1..).map(|(text, revision)| booking(revision, Debit, 123_456, text));
    let page =
        Page::of(&documents().pdf(&statement("CZK", 1_000_000, bookings.collect()), &issue(1)).unwrap());
    let words = page.words();
    let ends = |figure: &str| {
        words.iter().filter(|(text, ..)| text == figure).map(|word| word.2).collect::<Vec<_>>()
    };
    let together = |ends: &[f64], end: f64| ends.iter().all(|found| (found - end).abs() < 0.1);
    let debits = ends("1,234.56");
    assert_eq!(debits.len(), 4);
    assert!(together(&debits, ends("Debit")[0]), "{debits:?}");
    let balances =
        ["10,000.00", "8,765.44", "7,530.88", "6,296.32"].map(|balance| *ends(balance).last().unwrap());
    assert!(together(&balances, ends("Balance")[0]), "{balances:?}");
}

#[test]
fn what_is_known_of_other_statements_changes_nothing() {
    let of = |text: &str| {
        let bookings = (1..=40).map(|revision| booking(revision, Debit, 1_050, text)).collect();
        statement("CZK", 0, bookings)
    };
    let (short, long) = (of("Rent"), of(&"Rent of a flat ".repeat(9)));
    let [short_first, long_first] = [documents(), documents()];
    let [short_then, long_then] =
        [&short, &long].map(|statement| short_first.pdf(statement, &issue(1)).unwrap());
    let [long_now, short_now] =
        [&long, &short].map(|statement| long_first.pdf(statement, &issue(1)).unwrap());
    assert_eq!(short_then, short_now);
    assert_eq!(long_then, long_now);
    assert!(short_then.pages < long_then.pages);
}

#[test]
fn nothing_in_a_text_is_markup() {
    let text = r##"#panic("x") *bold* _it_ $x^2$ = H @ref <l> \ // c /* d */ `raw` [a] #{1+1} -- ~"##;
    let statement = statement("CZK", 0, vec![booking(1, Debit, 1, text)]);
    let found = Page::of(&documents().pdf(&statement, &issue(1)).unwrap()).text();
    let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    let found = words(&found);
    for word in words(text) {
        // A long word is cut at the end of a line.
        assert!(found.iter().any(|found| found.contains(&word)), "{word} in {found:?}");
    }
}

#[test]
fn a_booking_is_found_by_its_reference_or_else_by_its_transfer() {
    let kinds = [
        (Debit, "To", "Transfer"),
        (Credit, "From", "Transfer"),
        (Reversal, "Back from", "Reversal of transfer"),
    ];
    let bookings = (1..).zip(kinds.iter().flat_map(|(kind, ..)| [(*kind, Some("K-17")), (*kind, None)]));
    let bookings = bookings.map(|(revision, (kind, reference))| Booking {
        reference: reference.map(str::to_owned),
        ..booking(revision, kind, 100, "Rent")
    });
    let statement = statement("CZK", 0, bookings.collect());
    let text = Page::of(&documents().pdf(&statement, &issue(1)).unwrap()).text().replace('\u{a0}', " ");
    let sides = kinds.iter().flat_map(|(_, side, transfer)| [(side, None), (side, Some(transfer))]);
    for (line, (side, transfer)) in statement.lines().iter().zip(sides) {
        let Booking { counterparty, transfer_id, .. } = &line.booking;
        let found_by =
            transfer.map_or("Ref. K-17".to_owned(), |transfer| format!("{transfer} {transfer_id}"));
        let line = format!("{side} {counterparty} · {found_by}");
        assert!(text.lines().any(|found| found.trim() == line), "{line} in {text}");
    }
}

#[test]
fn a_character_without_a_font_is_seen_and_told() {
    let only_built_in = Documents::new(bank(), &FontSources::default()).unwrap();
    let statement = statement("CZK", 0, vec![booking(1, Reversal, 1, "Bücher 書 書\u{7}!")]);
    let pdf = only_built_in.pdf(&statement, &issue(1)).unwrap();
    assert_eq!(pdf.warnings, [Warning::NoGlyph(vec!['書'])]);
    assert_eq!(
        pdf.warnings[0].to_string(),
        "no font has 書 (U+66F8): install one, or name the folder of one"
    );
    assert!(Page::of(&pdf).text().contains("Bücher \u{fffd} \u{fffd} !"));
}

#[test]
fn names_in_other_scripts_are_set_in_installed_fonts() {
    let bookings = vec![booking(1, Debit, 1, "山田太郎"), booking(2, Debit, 1, "Ελένη Жуков")];
    let pdf = documents().pdf(&statement("JPY", 0, bookings), &issue(1)).unwrap();
    assert_eq!(pdf.warnings, [], "scripts/prerequisites test installs a font");
    let text = Page::of(&pdf).text();
    assert!(text.contains("山田太郎") && text.contains("Ελένη Жуков"), "{text}");
}

#[test]
fn a_logo_is_looked_at_before_the_first_statement() {
    let svg = br#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 40 10"><rect width="40" height="10"/></svg>"#;
    let with = |logo: &[u8]| {
        let bank = crate::BankProfile { logo: Some(Logo::from_bytes(logo.to_vec())), ..bank() };
        Documents::new(bank, &FontSources::default())
    };
    let pdf = with(svg).unwrap().pdf(&statement("CZK", 0, Vec::new()), &issue(1)).unwrap();
    assert_eq!(pdf.warnings, []);
    assert!(matches!(with(b"no picture"), Err(ProfileError::Trial(_))));
    let unknown = crate::BankProfile { font_family: Some("No Such Family".to_owned()), ..bank() };
    assert!(matches!(Documents::new(unknown, &FontSources::default()), Err(ProfileError::NoSuchFont(_))));
    let nameless = Documents::new(crate::BankProfile::named(" "), &FontSources::default());
    assert!(matches!(nameless, Err(ProfileError::NoName)));
}

#[test]
fn figures_have_separators_and_a_minus() {
    let figures = ["0", "999", "1000", "-0.05", "-1234567.890", "922337203685477.5807"].map(figure);
    assert_eq!(figures, ["0", "999", "1,000", "−0.05", "−1,234,567.890", "922,337,203,685,477.5807"]);
}
