//! Where a webhook may be: looked at when it is registered or changed, and again by the sender at each connection.

use http::Uri;
use ledger_core::webhook::address::is_public;
use name_lookup::{LookupError, Names};

use crate::WEBHOOK_URL_CHARS_MAX;
use crate::problem::Problem;

/// Refuses what is not the URL of an endpoint, and addresses that are not of the public internet unless these are allowed. A name that
/// cannot be resolved now may be later.
pub(crate) async fn check(url: &str, allow_private: bool, names: &Names) -> Result<(), Problem> {
    let host = parse(url, allow_private)?;
    if allow_private {
        return Ok(());
    }
    let is_fit = match names.addresses(&host).await {
        Ok(addresses) => addresses.into_iter().all(is_public),
        Err(LookupError::NoName(_)) => false,
        Err(LookupError::Failed { .. } | LookupError::TimedOut(_)) => true,
    };
    if is_fit {
        return Ok(());
    }
    Err(Problem::bad_request(
        "webhook_address_refused",
        format!("{host} is not an address of the public internet; a webhook must be reachable there."),
    ))
}

/// The host.
fn parse(url: &str, allow_http: bool) -> Result<String, Problem> {
    let invalid = |why: &str| Problem::bad_request("invalid_url", format!("The webhook's URL {why}."));
    if url.chars().count() > WEBHOOK_URL_CHARS_MAX {
        return Err(invalid(&format!("is longer than {WEBHOOK_URL_CHARS_MAX} characters")));
    }
    let uri: Uri = url.parse().map_err(|_| invalid("is not a URL, such as https://shop.example/daybook"))?;
    let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
        return Err(invalid("must name a scheme and a host, such as https://shop.example/daybook"));
    };
    if scheme != "https" && !(scheme == "http" && allow_http) {
        return Err(invalid("must begin with https://"));
    }
    if authority.as_str().contains('@') {
        return Err(invalid("must not hold a name or password; the signature says who we are"));
    }
    if url.contains('#') {
        return Err(invalid("must not have a fragment"));
    }
    let host = authority.host();
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    if host.is_empty() {
        return Err(invalid("must name a host"));
    }
    Ok(host.to_owned())
}

#[cfg(test)]
mod tests {
    use name_lookup::Names;

    use super::{check, parse};

    #[test]
    fn a_url_has_https_and_a_host_and_no_password() {
        for good in ["https://shop.example/hook", "https://1.1.1.1:8443/", "https://[2606:4700::1111]/x?y=z"]
        {
            assert!(parse(good, false).is_ok(), "{good}");
        }
        for bad in [
            "",
            "/hook",
            "shop.example/hook",
            "ftp://shop.example",
            "http://shop.example",
            "https://",
            "https://a:b@shop.example/",
            "https://shop.example/#part",
            "https://sh op.example/",
        ] {
            assert!(parse(bad, false).is_err(), "{bad}");
        }
        assert!(parse("http://shop.example", true).is_ok());
        assert!(parse(&format!("https://shop.example/{}", "x".repeat(2_048)), false).is_err());
    }

    #[tokio::test]
    async fn private_addresses_are_refused_unless_they_are_allowed() {
        let names = Names::of_system();
        for private in [
            "https://127.0.0.1/",
            "https://[::1]/",
            "https://10.1.2.3:8443/x",
            "https://localhost/",
            "https://2130706433/",
            "https://0x7f.1/",
        ] {
            assert!(check(private, false, &names).await.is_err(), "{private}");
            assert!(check(private, true, &names).await.is_ok(), "{private}");
        }
        assert!(check("https://1.1.1.1/", false, &names).await.is_ok());
    }
}
