use proptest::prelude::*;

use super::*;

fn request(
    first: Option<i32>,
    after: Option<&str>,
    last: Option<i32>,
    before: Option<&str>,
) -> Result<PageRequest<EntryCursor>, PageError> {
    PageRequest::try_new(&PageArguments {
        first,
        after: after.map(str::to_owned),
        last,
        before: before.map(str::to_owned),
    })
}

#[test]
fn pages_have_bounds() {
    assert_eq!(request(None, None, None, None).unwrap().limit, PAGE_DEFAULT);
    assert_eq!(request(Some(0), None, None, None).unwrap().limit, 0);
    assert!(request(None, None, Some(200), None).unwrap().backward);
    assert_eq!(request(Some(201), None, None, None), Err(PageError::Size { argument: "first" }));
    assert_eq!(request(Some(-1), None, None, None), Err(PageError::Size { argument: "first" }));
    assert_eq!(request(None, None, Some(i32::MAX), None), Err(PageError::Size { argument: "last" }));
    assert_eq!(request(Some(1), None, Some(1), None), Err(PageError::BothDirections));
}

#[test]
fn foreign_cursors_are_refused() {
    let of_account = IdCursor(7).encode();
    for bad in ["", "x", "AAAA", "💰", of_account.as_str(), &"A".repeat(100_000), "AAAAAAAAAAAAAAAA"] {
        assert_eq!(
            request(None, Some(bad), None, None),
            Err(PageError::Cursor { argument: "after" }),
            "{bad}"
        );
        assert_eq!(request(None, None, None, Some(bad)), Err(PageError::Cursor { argument: "before" }));
    }
}

#[test]
fn one_row_more_means_another_page() {
    let forward = Page::from_rows(vec![1, 2, 3], 2, false, false);
    assert_eq!((forward.items, forward.has_previous, forward.has_next), (vec![1, 2], false, true));
    let backward = Page::from_rows(vec![9, 8, 7], 2, true, true);
    assert_eq!((backward.items, backward.has_previous, backward.has_next), (vec![8, 9], true, true));
    let last = Page::from_rows(vec![1, 2], 2, false, true);
    assert_eq!((last.has_previous, last.has_next), (true, false));
}

proptest! {
    #[test]
    fn entry_cursors_survive(year in 1i32..=9999, month in 1u32..=12, revision in 0i64..) {
        let cursor = EntryCursor { month: NaiveDate::from_ymd_opt(year, month, 1).unwrap(), revision };
        prop_assert_eq!(EntryCursor::decode(&cursor.encode()), Some(cursor));
    }

    #[test]
    fn account_cursors_survive(id: i64) {
        prop_assert_eq!(IdCursor::decode(&IdCursor(id).encode()), Some(IdCursor(id)));
    }

    #[test]
    fn any_text_is_a_cursor_or_not(text in "\\PC{0,40}") {
        if let Some(cursor) = EntryCursor::decode(&text) {
            prop_assert_eq!(cursor.encode(), text);
        }
    }
}

#[test]
fn a_cursor_among_stuck_transfers_is_a_time_and_an_id() {
    let requested_at = DateTime::from_timestamp_micros(1_764_150_000_123_456).unwrap();
    let cursor = StuckCursor { requested_at, transfer_id: 258_730_172_895_232_001 };
    assert_eq!(StuckCursor::decode(&cursor.encode()), Some(cursor));
    let letter = DeadLetterCursor(7);
    assert_eq!(DeadLetterCursor::decode(&letter.encode()), Some(letter));
    for bad in
        ["", "💰", &letter.encode(), &URL_SAFE_NO_PAD.encode([0xff; 17]), &URL_SAFE_NO_PAD.encode([0x7f; 16])]
    {
        assert_eq!(StuckCursor::decode(bad), None, "{bad}");
    }
}
