//! The first lines a newcomer reads.

use std::env;
use std::path::Path;

use crate::process::{Reachable, reachable_here};

/// Where everything is, and commands to try that work as they stand, in any directory.
pub(super) fn text(reachable: &Reachable, is_elsewhere: bool, data_dir: &Path, postgres: &str) -> String {
    let url = format!("http://{}", reachable_here(reachable.http));
    let log = match &reachable.esdb {
        Some(esdb) => esdb.to_string(),
        None if is_elsewhere => "as --event-store says".to_owned(),
        None => "served by nobody here".to_owned(),
    };
    let program = env::current_exe().map_or_else(|_| "daybook".to_owned(), |path| quoted(&path));
    let data = data_dir.display();
    let quoted_data = quoted(data_dir);
    format!(
        r#"
Daybook listens.

  API       {url}/api/v1         (described at /api/v1/openapi.json)
  GraphQL   {url}/graphql        (in the browser at /graphiql)
  Health    {url}/health/ready   (measurements at /metrics)
  Log       {log}
  Data      {data}
  Postgres  {postgres}

Try it in another terminal:

  TOKEN=$({program} token --role operator --data-dir {quoted_data})

  curl -s {url}/api/v1/accounts -H "Authorization: Bearer $TOKEN" \
    -H 'Content-Type: application/json' -d '{{"currency":"EUR","reference":"first"}}'

  curl -s {url}/graphql -H "Authorization: Bearer $TOKEN" \
    -H 'Content-Type: application/json' -d '{{"query":"{{ account(reference: \"first\") {{ id balance {{ amount currency }} }} }}"}}'

"#
    )
}

/// As a shell reads it back.
fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    let plain = |c: char| c.is_alphanumeric() || "/._-+@".contains(c);
    if text.chars().all(plain) {
        return text;
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{quoted, text};
    use crate::process::{EsdbAddress, Reachable};

    #[test]
    fn commands_work_for_this_address_and_directory() {
        let esdb = EsdbAddress { address: "127.0.0.1:2113".parse().unwrap(), tls: false };
        let reachable = Reachable { http: "0.0.0.0:8181".parse().unwrap(), esdb: Some(esdb) };
        let text = text(&reachable, false, Path::new("/data dir"), "none");
        assert!(text.contains("token --role operator --data-dir '/data dir')"), "{text}");
        assert!(text.contains("curl -s http://127.0.0.1:8181/graphql"), "{text}");
        assert!(text.contains("esdb://127.0.0.1:2113?tls=false"), "{text}");
    }

    #[test]
    fn paths() {
        assert_eq!(quoted(Path::new("/a/b-1")), "/a/b-1");
        assert_eq!(quoted(Path::new("/it's")), r"'/it'\''s'");
    }
}
