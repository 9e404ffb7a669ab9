//! How fast events become rows, without a log: transfers made in memory, applied batch by batch.
//!
//! `cargo run --release -p projector --example projection_bench -- postgres://… [batch_events] [transfers]`
//!
//! The database must be an empty one of its own. CPU times are of this process and of every Postgres server process of the machine.

#![expect(clippy::print_stdout, reason = "it prints its findings")]

use std::error::Error;
use std::sync::Arc;
use std::time::Instant;

use chrono::{DateTime, Utc};
use ledger_core::account::{AccountCredited, AccountDebited, AccountEvent, AccountKind, AccountOpened};
use ledger_core::transfer::{TransferCompleted, TransferEvent, TransferRequested};
use ledger_core::{AccountId, Currency, Event, Metadata, Money, Snowflakes, TransferId, stream};
use ledger_streams::Recorded;
use projector::checkpoint::Place;
use projector::projections::{Events, all_parts};
use projector::runner::apply_batch;

type Failure = Box<dyn Error>;

const ACCOUNTS: usize = 10_000;
/// A transfer is credited and completed this many transfers after it was requested, as if so many were under way at once.
const UNDER_WAY: usize = 64;

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let mut arguments = std::env::args().skip(1);
    let url = arguments.next().ok_or("give the URL of an empty database")?;
    let batch_events: usize = arguments.next().map_or(Ok(20_000), |text| text.parse())?;
    let transfers: usize = arguments.next().map_or(Ok(200_000), |text| text.parse())?;

    let mut log = Log::new()?;
    let pool = sqlx::PgPool::connect(&url).await?;
    projector::migrate(&pool).await?;
    let mut db = projector::session::connect(&url).await?;
    let parts = all_parts();
    projector::checkpoint::load(&mut db, &parts).await?;

    let mut from = 0;
    for opened in [true, false] {
        if !opened {
            log.transfer(transfers)?;
        }
        let events = std::mem::take(&mut log.events);
        let (started, cpu_self, cpu_postgres) = (Instant::now(), cpu_of("self")?, cpu_of_postgres()?);
        for chunk in events.chunks(batch_events) {
            let Some(last) = chunk.last() else { continue };
            let to = Place { position: last.position, recorded_at: Some(last.recorded_at) };
            let events = Events::new(chunk, chrono_tz::Europe::Prague);
            apply_batch(&mut db, &parts, &events, from, to).await?;
            from = to.position;
        }
        let seconds = started.elapsed().as_secs_f64();
        let (cpu_self, cpu_postgres) = (cpu_of("self")? - cpu_self, cpu_of_postgres()? - cpu_postgres);
        let rate = events.len() as f64 / seconds;
        println!(
            "{:>8} events in {seconds:.2} s, batches of {batch_events}: {rate:.0} events/s",
            events.len()
        );
        if !opened {
            let per_transfer = |cpu: f64| cpu * 1e6 / transfers as f64;
            let (ours, theirs) = (per_transfer(cpu_self), per_transfer(cpu_postgres));
            println!("CPU per transfer: projector {ours:.1} µs, Postgres {theirs:.1} µs");
            println!("at 6,000 transfers/s: {:.2} cores", (ours + theirs) * 6_000.0 / 1e6);
        }
    }
    Ok(())
}

/// Events as the log would hold them.
struct Log {
    events: Vec<Recorded>,
    position: u64,
    currency: Currency,
    accounts: Vec<Account>,
    snowflakes: Snowflakes,
    started: DateTime<Utc>,
}

struct Account {
    id: AccountId,
    stream: Arc<str>,
    balance: i64,
    revision: u64,
}

impl Log {
    fn new() -> Result<Self, Failure> {
        let currency = Currency::from_code("CZK").ok_or("no such currency")?;
        let snowflakes = Snowflakes::try_new(1, 0).ok_or("no such worker")?;
        let mut log = Self {
            events: Vec::new(),
            position: 0,
            currency,
            accounts: Vec::new(),
            snowflakes,
            started: Utc::now(),
        };
        for _ in 0..ACCOUNTS {
            let id = AccountId::generate(&log.snowflakes, log.now());
            let account = Account { id, stream: stream::account(id).into(), balance: 0, revision: 0 };
            let opened = AccountOpened {
                account_id: id,
                user_id: None,
                kind: AccountKind::Checking,
                currency,
                reference: None,
                overdraft_limit: Money::zero(currency),
            };
            log.record(&account.stream, 0, Event::Account(AccountEvent::Opened(opened)));
            log.accounts.push(account);
        }
        Ok(log)
    }

    fn now(&self) -> u64 {
        self.started.timestamp_millis().cast_unsigned()
    }

    fn record(&mut self, stream: &Arc<str>, revision: u64, event: Event) {
        self.position += 100;
        // Six thousand transfers a second.
        let recorded_at = self.started + chrono::Duration::microseconds(self.position.cast_signed() / 2);
        self.events.push(Recorded {
            id: uuid::Uuid::nil(),
            stream: Arc::clone(stream),
            revision,
            position: self.position,
            recorded_at,
            metadata: Metadata {
                correlation_id: "".into(),
                causation_id: None,
                actor: "operator:bench".into(),
                booked_at: recorded_at,
                version: 1,
            },
            event,
        });
    }

    fn book(&mut self, account: usize, amount: i64, event: impl FnOnce(Money) -> AccountEvent) {
        let booked = &mut self.accounts[account];
        booked.balance += amount;
        booked.revision += 1;
        let (stream, revision) = (Arc::clone(&booked.stream), booked.revision);
        let event = event(Money::new(booked.balance, self.currency));
        self.record(&stream, revision, Event::Account(event));
    }

    fn transfer(&mut self, transfers: usize) -> Result<(), Failure> {
        let mut under_way = std::collections::VecDeque::new();
        let mut random = 1_u64;
        let mut draw = || {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            usize::try_from(random >> 33).unwrap_or_default() % ACCOUNTS
        };
        for number in 0..transfers + UNDER_WAY {
            if number < transfers {
                let (from, to) = (draw(), draw());
                let to = if to == from { (to + 1) % ACCOUNTS } else { to };
                let transfer_id = TransferId::generate(&self.snowflakes, self.now());
                let amount = Money::new(100 + i64::try_from(number % 1_000)?, self.currency);
                let requested = TransferRequested {
                    transfer_id,
                    from: self.accounts[from].id,
                    to: self.accounts[to].id,
                    amount,
                    description: Some("Rent for the month".to_owned()),
                    reference: None,
                    already_booked: false,
                };
                let stream: Arc<str> = format!("transfer-{number:032x}").into();
                self.record(&stream, 0, Event::Transfer(TransferEvent::Requested(requested.clone())));
                self.book(from, -amount.minor, |balance_after| {
                    AccountEvent::Debited(AccountDebited {
                        transfer_id,
                        counterparty: requested.to,
                        amount,
                        balance_after,
                        description: requested.description.clone(),
                        reference: None,
                    })
                });
                under_way.push_back((requested, to, stream));
            }
            if under_way.len() > UNDER_WAY || number >= transfers {
                let Some((requested, to, stream)) = under_way.pop_front() else { continue };
                self.book(to, requested.amount.minor, |balance_after| {
                    AccountEvent::Credited(AccountCredited {
                        forced: false,
                        transfer_id: requested.transfer_id,
                        counterparty: requested.from,
                        amount: requested.amount,
                        balance_after,
                        description: requested.description.clone(),
                        reference: None,
                    })
                });
                let completed = TransferCompleted { transfer_id: requested.transfer_id };
                self.record(&stream, 1, Event::Transfer(TransferEvent::Completed(completed)));
            }
        }
        Ok(())
    }
}

/// Seconds of CPU that a process has used, from /proc.
fn cpu_of(process: &str) -> Result<f64, Failure> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat"))?;
    // After the name, which is in parentheses; user and system time are the 14th and 15th field, in hundredths of a second.
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    Ok((fields[11].parse::<f64>()? + fields[12].parse::<f64>()?) / 100.0)
}

fn cpu_of_postgres() -> Result<f64, Failure> {
    let mut total = 0.0;
    for entry in std::fs::read_dir("/proc")? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        let is_postgres =
            std::fs::read_to_string(format!("/proc/{name}/comm")).is_ok_and(|comm| comm == "postgres\n");
        if is_postgres {
            total += cpu_of(&name).unwrap_or_default();
        }
    }
    Ok(total)
}
