//! The rule book of accounts: given, when, then.

use proptest::prelude::*;

use super::*;
use crate::testing::given_account;
use crate::{AccountId, Currency, Money, Rejection, TransferId};

mod legs;
mod snapshots;

fn account(number: i64) -> AccountId {
    AccountId::from_i64(number).unwrap()
}

fn transfer(number: i64) -> TransferId {
    TransferId::from_i64(number).unwrap()
}

fn eur(minor: i64) -> Money {
    Money::new(minor, Currency::from_code("EUR").unwrap())
}

fn czk(minor: i64) -> Money {
    Money::new(minor, Currency::from_code("CZK").unwrap())
}

fn open(kind: AccountKind, overdraft_limit: Money) -> OpenAccount {
    OpenAccount {
        account_id: account(1),
        user_id: None,
        kind,
        currency: overdraft_limit.currency,
        reference: None,
        overdraft_limit,
    }
}

fn opened(kind: AccountKind, overdraft_limit: Money) -> AccountEvent {
    AccountEvent::Opened(AccountOpened {
        account_id: account(1),
        user_id: None,
        kind,
        currency: overdraft_limit.currency,
        reference: None,
        overdraft_limit,
    })
}

fn leg(number: i64, amount: Money) -> Leg {
    Leg {
        transfer_id: transfer(number),
        counterparty: account(2),
        amount,
        description: None,
        reference: None,
        since: Some(0),
    }
}

fn debited(number: i64, amount: Money, balance_after: Money) -> AccountEvent {
    AccountEvent::Debited(AccountDebited {
        transfer_id: transfer(number),
        counterparty: account(2),
        amount,
        balance_after,
        description: None,
        reference: None,
    })
}

fn credited(number: i64, amount: Money, balance_after: Money) -> AccountEvent {
    AccountEvent::Credited(AccountCredited {
        transfer_id: transfer(number),
        counterparty: account(2),
        amount,
        balance_after,
        description: None,
        reference: None,
        forced: false,
    })
}

fn forced(number: i64, amount: Money, balance_after: Money) -> AccountEvent {
    let AccountEvent::Credited(credited) = credited(number, amount, balance_after) else { unreachable!() };
    AccountEvent::Credited(AccountCredited { forced: true, ..credited })
}

fn waived(number: i64, amount: Money) -> AccountEvent {
    AccountEvent::ReversalWaived(ReversalWaived {
        transfer_id: transfer(number),
        counterparty: account(2),
        amount,
    })
}

fn reversed(number: i64, amount: Money, balance_after: Money, reason: Rejection) -> AccountEvent {
    AccountEvent::DebitReversed(DebitReversed {
        transfer_id: transfer(number),
        counterparty: account(2),
        amount,
        balance_after,
        reason,
        description: None,
        reference: None,
    })
}

fn debit_refused(number: i64, amount: Money, reason: Rejection) -> AccountEvent {
    AccountEvent::DebitRefused(DebitRefused {
        transfer_id: transfer(number),
        counterparty: account(2),
        amount,
        reason,
    })
}

fn credit_refused(number: i64, amount: Money, reason: Rejection) -> AccountEvent {
    AccountEvent::CreditRefused(CreditRefused {
        transfer_id: transfer(number),
        counterparty: account(2),
        amount,
        reason,
    })
}

#[test]
fn an_operator_refuses_what_was_not_answered_yet() {
    let reason = Rejection::ResolvedByOperator;
    let debit = AccountCommand::RefuseDebit(leg(1, eur(300)), reason);
    let credit = AccountCommand::RefuseCredit(leg(1, eur(300)), reason);
    let open = opened(AccountKind::Checking, eur(0));
    given_account([&open]).when(&debit).then([debit_refused(1, eur(300), reason)]);
    given_account([&open]).when(&credit).then([credit_refused(1, eur(300), reason)]);

    let booked = [open.clone(), credited(9, eur(300), eur(300)), debited(1, eur(300), eur(0))];
    given_account(&booked).when(&debit).then([]);
    let booked = [open.clone(), credited(1, eur(300), eur(300))];
    given_account(&booked).when(&credit).then([]);

    let refused = [open, credit_refused(1, eur(300), Rejection::AccountFrozen)];
    given_account(&refused).when(&credit).refused(Rejection::AccountFrozen);
    let refused = [opened(AccountKind::Checking, eur(0)), debit_refused(1, eur(300), reason)];
    given_account(&refused).when(&debit).refused(reason);
    given_account(&refused).when(&AccountCommand::Debit(leg(1, eur(300)), Funds::MustCover)).refused(reason);
}

#[test]
fn what_is_waived_does_not_come_back_and_what_came_back_is_not_waived() {
    let waive = AccountCommand::WaiveReversal(leg(1, eur(300)));
    let reverse = AccountCommand::ReverseDebit(leg(1, eur(300)), Rejection::AccountFrozen);
    let debited = [
        opened(AccountKind::Checking, eur(0)),
        credited(9, eur(300), eur(300)),
        debited(1, eur(300), eur(0)),
    ];
    given_account(&debited).when(&waive).then([waived(1, eur(300))]);

    let after = [&debited[..], &[waived(1, eur(300))]].concat();
    given_account(&after).when(&waive).then([]);
    given_account(&after).when(&reverse).refused(Rejection::ResolvedByOperator);

    let after = [&debited[..], &[reversed(1, eur(300), eur(300), Rejection::AccountFrozen)]].concat();
    given_account(&after).when(&reverse).then([]);
    given_account(&after).when(&waive).refused(Rejection::TransferEnded);
}

#[test]
fn a_forced_credit_is_booked_once_whatever_the_account_said_before() {
    let force = AccountCommand::ForceCredit(leg(1, eur(300)));
    let refused = [
        opened(AccountKind::Checking, eur(0)),
        credit_refused(1, eur(300), Rejection::AccountFrozen),
        frozen(),
    ];
    given_account(&refused).when(&force).then([forced(1, eur(300), eur(300))]);
    let after = [&refused[..], &[forced(1, eur(300), eur(300))]].concat();
    given_account(&after).when(&force).then([]);
    // Who does not know of it hears what was said first, and goes on by way of the waived reversal.
    given_account(&after).when(&AccountCommand::Credit(leg(1, eur(300)))).refused(Rejection::AccountFrozen);

    let full = [
        opened(AccountKind::Checking, eur(0)),
        credited(9, eur(i64::MAX), eur(i64::MAX)),
        credit_refused(1, eur(300), Rejection::BalanceOutOfRange),
    ];
    given_account(&full).when(&force).refused(Rejection::BalanceOutOfRange);
}

fn frozen() -> AccountEvent {
    AccountEvent::Frozen(AccountFrozen { reason: None })
}

fn closed() -> AccountEvent {
    AccountEvent::Closed(AccountClosed {})
}

fn debit(number: i64, amount: Money) -> AccountCommand {
    AccountCommand::Debit(leg(number, amount), Funds::MustCover)
}

fn credit(number: i64, amount: Money) -> AccountCommand {
    AccountCommand::Credit(leg(number, amount))
}

/// An open account with 10.00 EUR on it and nothing more to spend.
fn with_ten_euros() -> Vec<AccountEvent> {
    vec![opened(AccountKind::Checking, eur(0)), credited(100, eur(1_000), eur(1_000))]
}

fn with_ten_euros_and(event: AccountEvent) -> Vec<AccountEvent> {
    let mut history = with_ten_euros();
    history.push(event);
    history
}

#[test]
fn an_account_is_opened_once() {
    let command = AccountCommand::Open(open(AccountKind::Checking, eur(0)));
    given_account(&[]).when(&command).then([opened(AccountKind::Checking, eur(0))]);
    given_account(&with_ten_euros()).when(&command).refused(Rejection::AccountExists);
}

#[test]
fn a_settlement_account_may_be_opened_by_two_at_once() {
    let command = AccountCommand::Open(open(AccountKind::Settlement, eur(0)));
    given_account(&[opened(AccountKind::Settlement, eur(0))]).when(&command).then([]);
}

#[test]
fn an_overdraft_limit_is_of_the_accounts_currency_and_not_negative() {
    let mut command = open(AccountKind::Checking, eur(0));
    command.overdraft_limit = czk(0);
    given_account(&[]).when(&AccountCommand::Open(command)).refused(Rejection::CurrencyMismatch);
    let command = open(AccountKind::Checking, eur(-1));
    given_account(&[]).when(&AccountCommand::Open(command)).refused(Rejection::InvalidAmount);
}

#[test]
fn nothing_can_be_asked_of_an_account_that_is_not_there() {
    for command in [
        debit(1, eur(1)),
        credit(1, eur(1)),
        AccountCommand::ReverseDebit(leg(1, eur(1)), Rejection::AccountClosed),
        AccountCommand::ChangeOverdraftLimit(eur(1)),
        AccountCommand::Freeze(None),
        AccountCommand::Unfreeze,
        AccountCommand::Close,
    ] {
        given_account(&[]).when(&command).refused(Rejection::AccountNotFound);
    }
}

#[test]
fn a_debit_takes_what_is_there_and_no_more() {
    let account = given_account(&with_ten_euros());
    account.when(&debit(1, eur(1_000))).then([debited(1, eur(1_000), eur(0))]);
    account.when(&debit(1, eur(1_001))).then([debit_refused(1, eur(1_001), Rejection::InsufficientFunds)]);
}

#[test]
fn a_debit_may_use_the_overdraft_limit() {
    let account = given_account(&[opened(AccountKind::Checking, eur(500))]);
    account.when(&debit(1, eur(500))).then([debited(1, eur(500), eur(-500))]);
    account.when(&debit(1, eur(501))).then([debit_refused(1, eur(501), Rejection::InsufficientFunds)]);
}

#[test]
fn history_of_another_book_need_not_be_covered() {
    let account = given_account(&with_ten_euros());
    account.when(&AccountCommand::Debit(leg(1, eur(5_000)), Funds::AlreadyBooked)).then([debited(
        1,
        eur(5_000),
        eur(-4_000),
    )]);
}

#[test]
fn a_settlement_account_goes_negative() {
    let cash = given_account(&[opened(AccountKind::Settlement, eur(0))]);
    cash.when(&debit(1, eur(5_000))).then([debited(1, eur(5_000), eur(-5_000))]);
}

#[test]
fn refusals_of_a_debit_in_order_of_precedence() {
    let rows: [(&str, Vec<AccountEvent>, Money, Rejection); 5] = [
        ("amount before all", with_ten_euros_and(closed()), eur(0), Rejection::InvalidAmount),
        ("closed", with_ten_euros_and(closed()), czk(9_999), Rejection::AccountClosed),
        ("frozen", with_ten_euros_and(frozen()), czk(9_999), Rejection::AccountFrozen),
        ("currency", with_ten_euros(), czk(9_999), Rejection::CurrencyMismatch),
        ("funds", with_ten_euros(), eur(9_999), Rejection::InsufficientFunds),
    ];
    for (row, history, amount, reason) in rows {
        println!("{row}");
        given_account(&history).when(&debit(1, amount)).then([debit_refused(1, amount, reason)]);
    }
}

#[test]
fn refusals_of_a_credit_in_order_of_precedence() {
    let full = vec![opened(AccountKind::Checking, eur(0)), credited(100, eur(i64::MAX), eur(i64::MAX))];
    let rows: [(&str, Vec<AccountEvent>, Money, Rejection); 5] = [
        ("amount", with_ten_euros_and(closed()), eur(-1), Rejection::InvalidAmount),
        ("closed", with_ten_euros_and(closed()), czk(1), Rejection::AccountClosed),
        ("frozen", with_ten_euros_and(frozen()), czk(1), Rejection::AccountFrozen),
        ("currency", with_ten_euros(), czk(1), Rejection::CurrencyMismatch),
        ("range", full, eur(1), Rejection::BalanceOutOfRange),
    ];
    for (row, history, amount, reason) in rows {
        println!("{row}");
        given_account(&history).when(&credit(1, amount)).then([credit_refused(1, amount, reason)]);
    }
}

#[test]
fn no_leg_is_booked_twice() {
    let account = given_account(&with_ten_euros_and(debited(1, eur(300), eur(700))));
    account.when(&debit(1, eur(300))).then([]);
    let account = given_account(&with_ten_euros());
    account.when(&credit(100, eur(1_000))).then([]);
    let history = with_ten_euros_and(reversed(1, eur(300), eur(1_300), Rejection::AccountClosed));
    let again = AccountCommand::ReverseDebit(leg(1, eur(300)), Rejection::AccountClosed);
    given_account(&history).when(&again).then([]);
}

#[test]
fn a_refused_leg_stays_refused() {
    let reason = Rejection::AccountFrozen;
    let refusals = [
        (debit_refused(1, eur(300), Rejection::InsufficientFunds), debit(1, eur(300))),
        (credit_refused(1, eur(300), reason), credit(1, eur(300))),
    ];
    for (refused, again) in refusals {
        let said =
            if matches!(again, AccountCommand::Credit(_)) { reason } else { Rejection::InsufficientFunds };
        // The account is open and has the money by now.
        given_account(&with_ten_euros_and(refused)).when(&again).refused(said);
    }
}

#[test]
fn a_repeated_leg_is_known_even_when_it_would_be_refused_now() {
    let account = given_account(&with_ten_euros_and(closed()));
    account.when(&credit(100, eur(1_000))).then([]);
}

#[test]
fn the_legs_of_one_transfer_are_told_apart() {
    // A transfer's reversal credits the account its debit took from.
    let history = with_ten_euros_and(debited(1, eur(300), eur(700)));
    given_account(&history)
        .when(&AccountCommand::ReverseDebit(leg(1, eur(300)), Rejection::AccountFrozen))
        .then([reversed(1, eur(300), eur(1_000), Rejection::AccountFrozen)]);
}

#[test]
fn frozen_and_closed_accounts_take_their_own_money_back() {
    for stop in [frozen(), closed()] {
        let mut history = with_ten_euros_and(debited(1, eur(1_000), eur(0)));
        history.push(stop);
        given_account(&history)
            .when(&AccountCommand::ReverseDebit(leg(1, eur(1_000)), Rejection::AccountFrozen))
            .then([reversed(1, eur(1_000), eur(1_000), Rejection::AccountFrozen)]);
    }
}

#[test]
fn freezing_and_unfreezing() {
    let open = given_account(&with_ten_euros());
    open.when(&AccountCommand::Freeze(None)).then([frozen()]);
    open.when(&AccountCommand::Unfreeze).refused(Rejection::AccountNotFrozen);
    let stopped = given_account(&with_ten_euros_and(frozen()));
    stopped.when(&AccountCommand::Freeze(None)).then([]);
    stopped.when(&AccountCommand::Unfreeze).then([AccountEvent::Unfrozen(AccountUnfrozen {})]);
    let gone = given_account(&with_ten_euros_and(closed()));
    gone.when(&AccountCommand::Freeze(None)).refused(Rejection::AccountClosed);
    gone.when(&AccountCommand::Unfreeze).refused(Rejection::AccountClosed);
}

#[test]
fn only_an_empty_account_is_closed() {
    given_account(&with_ten_euros()).when(&AccountCommand::Close).refused(Rejection::BalanceNotZero);
    let empty = [opened(AccountKind::Checking, eur(0))];
    given_account(&empty).when(&AccountCommand::Close).then([closed()]);
    given_account(&[opened(AccountKind::Checking, eur(0)), closed()]).when(&AccountCommand::Close).then([]);
}

#[test]
fn the_banks_own_accounts_are_not_frozen_closed_or_limited() {
    let cash = given_account(&[opened(AccountKind::Settlement, eur(0))]);
    for command in
        [AccountCommand::Freeze(None), AccountCommand::Close, AccountCommand::ChangeOverdraftLimit(eur(1))]
    {
        cash.when(&command).refused(Rejection::SettlementAccount);
    }
}

#[test]
fn an_overdraft_limit_in_use_is_not_taken_away() {
    let history = [opened(AccountKind::Checking, eur(500)), debited(1, eur(300), eur(-300))];
    let account = given_account(&history);
    account.when(&AccountCommand::ChangeOverdraftLimit(eur(299))).refused(Rejection::OverdraftInUse);
    account.when(&AccountCommand::ChangeOverdraftLimit(czk(299))).refused(Rejection::CurrencyMismatch);
    account.when(&AccountCommand::ChangeOverdraftLimit(eur(-1))).refused(Rejection::InvalidAmount);
    account.when(&AccountCommand::ChangeOverdraftLimit(eur(500))).then([]);
    let changed = |limit| AccountEvent::OverdraftLimitChanged(OverdraftLimitChanged { limit });
    account.when(&AccountCommand::ChangeOverdraftLimit(eur(300))).then([changed(eur(300))]);
    // An imported account may be overdrawn beyond its limit; raising it is a step in the right direction.
    let deep = given_account(&[opened(AccountKind::Checking, eur(0)), debited(1, eur(300), eur(-300))]);
    deep.when(&AccountCommand::ChangeOverdraftLimit(eur(100))).then([changed(eur(100))]);
}

/// A command out of a small world, so that repetitions and refusals are common.
fn any_command() -> impl Strategy<Value = AccountCommand> {
    let leg = (1..8_i64, 1..900_i64).prop_map(|(number, amount)| leg(number, eur(amount)));
    prop_oneof![
        4 => leg.clone().prop_map(AccountCommand::Credit),
        4 => leg.clone().prop_map(|leg| AccountCommand::Debit(leg, Funds::MustCover)),
        1 => leg.prop_map(|leg| AccountCommand::ReverseDebit(leg, Rejection::AccountFrozen)),
        1 => (0..500_i64).prop_map(|limit| AccountCommand::ChangeOverdraftLimit(eur(limit))),
        1 => Just(AccountCommand::Freeze(None)),
        1 => Just(AccountCommand::Unfreeze),
        1 => Just(AccountCommand::Close),
    ]
}

proptest! {
    #[test]
    fn any_history_keeps_the_books(commands in prop::collection::vec(any_command(), 0..60)) {
        let mut state = given_account(&[opened(AccountKind::Checking, eur(100))]);
        let mut sum = 0_i64;
        for command in &commands {
            let Ok(events) = decide(&state, command) else { continue };
            let refusal = events.iter().find_map(|event| match event {
                AccountEvent::DebitRefused(refused) => Some(refused.reason),
                AccountEvent::CreditRefused(refused) => Some(refused.reason),
                _ => None,
            });
            for event in &events {
                state.evolve(event);
                sum += match event {
                    AccountEvent::Debited(debited) => -debited.amount.minor,
                    AccountEvent::Credited(credited) => credited.amount.minor,
                    AccountEvent::DebitReversed(reversed) => reversed.amount.minor,
                    _ => 0,
                };
            }
            let account = state.account.as_ref().unwrap();
            prop_assert_eq!(account.balance.minor, sum, "the balance is the sum of the entries");
            prop_assert!(account.balance.minor >= -account.overdraft_limit.minor, "never below the limit");
            let command_again = decide(&state, command);
            let is_leg = matches!(command, AccountCommand::Debit(..) | AccountCommand::Credit(_) | AccountCommand::ReverseDebit(..));
            if is_leg {
                let same = refusal.map_or(Ok(vec![]), Err);
                prop_assert_eq!(command_again, same, "the same leg again changes nothing and is answered the same");
            }
        }
    }
}
