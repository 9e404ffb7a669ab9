//! The first lines a newcomer reads.

use std::env;
use std::fmt::Write;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;

/// Where everything is, and commands to try that work as they stand, in any directory.
pub(super) fn text(address: SocketAddr, data_dir: &Path, postgres: &str, queries: bool) -> String {
    let url = format!("http://{}", reachable(address));
    let data = data_dir.display();
    let program = env::current_exe().map_or_else(|_| "daybook".to_owned(), |path| quoted(&path));
    let quoted_data = quoted(data_dir);
    let mut text = format!(
        "\nDaybook listens.\n\
         \n  API        {url}/api/v1        described by {url}/api/v1/openapi.json\
         \n  GraphQL    {url}/graphql       in the browser: {url}/graphiql\
         \n  Health     {url}/health/ready  metrics: {url}/metrics\
         \n  Data       {data}\
         \n  Postgres   {postgres}\n\
         \nTry it in another terminal:\n\
         \n  TOKEN=$({program} token --role operator --data-dir {quoted_data})\
         \n  ACCOUNT=$(curl -s {url}/api/v1/accounts -H \"Authorization: Bearer $TOKEN\" --json '{{\"currency\":\"EUR\"}}' | sed 's/.*\"account_id\":\"\\([0-9]*\\)\".*/\\1/')\
         \n  curl -s {url}/api/v1/accounts/$ACCOUNT/deposits -H \"Authorization: Bearer $TOKEN\" --json '{{\"idempotency_key\":\"first\",\"amount\":\"10.50\",\"currency\":\"EUR\"}}'\n"
    );
    if queries {
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "  curl -s {url}/graphql -H \"Authorization: Bearer $TOKEN\" --json '{{\"query\":\"{{account(id:\\\"'$ACCOUNT'\\\"){{balance{{amount currency}}}}}}\"}}'"
        );
    }
    text.push('\n');
    text
}

/// An address to connect to: listening everywhere includes this machine.
fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        ip if !ip.is_unspecified() => ip,
        IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
    };
    SocketAddr::new(ip, address.port())
}

fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    let plain = |c: char| c.is_alphanumeric() || "/._-+@".contains(c);
    if text.chars().all(plain) {
        text
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}
