//! What clients and operators do, and what they were told.

use std::collections::BTreeSet;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use fastrand::Rng;
use futures::future::join_all;
use ledger_core::account::{AccountCommand, AccountKind};
use ledger_core::dead_letter::{DeadLetterCommand, Resolution};
use ledger_core::settlement::Settlement;
use ledger_core::transfer::TransferStatus;
use ledger_core::{AccountId, Currency, Money, Rejection, TransferId, stream};
use ledger_streams::{Context, Ledger, NewAccount, StoreError, TransferReceipt, TransferRequest};
use tokio::time::{sleep, timeout};

use super::auditor::{self, Answer, Asked};
use super::counts::Kind;
use super::world::World;

/// How long a deposit waits for its end before it leaves the rest to the process manager.
const SETTLE_TIMEOUT: Duration = Duration::from_secs(5);

/// Somebody with wishes.
pub(super) struct Client {
    world: Arc<World>,
    number: usize,
    lots: Rng,
}

/// A transfer, or cash over the counter, which is waited for.
#[derive(Clone)]
struct Wish {
    request: TransferRequest,
    is_cash: bool,
}

type Told = Result<Result<TransferReceipt, Rejection>, StoreError>;

impl Client {
    pub(super) fn new(world: &Arc<World>, number: usize) -> Self {
        let lots = Rng::with_seed(world.plan.seed.wrapping_mul(1_000_003).wrapping_add(number as u64));
        Self { world: Arc::clone(world), number, lots }
    }

    pub(super) async fn live(mut self) {
        // Everybody opens the same accounts: their references are taken once.
        for number in 0..self.world.plan.accounts {
            self.open(number).await;
        }
        for number in 0..self.world.plan.wishes {
            let longest = u64::try_from(self.world.plan.think_max.as_millis()).unwrap_or(1);
            sleep(Duration::from_millis(self.lots.u64(0..=longest))).await;
            if self.lots.u8(0..5) == 0 {
                self.command().await;
            }
            let wish = self.wish(number);
            self.pursue(wish).await;
        }
    }

    /// Lets a process do something; `None` when it crashes meanwhile, or when it takes too long.
    async fn ask<T>(&mut self, what: impl AsyncFnOnce(&Ledger) -> T) -> Option<T> {
        let life = self.world.somebody(&mut self.lots).await;
        let patience = Duration::from_secs(self.lots.u64(2..60));
        tokio::select! {
            biased;
            () = life.connection.crashed().cancelled() => None,
            answer = what(&life.ledger) => Some(answer),
            () = sleep(patience) => {
                self.world.weather.counts.add(Kind::ClientGaveUp);
                None
            }
        }
    }

    async fn open(&mut self, number: usize) {
        let reference = format!("account {number}");
        let limit = if number.is_multiple_of(2) { 0 } else { 5_000 };
        let new = NewAccount {
            user_id: None,
            kind: AccountKind::Checking,
            currency: eur(0).currency,
            reference: Some(reference.clone()),
            overdraft_limit: eur(limit),
        };
        loop {
            let opened =
                self.ask(async |ledger| match ledger.open_account(&new, &context(ledger, "")).await? {
                    Ok(opened) => Ok(Some(opened.account_id)),
                    // By somebody who is only about to open it, maybe.
                    Err(Rejection::ReferenceTaken) => match ledger.account_of_reference(&reference).await? {
                        Some(id) => Ok(ledger.view(id).await?.map(|account| account.id)),
                        None => Ok(None),
                    },
                    Err(rejection) => Err(StoreError::Broken(rejection.to_string().into())),
                });
            match opened.await {
                Some(Ok(Some(id))) => {
                    let mut accounts = self.world.accounts.lock();
                    if !accounts.contains(&id) {
                        accounts.push(id);
                    }
                    return;
                }
                Some(Err(error)) if !error.is_transient() => {
                    return self.world.accuse(&format!("an account does not open: {error}"));
                }
                _ => self.pause().await,
            }
        }
    }

    async fn pause(&mut self) {
        sleep(Duration::from_millis(self.lots.u64(1..2_000))).await;
    }

    fn wish(&mut self, number: usize) -> Wish {
        let accounts = self.world.accounts.lock().clone();
        let any = |lots: &mut Rng| accounts[lots.usize(..accounts.len())];
        let cash = Settlement::Cash.account_id(eur(0).currency);
        let (from, to, is_cash) = match self.lots.u8(0..8) {
            0 | 1 => (cash, any(&mut self.lots), true),
            2 => (any(&mut self.lots), cash, true),
            // Mostly between two: that is where debits meet.
            3..6 => (accounts[0], accounts[1], false),
            _ => (any(&mut self.lots), any(&mut self.lots), false),
        };
        let (from, to) = if !is_cash && self.lots.bool() { (to, from) } else { (from, to) };
        let request = TransferRequest {
            client: format!("client {}", self.number),
            idempotency_key: format!("wish {number}"),
            from,
            to,
            amount: eur(self.lots.i64(1..6_000)),
            description: (self.lots.u8(0..4) == 0).then(|| "rent".to_owned()),
            reference: None,
            already_booked: self.lots.u8(0..12) == 0,
        };
        Wish { request, is_cash }
    }

    /// Asks until there is an answer, and sometimes once more.
    async fn pursue(&mut self, wish: Wish) {
        let mut repeat = self.lots.u8(0..4) == 0;
        for _ in 0..12 {
            let answered = if self.lots.u8(0..8) == 0 {
                self.world.weather.counts.add(Kind::KeyAtOnce);
                self.ask_at_once(&wish).await
            } else {
                self.request(&wish).await
            };
            if answered && !repeat {
                break;
            }
            if answered {
                repeat = false;
                self.world.weather.counts.add(Kind::KeyRepeated);
            }
            self.pause().await;
        }
        if self.lots.u8(0..6) == 0 {
            let mut other = wish;
            other.request.amount = eur(other.request.amount.minor + 1);
            self.world.weather.counts.add(Kind::KeyReused);
            self.request(&other).await;
        }
    }

    /// The same wish several times at once, and sometimes another under its key.
    async fn ask_at_once(&mut self, wish: &Wish) -> bool {
        let mut twins = Vec::new();
        for _ in 0..self.lots.usize(2..5) {
            let mut wish = wish.clone();
            if self.lots.u8(0..4) == 0 {
                wish.request.amount = eur(wish.request.amount.minor + 1);
            }
            let mut twin = Self::new(&self.world, self.number);
            twin.lots = self.lots.fork();
            twins.push(async move { twin.request(&wish).await });
        }
        join_all(twins).await.into_iter().any(|answered| answered)
    }

    /// Asks once. `true` when there is an answer.
    async fn request(&mut self, wish: &Wish) -> bool {
        let asked_after = self.world.log.end();
        let told = self.ask(async |ledger| settle(ledger, wish).await).await;
        let told_before = self.world.log.end();
        let answer = match told {
            Some(Ok(Ok(receipt))) => Answer::Receipt {
                transfer_id: receipt.transfer_id.to_string(),
                status: status(receipt.status),
                position: receipt.position,
                ended_at: receipt.ended_at,
            },
            Some(Ok(Err(rejection))) => Answer::Refused(code(rejection)),
            Some(Err(error)) if !error.is_transient() => Answer::Broken(error.to_string()),
            Some(Err(_)) | None => Answer::None,
        };
        let is_answered = answer != Answer::None;
        let request = &wish.request;
        self.world.asked.lock().push(Asked {
            key: format!("{}/{}", request.client, request.idempotency_key),
            from: request.from.to_string(),
            to: request.to.to_string(),
            amount: request.amount.minor,
            description: request.description.clone(),
            already_booked: request.already_booked,
            asked_after,
            told_before,
            answer,
        });
        is_answered
    }

    /// A command on an account, from an operator. What it comes to the log tells.
    async fn command(&mut self) {
        let accounts = self.world.accounts.lock().clone();
        let id = accounts[self.lots.usize(..accounts.len())];
        let command = match self.lots.u8(0..10) {
            0..4 => AccountCommand::Freeze(None),
            4..8 => AccountCommand::Unfreeze,
            8 => AccountCommand::ChangeOverdraftLimit(eur(self.lots.i64(0..8_000))),
            _ => AccountCommand::Close,
        };
        let asked = self.ask(async |ledger| {
            let context = context(ledger, &stream::account(id));
            ledger.account(id, &command, &context).await
        });
        match asked.await {
            Some(Err(error)) if !error.is_transient() => {
                self.world.accuse(&format!("a command breaks: {error}"));
            }
            _ => {}
        }
    }

    pub(super) async fn attend_always(&mut self) {
        loop {
            self.pause().await;
            self.attend_to_parked().await;
        }
    }

    /// What an operator does about parked transfers: has them tried again, or says how they end, and says so twice.
    pub(super) async fn attend_to_parked(&mut self) {
        for (id, said) in self.world.log.read(auditor::parked) {
            let transfer_id = TransferId::from_str(&id).unwrap();
            let resolution = match said.as_deref() {
                // Sometimes against what was said before, which must not help.
                Some("refund") if self.lots.bool() => Resolution::Refund,
                Some("complete") if self.lots.bool() => Resolution::Complete,
                _ if self.lots.bool() => Resolution::Refund,
                _ => Resolution::Complete,
            };
            let command = if self.lots.u8(0..3) == 0 {
                DeadLetterCommand::Retry { transfer_id, reason: None }
            } else {
                DeadLetterCommand::Resolve { transfer_id, resolution, reason: "so be it".to_owned() }
            };
            for _ in 0..self.lots.u8(1..3) {
                let asked = self.ask(async |ledger| {
                    let stream = ledger.dead_letter_stream(transfer_id).await?.unwrap_or_default();
                    ledger.dead_letter(&command, &context(ledger, &stream)).await
                });
                if let Some(Err(error)) = asked.await
                    && !error.is_transient()
                {
                    self.world.accuse(&format!("a word on a parked transfer breaks: {error}"));
                }
            }
        }
    }

    /// Every wish that was ever answered, once more.
    pub(super) async fn ask_everything_again(mut self) {
        let asked = self.world.asked.lock().clone();
        let mut known = BTreeSet::new();
        for asked in asked.iter().filter(|asked| asked.answer != Answer::None) {
            if !known.insert((&asked.key, asked.amount)) {
                continue;
            }
            let Some((client, key)) = asked.key.split_once('/') else { continue };
            let request = TransferRequest {
                client: client.to_owned(),
                idempotency_key: key.to_owned(),
                from: account(&asked.from),
                to: account(&asked.to),
                amount: eur(asked.amount),
                description: asked.description.clone(),
                reference: None,
                already_booked: asked.already_booked,
            };
            let wish = Wish { request, is_cash: false };
            while !self.request(&wish).await {
                if self.world.weather.is_endless() {
                    return;
                }
                self.pause().await;
            }
        }
    }
}

/// Requests a transfer; cash is taken to its end, as its routes do.
async fn settle(ledger: &Ledger, wish: &Wish) -> Told {
    let request = &wish.request;
    let context = context(ledger, &request.stream());
    if !wish.is_cash {
        return ledger.request_transfer(request, &context).await;
    }
    ledger.settlement_account(Settlement::Cash, request.amount.currency, &context).await?;
    let claim = ledger.claim(&context.correlation_id);
    let receipt = match ledger.request_transfer(request, &context).await? {
        Ok(receipt) => receipt,
        Err(rejection) => return Ok(Err(rejection)),
    };
    if receipt.status == TransferStatus::Pending {
        let mut run = receipt.run.clone();
        // What was accepted is on disk; whatever happens here, the process manager goes on.
        timeout(SETTLE_TIMEOUT, ledger.drive(&mut run)).await.ok();
    }
    drop(claim);
    Ok(Ok(receipt))
}

fn context(ledger: &Ledger, correlation_id: &str) -> Context {
    Context {
        correlation_id: correlation_id.into(),
        causation_id: None,
        actor: "operator:simulation".into(),
        booked_at: ledger.now(),
    }
}

fn account(id: &str) -> AccountId {
    id.parse().unwrap()
}

fn eur(minor: i64) -> Money {
    Money::new(minor, Currency::from_code("EUR").unwrap())
}

fn code(rejection: Rejection) -> String {
    serde_json::to_value(rejection).unwrap().as_str().unwrap().to_owned()
}

fn status(status: TransferStatus) -> String {
    match status {
        TransferStatus::Pending => "pending".to_owned(),
        TransferStatus::Completed => "completed".to_owned(),
        TransferStatus::Failed(reason) => format!("failed: {}", code(reason)),
        TransferStatus::Rejected(reason) => format!("rejected: {}", code(reason)),
    }
}
