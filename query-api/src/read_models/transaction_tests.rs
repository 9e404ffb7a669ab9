use super::*;

#[test]
fn an_entrys_status_follows_its_transfer() {
    use TransferStatus as T;
    for (kind, transfer, expected) in [
        (EntryKind::Credit, None, TransactionStatus::Completed),
        (EntryKind::Reversal, None, TransactionStatus::Completed),
        (EntryKind::Debit, None, TransactionStatus::Pending),
        (EntryKind::Debit, Some(T::Pending), TransactionStatus::Pending),
        (EntryKind::Debit, Some(T::Failed), TransactionStatus::Reversed),
        (EntryKind::Debit, Some(T::Completed), TransactionStatus::Completed),
    ] {
        assert_eq!(status(kind, transfer), expected, "{kind:?} {transfer:?}");
    }
}

#[test]
fn every_transfer_is_of_one_status() {
    let lists = [TransactionStatus::Pending, TransactionStatus::Completed, TransactionStatus::Reversed];
    let lists = lists.map(transfers_of);
    assert_eq!(lists, [vec!["pending"], vec!["completed"], vec!["failed", "rejected"]]);
}
