//! The rules of an account. Refusals stand in order of precedence; below them a command must succeed.

use super::{
    Account, AccountClosed, AccountCommand, AccountCredited, AccountDebited, AccountEvent, AccountFrozen,
    AccountKind, AccountOpened, AccountState, AccountStatus, AccountUnfrozen, CreditRefused, DebitRefused,
    DebitReversed, Funds, Leg, LegKind, OpenAccount, OverdraftLimitChanged, ReversalWaived,
};
use crate::{Money, Rejection};

/// Decides a command: the events to append, none when the command has had its effect before, or the reason for saying no.
///
/// For a leg, the state must know all that [`AccountCommand::question`] asks: by [`AccountState::remember`] or [`AccountState::recall`].
///
/// A debit or a credit is answered by an event either way, booked or refused, so that the answer stands: two drivers of one transfer may
/// ask at different times and must not hear different things. Asked again, a refused leg is refused for the same reason.
///
/// # Errors
/// The first [`Rejection`] that applies.
pub fn decide(state: &AccountState, command: &AccountCommand) -> Result<Vec<AccountEvent>, Rejection> {
    if let AccountCommand::Open(open) = command {
        return self::open(state, open);
    }
    let account = state.account.as_ref().ok_or(Rejection::AccountNotFound)?;
    match command {
        AccountCommand::Open(_) => Err(Rejection::AccountExists),
        AccountCommand::Debit(leg, funds) => debit(account, leg, *funds),
        AccountCommand::Credit(leg) => credit(account, leg),
        AccountCommand::ReverseDebit(leg, reason) => reverse(account, leg, *reason),
        AccountCommand::RefuseDebit(leg, reason) => refuse_debit(account, leg, *reason),
        AccountCommand::RefuseCredit(leg, reason) => refuse_credit(account, leg, *reason),
        AccountCommand::WaiveReversal(leg) => waive_reversal(account, leg),
        AccountCommand::ForceCredit(leg) => force_credit(account, leg),
        AccountCommand::ChangeOverdraftLimit(limit) => change_overdraft_limit(account, *limit),
        AccountCommand::Freeze(reason) => freeze(account, reason.clone()),
        AccountCommand::Unfreeze => unfreeze(account),
        AccountCommand::Close => close(account),
    }
}

fn open(state: &AccountState, command: &OpenAccount) -> Result<Vec<AccountEvent>, Rejection> {
    if let Some(account) = &state.account {
        // Two processes may open a settlement account at the same time; both meant the same.
        let same = account.kind == AccountKind::Settlement && command.kind == AccountKind::Settlement;
        return if same { Ok(vec![]) } else { Err(Rejection::AccountExists) };
    }
    if command.overdraft_limit.currency != command.currency {
        return Err(Rejection::CurrencyMismatch);
    }
    if command.overdraft_limit.minor < 0 {
        return Err(Rejection::InvalidAmount);
    }
    // After this point, the account is opened.
    Ok(vec![AccountEvent::Opened(AccountOpened {
        account_id: command.account_id,
        user_id: command.user_id,
        kind: command.kind,
        currency: command.currency,
        reference: command.reference.clone(),
        overdraft_limit: command.overdraft_limit,
    })])
}

fn debit(account: &Account, leg: &Leg, funds: Funds) -> Result<Vec<AccountEvent>, Rejection> {
    if let Some(answer) = account.legs.answer(leg.transfer_id, LegKind::Debit) {
        return answer.map(|()| vec![]);
    }
    Ok(vec![match after_debit(account, leg, funds) {
        Ok(balance_after) => AccountEvent::Debited(AccountDebited {
            transfer_id: leg.transfer_id,
            counterparty: leg.counterparty,
            amount: leg.amount,
            balance_after,
            description: leg.description.clone(),
            reference: leg.reference.clone(),
        }),
        Err(reason) => debit_refused(leg, reason),
    }])
}

fn debit_refused(leg: &Leg, reason: Rejection) -> AccountEvent {
    AccountEvent::DebitRefused(DebitRefused {
        transfer_id: leg.transfer_id,
        counterparty: leg.counterparty,
        amount: leg.amount,
        reason,
    })
}

fn refuse_debit(account: &Account, leg: &Leg, reason: Rejection) -> Result<Vec<AccountEvent>, Rejection> {
    match account.legs.answer(leg.transfer_id, LegKind::Debit) {
        Some(answer) => answer.map(|()| vec![]),
        None => Ok(vec![debit_refused(leg, reason)]),
    }
}

fn after_debit(account: &Account, leg: &Leg, funds: Funds) -> Result<Money, Rejection> {
    takes_legs(account, leg)?;
    let balance_after = account.balance.minus(leg.amount).map_err(|_| Rejection::BalanceOutOfRange)?;
    let covered = account.kind == AccountKind::Settlement
        || funds == Funds::AlreadyBooked
        || balance_after.minor >= account.overdraft_limit.minor.saturating_neg();
    if covered { Ok(balance_after) } else { Err(Rejection::InsufficientFunds) }
}

fn credit(account: &Account, leg: &Leg) -> Result<Vec<AccountEvent>, Rejection> {
    if let Some(answer) = account.legs.answer(leg.transfer_id, LegKind::Credit) {
        return answer.map(|()| vec![]);
    }
    Ok(vec![match after_credit(account, leg) {
        Ok(balance_after) => credited(leg, balance_after, false),
        Err(reason) => credit_refused(leg, reason),
    }])
}

fn credited(leg: &Leg, balance_after: Money, forced: bool) -> AccountEvent {
    AccountEvent::Credited(AccountCredited {
        transfer_id: leg.transfer_id,
        counterparty: leg.counterparty,
        amount: leg.amount,
        balance_after,
        description: leg.description.clone(),
        reference: leg.reference.clone(),
        forced,
    })
}

fn credit_refused(leg: &Leg, reason: Rejection) -> AccountEvent {
    AccountEvent::CreditRefused(CreditRefused {
        transfer_id: leg.transfer_id,
        counterparty: leg.counterparty,
        amount: leg.amount,
        reason,
    })
}

fn refuse_credit(account: &Account, leg: &Leg, reason: Rejection) -> Result<Vec<AccountEvent>, Rejection> {
    match account.legs.answer(leg.transfer_id, LegKind::Credit) {
        Some(answer) => answer.map(|()| vec![]),
        None => Ok(vec![credit_refused(leg, reason)]),
    }
}

/// An operator sent the money here after all. Frozen and closed accounts take it, too: there is no other place for it any more.
fn force_credit(account: &Account, leg: &Leg) -> Result<Vec<AccountEvent>, Rejection> {
    let booked = |kind| account.legs.answer(leg.transfer_id, kind) == Some(Ok(()));
    if booked(LegKind::ForcedCredit) || booked(LegKind::Credit) {
        return Ok(vec![]);
    }
    let balance_after = account.balance.plus(leg.amount).map_err(|_| Rejection::BalanceOutOfRange)?;
    // After this point, the money is here.
    Ok(vec![credited(leg, balance_after, true)])
}

fn after_credit(account: &Account, leg: &Leg) -> Result<Money, Rejection> {
    takes_legs(account, leg)?;
    account.balance.plus(leg.amount).map_err(|_| Rejection::BalanceOutOfRange)
}

/// Frozen and closed accounts take their own money back: there is no other place for it.
fn reverse(account: &Account, leg: &Leg, reason: Rejection) -> Result<Vec<AccountEvent>, Rejection> {
    if let Some(answer) = account.legs.answer(leg.transfer_id, LegKind::Reversal) {
        return answer.map(|()| vec![]);
    }
    let balance_after = account.balance.plus(leg.amount).map_err(|_| Rejection::BalanceOutOfRange)?;
    // After this point, the money is back.
    Ok(vec![AccountEvent::DebitReversed(DebitReversed {
        transfer_id: leg.transfer_id,
        counterparty: leg.counterparty,
        amount: leg.amount,
        balance_after,
        reason,
        description: leg.description.clone(),
        reference: leg.reference.clone(),
    })])
}

/// From here on the money does not come back: the account answers its reversal with no. That is what makes it safe to credit the other
/// side, whoever else is driving this transfer.
fn waive_reversal(account: &Account, leg: &Leg) -> Result<Vec<AccountEvent>, Rejection> {
    match account.legs.answer(leg.transfer_id, LegKind::Reversal) {
        Some(Ok(())) => Err(Rejection::TransferEnded),
        Some(Err(_)) => Ok(vec![]),
        None => Ok(vec![AccountEvent::ReversalWaived(ReversalWaived {
            transfer_id: leg.transfer_id,
            counterparty: leg.counterparty,
            amount: leg.amount,
        })]),
    }
}

fn takes_legs(account: &Account, leg: &Leg) -> Result<(), Rejection> {
    if leg.amount.minor <= 0 {
        return Err(Rejection::InvalidAmount);
    }
    match account.status {
        AccountStatus::Closed => return Err(Rejection::AccountClosed),
        AccountStatus::Frozen => return Err(Rejection::AccountFrozen),
        AccountStatus::Open => {}
    }
    if leg.amount.currency != account.currency() {
        return Err(Rejection::CurrencyMismatch);
    }
    Ok(())
}

fn change_overdraft_limit(account: &Account, limit: Money) -> Result<Vec<AccountEvent>, Rejection> {
    if limit.minor < 0 {
        return Err(Rejection::InvalidAmount);
    }
    customers_only(account)?;
    if account.status == AccountStatus::Closed {
        return Err(Rejection::AccountClosed);
    }
    if limit.currency != account.currency() {
        return Err(Rejection::CurrencyMismatch);
    }
    if limit == account.overdraft_limit {
        return Ok(vec![]);
    }
    let lowered = limit.minor < account.overdraft_limit.minor;
    if lowered && account.balance.minor < limit.minor.saturating_neg() {
        return Err(Rejection::OverdraftInUse);
    }
    // After this point, the limit changes.
    Ok(vec![AccountEvent::OverdraftLimitChanged(OverdraftLimitChanged { limit })])
}

fn freeze(account: &Account, reason: Option<String>) -> Result<Vec<AccountEvent>, Rejection> {
    customers_only(account)?;
    match account.status {
        AccountStatus::Closed => Err(Rejection::AccountClosed),
        AccountStatus::Frozen => Ok(vec![]),
        AccountStatus::Open => Ok(vec![AccountEvent::Frozen(AccountFrozen { reason })]),
    }
}

fn unfreeze(account: &Account) -> Result<Vec<AccountEvent>, Rejection> {
    match account.status {
        AccountStatus::Closed => Err(Rejection::AccountClosed),
        AccountStatus::Open => Err(Rejection::AccountNotFrozen),
        AccountStatus::Frozen => Ok(vec![AccountEvent::Unfrozen(AccountUnfrozen {})]),
    }
}

fn close(account: &Account) -> Result<Vec<AccountEvent>, Rejection> {
    customers_only(account)?;
    if account.status == AccountStatus::Closed {
        return Ok(vec![]);
    }
    if account.balance.minor != 0 {
        return Err(Rejection::BalanceNotZero);
    }
    Ok(vec![AccountEvent::Closed(AccountClosed {})])
}

fn customers_only(account: &Account) -> Result<(), Rejection> {
    if account.kind == AccountKind::Settlement { Err(Rejection::SettlementAccount) } else { Ok(()) }
}
