//! Rows for people.

/// Columns as wide as they need to be, two spaces between; nothing after the last.
pub(crate) fn aligned<const N: usize>(rows: &[[String; N]]) -> String {
    let mut widths = [0; N];
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.chars().count().max(*width);
        }
    }
    let mut text = String::new();
    for row in rows {
        let cells: Vec<String> =
            row.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        text.push_str(cells.join("  ").trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::aligned;

    #[test]
    fn columns_stand_below_each_other() {
        let rows = [["ID", "WHY"], ["1", "žádná"], ["234", ""]].map(|row| row.map(str::to_owned));
        assert_eq!(aligned(&rows), "ID   WHY\n1    žádná\n234\n");
        assert_eq!(aligned::<2>(&[]), "");
    }
}
