//! Dead letters, and transfers that are stuck.

use async_graphql::{Context, ID, Object, SimpleObject};
use chrono::{DateTime, TimeDelta, Utc};

use super::failure::Failure;
use super::page::{self, Connected, connect};
use super::scope::Scope;
use super::transfer::{Transfer, transfer_id};
use crate::connection::PageRequest;
use crate::limits::{DEAD_LETTER_HISTORY_MAX, STUCK_AFTER_SECONDS};
use crate::read_models::dead_letter::{
    self, DeadLetterEvent, DeadLetterOf, DeadLetterRow, HappenedRow, HistoryOf, Resolution, Standing,
};
use crate::read_models::stuck;
use crate::read_models::transfer::{StepName, TransferById, TransferRow, TransferStatus};

/// A transfer that was put aside because it could not go on by itself.
pub(super) struct DeadLetter(pub(super) DeadLetterRow);

/// Something that happened to a dead letter.
#[derive(SimpleObject)]
pub(super) struct DeadLetterHistory {
    /// What.
    event: DeadLetterEvent,
    /// When.
    at: DateTime<Utc>,
    /// Who: role and subject.
    actor: String,
    /// Why: a code or an error for tries and parkings, an operator's words for the rest.
    reason: Option<String>,
    /// What the transfer waited for when it was parked.
    step: Option<StepName>,
    /// How it is to end, when it was resolved.
    resolution: Option<Resolution>,
}

impl From<HappenedRow> for DeadLetterHistory {
    fn from(row: HappenedRow) -> Self {
        Self {
            event: row.kind,
            at: row.at,
            actor: row.actor,
            reason: row.reason,
            step: row.step,
            resolution: row.resolution,
        }
    }
}

#[Object]
impl DeadLetter {
    /// The transfer's id.
    async fn transfer_id(&self) -> ID {
        self.0.transfer_id.into()
    }

    /// The transfer; null while no read model has it.
    async fn transfer(&self, context: &Context<'_>) -> Result<Option<Transfer>, Failure> {
        let row = Scope::of(context)?.loaders.load_one(TransferById(self.0.transfer_id)).await?;
        Ok(row.map(Transfer))
    }

    /// How far the transfer has come: a parked one is pending.
    async fn transfer_status(&self) -> TransferStatus {
        self.0.transfer_status()
    }

    /// The id of the account to debit.
    async fn from(&self) -> ID {
        self.0.from_account.into()
    }

    /// The id of the account to credit.
    async fn to(&self) -> ID {
        self.0.to_account.into()
    }

    /// How much is at stake: decimal text with exactly the currency's digits.
    async fn amount(&self) -> String {
        self.0.amount()
    }

    /// ISO 4217 code.
    async fn currency(&self) -> &str {
        self.0.currency.0.code()
    }

    /// What was said of it last, or ENDED.
    async fn standing(&self) -> Standing {
        self.0.standing()
    }

    /// How an operator said that it is to end. Said once; the other way is closed from then on.
    async fn resolution(&self) -> Option<Resolution> {
        self.0.resolution
    }

    /// What it waited for when it was parked last.
    async fn step(&self) -> StepName {
        self.0.step
    }

    /// Why it was parked last, as a stable code such as `balance_out_of_range`, or as an error.
    async fn reason(&self) -> &str {
        &self.0.reason
    }

    /// How often it had been tried then, since it was asked for or since an operator's last word.
    async fn attempts(&self) -> i64 {
        self.0.attempts
    }

    /// How often it was parked.
    async fn times_parked(&self) -> i64 {
        self.0.times_parked
    }

    /// When it was parked first.
    async fn first_parked_at(&self) -> DateTime<Utc> {
        self.0.first_parked_at
    }

    /// When it was parked last.
    async fn parked_at(&self) -> DateTime<Utc> {
        self.0.parked_at
    }

    /// What happened to it, in order: the newest 50.
    #[graphql(complexity = "page::of_list(DEAD_LETTER_HISTORY_MAX, child_complexity)")]
    async fn history(&self, context: &Context<'_>) -> Result<Vec<DeadLetterHistory>, Failure> {
        let rows = Scope::of(context)?.loaders.load_one(HistoryOf(self.0.transfer_id)).await?;
        Ok(rows.unwrap_or_default().into_iter().map(DeadLetterHistory::from).collect())
    }
}

/// A transfer that has not ended for longer than it should.
pub(super) struct StuckTransfer {
    row: TransferRow,
    step: StepName,
    now: DateTime<Utc>,
}

#[Object]
impl StuckTransfer {
    /// The transfer.
    async fn transfer(&self) -> Transfer {
        Transfer(self.row.clone())
    }

    /// Whole seconds since it was asked for.
    async fn age_seconds(&self) -> i64 {
        stuck::age_seconds(&self.row, self.now)
    }

    /// What it waits for.
    async fn step(&self) -> StepName {
        self.step
    }

    /// True while it waits for an operator.
    async fn parked(&self) -> bool {
        self.row.is_parked()
    }
}

/// Questions about transfers that need a person.
#[derive(Default)]
pub(super) struct DeadLetterQuery;

#[Object]
impl DeadLetterQuery {
    /// Dead letters, those that stand like this or all, in the order of their transfers' ids; for operators and auditors.
    #[graphql(complexity = "page::complexity(first, None, child_complexity)")]
    async fn dead_letters(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Only those; PARKED are the ones that wait for an operator")] standing: Option<
            Standing,
        >,
        #[graphql(desc = "How many: 0 to 200, 50 when absent")] first: Option<i32>,
        #[graphql(desc = "Only dead letters after this cursor")] after: Option<String>,
    ) -> Result<Connected<DeadLetter>, Failure> {
        let scope = Scope::of(context)?;
        scope.require_everything()?;
        let request = PageRequest::onward(first, after)?;
        let page = dead_letter::page(&scope.databases, standing, &request).await?;
        Ok(connect(page, Default::default(), DeadLetterRow::cursor, DeadLetter))
    }

    /// A transfer's dead letter, for operators and auditors. Null when it was never parked.
    async fn dead_letter(
        &self,
        context: &Context<'_>,
        transfer_id: ID,
    ) -> Result<Option<DeadLetter>, Failure> {
        let scope = Scope::of(context)?;
        scope.require_everything()?;
        let id = self::transfer_id(&transfer_id)?;
        let row = scope.loaders.load_one(DeadLetterOf(id.as_i64())).await?;
        Ok(row.map(DeadLetter))
    }

    /// Transfers that have not ended although they were asked for some time ago, parked ones included, oldest first; for operators and
    /// auditors.
    #[graphql(complexity = "page::complexity(first, None, child_complexity)")]
    async fn stuck_transfers(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "How long ago at least: 0 to 4294967295", default_with = "STUCK_AFTER_SECONDS")]
        older_than_seconds: u32,
        #[graphql(desc = "How many: 0 to 200, 50 when absent")] first: Option<i32>,
        #[graphql(desc = "Only transfers after this cursor")] after: Option<String>,
    ) -> Result<Connected<StuckTransfer>, Failure> {
        let scope = Scope::of(context)?;
        scope.require_everything()?;
        let request = PageRequest::onward(first, after)?;
        let now = Utc::now();
        let age = TimeDelta::seconds(older_than_seconds.into());
        let page = stuck::page(&scope.databases, now, age, &request).await?;
        Ok(connect(page, Default::default(), TransferRow::cursor, |row| {
            // What was read as pending waits for something.
            let step = row.waits_for().unwrap_or(StepName::Complete);
            StuckTransfer { row, step, now }
        }))
    }
}

/// A transfer's dead letter for who may see it: operators and auditors.
pub(super) async fn of_transfer(scope: &Scope, transfer_id: i64) -> Result<Option<DeadLetter>, Failure> {
    if !scope.caller.reads_everything() {
        return Ok(None);
    }
    Ok(scope.loaders.load_one(DeadLetterOf(transfer_id)).await?.map(DeadLetter))
}
