//! Scratch.
#![allow(missing_docs, clippy::unwrap_used, clippy::print_stdout)]
use chrono::{DateTime, Duration, TimeZone, Utc};
use ledger_core::*;
use statements::*;
use std::num::NonZeroU32;
use std::time::Instant;
fn st(
    n: u64,
    rows: usize,
    cur: &str,
    holder: &str,
    big: bool,
    desc: &dyn Fn(usize) -> Option<String>,
) -> Statement {
    let currency = Currency::from_code(cur).unwrap();
    let account = StatementAccount {
        id: AccountId::from_i64(7_123_456_789_012_345_000 + n as i64).unwrap(),
        reference: (n % 2 == 1).then(|| format!("{}", 1787 + n)),
        currency,
        holder: holder.into(),
    };
    let t0: DateTime<Utc> = Utc.with_ymd_and_hms(2026, 3, 1, 7, 0, 0).unwrap();
    let b = (0..rows)
        .map(|i| Booking {
            revision: i as u64 + 1,
            transfer_id: TransferId::from_i64(7_200_000_000_000_000_000 + (i as i64) * 7919 + n as i64)
                .unwrap(),
            kind: match i % 7 {
                0 | 3 | 6 => EntryKind::Credit,
                5 => EntryKind::Reversal,
                _ => EntryKind::Debit,
            },
            amount: if big {
                123_456_789_012_345 + i as i64 * 1_000_003
            } else {
                (i as i64 * 7919 * 13 + n as i64 * 101) % 500_000 + 1
            },
            counterparty: AccountId::from_i64(if i % 4 == 0 {
                1978
            } else {
                7_111_111_111_111_111_111 + i as i64
            })
            .unwrap(),
            description: desc(i),
            reference: (i % 5 == 0).then(|| format!("{}", 30000 + i)),
            booked_at: t0 + Duration::minutes((i * 30 * 24 * 60 / rows.max(1)) as i64),
        })
        .collect();
    Statement::new(
        account,
        "2026-03".parse().unwrap(),
        chrono_tz::Europe::Prague,
        if big { -999_999_999_999_999 } else { 123_456 },
        b,
    )
    .unwrap()
}
fn main() {
    let a: Vec<String> = std::env::args().collect();
    let mut bank = BankProfile::named("Bank of Bohemia");
    bank.address = vec![
        "Na Příkopě 864/28".into(),
        "115 03 Praha 1".into(),
        "Czech Republic".into(),
        "BIC BOHECZPP".into(),
    ];
    bank.bic = Some("BOHECZPP".into());
    if a.len() > 4 {
        bank.logo = Some(Logo::read(std::path::Path::new(&a[4])).unwrap());
    }
    let t = Instant::now();
    let d = Documents::new(bank, &FontSources { system: true, folders: vec![] }).unwrap();
    println!("new {:?}", t.elapsed());
    let issue = Issue {
        number: NonZeroU32::new(1).unwrap(),
        issued_at: Utc.with_ymd_and_hms(2026, 4, 1, 0, 5, 0).unwrap(),
    };
    let words = [
        "Rent for March",
        "Groceries",
        "Salary",
        "Electricity, advance payment",
        "Insurance premium 2026/03",
        "Card payment Albert Praha 4",
        "Standing order: savings",
    ];
    let ord = |i: usize| Some(format!("{} {}", words[i % 7], i));
    if a[1] == "look" {
        let long = |i: usize| {
            match i%5 {0=>None,1=>Some("A very long description that goes on and on about what was bought, by whom, where, when, and why, up to one hundred and forty characters!!".into()),2=>Some("X".repeat(140)),3=>Some("#set page(fill: red) *bold* $x$ = Heading @ref <label> \\ // comment 家賃 三月分 شكرا नमस्ते 🎉".into()),_=>Some("Příliš žluťoučký kůň úpěl ďábelské ódy, Ελληνικά, Русский".into())}
        };
        let issue2 = Issue { number: NonZeroU32::new(3).unwrap(), ..issue };
        for (name, s, i) in [
            ("ordinary", st(1, 50, "CZK", "Jana Nováková", false, &ord), issue),
            (
                "long",
                st(
                    2,
                    33,
                    "EUR",
                    "Maximiliana Alexandra Wolfeschlegelsteinhausenbergerdorff-Hohenzollern von und zu Donaudampfschifffahrtsgesellschaft 山田太郎",
                    true,
                    &long,
                ),
                issue2,
            ),
            ("yen", st(3, 3, "JPY", "山田 太郎", false, &ord), issue),
            ("empty", st(4, 0, "KWD", "אברהם כהן (erased) محمد", false, &ord), issue),
        ] {
            let p = d.pdf(&s, &i).unwrap();
            println!("{name} {} bytes {} pages {:?}", p.bytes.len(), p.pages, p.warnings);
            std::fs::write(format!("/tmp/look/{name}.pdf"), &p.bytes).unwrap();
            std::fs::write(format!("/tmp/look/{name}.csv"), d.csv(&s).unwrap()).unwrap();
            std::fs::write(format!("/tmp/look/{name}.xml"), d.camt053(&s, &i).unwrap()).unwrap();
            assert_eq!(p.bytes, d.pdf(&s, &i).unwrap().bytes);
        }
        return;
    }
    let rows: usize = a[1].parse().unwrap();
    let threads: u64 = a[2].parse().unwrap();
    let per: u64 = a[3].parse().unwrap();
    let t = Instant::now();
    std::thread::scope(|s| {
        for th in 0..threads {
            let (d, ord, issue) = (&d, &ord, &issue);
            s.spawn(move || {
                let mut p = 0.0;
                let mut o = 0.0;
                for n in 0..per {
                    let s =
                        st(th * per + n, rows, "CZK", &format!("Jana Nováková {}", th * per + n), false, ord);
                    let t = Instant::now();
                    d.pdf(&s, issue).unwrap();
                    p += t.elapsed().as_secs_f64();
                    let t = Instant::now();
                    d.csv(&s).unwrap();
                    d.camt053(&s, issue).unwrap();
                    o += t.elapsed().as_secs_f64();
                }
                println!("pdf {:.2} ms, csv+camt {:.2} ms", p / per as f64 * 1e3, o / per as f64 * 1e3);
            });
        }
    });
    println!("{:.1}/s", (threads * per) as f64 / t.elapsed().as_secs_f64());
    println!(
        "{}",
        std::fs::read_to_string("/proc/self/status")
            .unwrap()
            .lines()
            .filter(|l| l.starts_with("VmHWM") || l.starts_with("VmRSS"))
            .collect::<Vec<_>>()
            .join(" ")
    );
}
