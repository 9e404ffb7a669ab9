//! Which rows of a row group can be those that are wanted, by the page index.

use std::ops::{Range, RangeInclusive};

use parquet::file::metadata::ParquetMetaData;
use parquet::file::page_index::column_index::ColumnIndexMetaData;

/// A column of 64-bit numbers, and the values of it that are wanted.
pub(crate) type Wanted = (usize, RangeInclusive<i64>);

/// The rows of a row group in which all columns can have the values that are wanted: ranges in ascending order, apart from each other, each
/// within one page of the first column. Rows of other ranges certainly do not.
pub(crate) fn candidates(metadata: &ParquetMetaData, group: usize, wanted: &[Wanted]) -> Vec<Range<usize>> {
    let rows = metadata.row_groups().get(group).map_or(0, |group| group.num_rows());
    let whole = 0..usize::try_from(rows).unwrap_or(0);
    let mut ranges = vec![whole.clone()];
    for (column, values) in wanted {
        ranges = both(&ranges, &pages(metadata, group, *column, values, &whole));
    }
    ranges
}

/// The pages of a column that can have one of these values; all rows if it has no index.
fn pages(
    metadata: &ParquetMetaData,
    group: usize,
    column: usize,
    values: &RangeInclusive<i64>,
    whole: &Range<usize>,
) -> Vec<Range<usize>> {
    let index = metadata.page_index_for_row_group(group);
    let (Some(ColumnIndexMetaData::INT64(bounds)), Some(places)) =
        (index.column_index(column), index.offset_index(column))
    else {
        return vec![whole.clone()];
    };
    let firsts =
        places.page_locations().iter().map(|page| usize::try_from(page.first_row_index).unwrap_or(0));
    let ends = firsts.clone().skip(1).chain([whole.end]);
    let can_have = |page: usize| match (bounds.min_value(page), bounds.max_value(page)) {
        (Some(least), Some(greatest)) => least <= values.end() && greatest >= values.start(),
        _ => true,
    };
    firsts
        .zip(ends)
        .enumerate()
        .filter(|(page, _)| can_have(*page))
        .map(|(_, (first, end))| first..end)
        .filter(|rows| !rows.is_empty())
        .collect()
}

/// What is in both lists of ranges.
fn both(left: &[Range<usize>], right: &[Range<usize>]) -> Vec<Range<usize>> {
    let (mut left, mut right) = (left.iter().peekable(), right.iter().peekable());
    let mut common = Vec::new();
    while let (Some(one), Some(other)) = (left.peek(), right.peek()) {
        let range = one.start.max(other.start)..one.end.min(other.end);
        if !range.is_empty() {
            common.push(range);
        }
        if one.end <= other.end {
            left.next();
        } else {
            right.next();
        }
    }
    common
}
