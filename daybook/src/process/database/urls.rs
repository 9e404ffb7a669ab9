//! `--database-url`, which may be given several times or hold several.

use std::collections::HashSet;

use ledger_core::partition::PARTITIONS;
use sqlx::postgres::PgConnectOptions;

use crate::commands::Failure;

/// How a URL may begin, so that a comma inside of one, as in a password, is not taken for the end.
const SCHEMES: [&str; 2] = ["postgres://", "postgresql://"];

/// Reads what was given.
///
/// # Errors
/// When these are no URLs of Postgres databases, or too many, or twice the same. They may hold passwords, so none is repeated.
pub(crate) fn read(given: &[String]) -> Result<Vec<String>, Failure> {
    let urls: Vec<String> = given.iter().flat_map(|text| divided(text)).map(str::to_owned).collect();
    for url in &urls {
        url.parse::<PgConnectOptions>().map_err(|error| format!("--database-url: {error}"))?;
    }
    if urls.len() > usize::from(PARTITIONS) {
        let count = urls.len();
        return Err(format!("--database-url: {count} databases, and there may be {PARTITIONS}").into());
    }
    if urls.iter().collect::<HashSet<_>>().len() < urls.len() {
        return Err("--database-url: the same database is given twice".into());
    }
    Ok(urls)
}

/// The URLs of a list with commas between.
fn divided(list: &str) -> Vec<&str> {
    let mut urls = Vec::new();
    let mut rest = list;
    while let Some(comma) = next(rest) {
        let (url, more) = rest.split_at(comma);
        urls.push(url.trim());
        rest = more.trim_start_matches(',');
    }
    urls.push(rest.trim());
    urls
}

/// Where the first comma is that another URL follows.
fn next(list: &str) -> Option<usize> {
    let begins = |text: &str| SCHEMES.iter().any(|scheme| text.trim_start().starts_with(scheme));
    list.match_indices(',')
        .find(|(at, _)| list.get(at.saturating_add(1)..).is_some_and(begins))
        .map(|(at, _)| at)
}

#[cfg(test)]
mod tests {
    use super::read;

    fn urls(given: &[&str]) -> Result<Vec<String>, String> {
        let given: Vec<String> = given.iter().map(|text| (*text).to_owned()).collect();
        read(&given).map_err(|error| error.to_string())
    }

    #[test]
    fn several_are_given_one_by_one_or_with_commas_between() {
        let two = ["postgres://bank@one/daybook", "postgresql://bank@two/daybook"];
        assert_eq!(urls(&two).unwrap(), two);
        assert_eq!(urls(&[&two.join(", ")]).unwrap(), two);
        let comma = "postgres://bank:a,b@one/daybook";
        assert_eq!(urls(&[comma]).unwrap(), [comma]);
    }

    #[test]
    fn not_too_many_and_none_twice() {
        let five: Vec<String> = (1..=5).map(|number| format!("postgres://db{number}/daybook")).collect();
        assert!(read(&five).unwrap_err().to_string().contains("5 databases"));
        assert!(urls(&["postgres://db/x,postgres://db/x"]).unwrap_err().contains("twice"));
        let refused = urls(&["postgres://bank:secret@db:port/x"]).unwrap_err();
        assert!(!refused.contains("secret"), "{refused}");
    }
}
