use super::*;

/// Second `n` of 1970.
fn second(n: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(n, 0).unwrap()
}

fn requested() -> TransferRow {
    TransferRow {
        transfer_id: 1,
        from_account: 2,
        to_account: 3,
        amount: 100,
        currency: "EUR".to_owned().try_into().unwrap(),
        status: TransferStatus::Pending,
        failure_reason: None,
        description: None,
        reference: None,
        requested_at: second(1),
        debited_at: None,
        credited_at: None,
        reversed_at: None,
        ended_at: None,
        debit_refused_at: None,
        credit_refused_at: None,
        reversal_waived_at: None,
        parked_at: None,
        retried_at: None,
        resolved_at: None,
        resolution: None,
        standing: None,
        from_user: None,
        to_user: None,
        position: None,
    }
}

/// As the process manager would name it: `ledger_core`'s `Process::step_name`.
#[test]
fn what_a_transfer_waits_for_follows_from_its_steps() {
    let at = Some(second(2));
    let debited = TransferRow { debited_at: at, ..requested() };
    let refused = TransferRow { credit_refused_at: at, ..debited.clone() };
    let resolved = |resolution| TransferRow { resolution: Some(resolution), ..refused.clone() };
    let waived = TransferRow { reversal_waived_at: at, ..resolved(Resolution::Complete) };
    for (row, step) in [
        (requested(), StepName::Debit),
        (TransferRow { debit_refused_at: at, ..requested() }, StepName::Reject),
        (debited.clone(), StepName::Credit),
        (TransferRow { credited_at: at, ..debited.clone() }, StepName::Complete),
        (refused.clone(), StepName::Reverse),
        (resolved(Resolution::Refund), StepName::Reverse),
        (TransferRow { reversed_at: at, ..refused.clone() }, StepName::Fail),
        (resolved(Resolution::Complete), StepName::WaiveReversal),
        (waived.clone(), StepName::ForceCredit),
        (TransferRow { credited_at: at, ..waived.clone() }, StepName::Complete),
    ] {
        assert_eq!(row.waits_for(), Some(step), "{row:?}");
        assert_eq!(TransferRow { status: TransferStatus::Failed, ..row }.waits_for(), None);
    }
}

#[test]
fn a_transfer_is_parked_until_somebody_says_something_or_it_ends() {
    let row = |standing, status| TransferRow { standing, status, ..requested() };
    assert!(row(Some(Standing::Parked), TransferStatus::Pending).is_parked());
    assert!(!row(Some(Standing::Parked), TransferStatus::Completed).is_parked());
    assert!(!row(Some(Standing::Retried), TransferStatus::Pending).is_parked());
    assert!(!row(None, TransferStatus::Pending).is_parked());
}

#[test]
fn the_timeline_is_in_the_order_of_time() {
    let row = TransferRow {
        status: TransferStatus::Failed,
        debited_at: Some(second(1)),
        credit_refused_at: Some(second(2)),
        // Retried, then parked again, then resolved.
        retried_at: Some(second(3)),
        parked_at: Some(second(4)),
        resolved_at: Some(second(5)),
        reversed_at: Some(second(6)),
        ended_at: Some(second(6)),
        ..requested()
    };
    use TransferStep::*;
    let steps: Vec<_> = row.timeline().map(|(step, _)| step).collect();
    assert_eq!(steps, [Requested, Debited, CreditRefused, Retried, Parked, Resolved, Reversed, Failed]);
}
