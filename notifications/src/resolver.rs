//! Names to addresses, those of the public internet alone.
//!
//! Looked up for every connection and checked then: what a name meant when its webhook was registered says nothing about now. The connection
//! goes to one of the addresses that were checked.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};

use hyper_util::client::legacy::connect::dns::Name;
use ledger_core::webhook::address::is_public;
use name_lookup::Names;
use tower::Service;

/// An address, or all of a name's, is not one to call.
#[derive(Debug, thiserror::Error)]
#[error("{0} is not an address of the public internet")]
pub(crate) struct NotPublic(pub(crate) String);

/// Resolves names for the HTTP client.
#[derive(Clone)]
pub(crate) struct Resolver {
    pub(crate) names: Names,
    pub(crate) allow_private: bool,
}

impl Service<Name> for Resolver {
    type Response = std::vec::IntoIter<SocketAddr>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Self::Response>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let Self { names, allow_private } = self.clone();
        Box::pin(async move {
            let found = names.addresses(name.as_str()).await.map_err(io::Error::other)?;
            let public = found.iter().filter(|address| allow_private || is_public(**address));
            let public: Vec<_> = public.map(|address| SocketAddr::new(*address, 0)).collect();
            if public.is_empty() && !found.is_empty() {
                return Err(io::Error::other(NotPublic(name.as_str().to_owned())));
            }
            Ok(public.into_iter())
        })
    }
}

#[cfg(test)]
mod tests {
    use std::str::FromStr;

    use hyper_util::client::legacy::connect::dns::Name;
    use name_lookup::Names;
    use tower::Service;

    use super::Resolver;

    fn resolver(allow_private: bool) -> Resolver {
        Resolver { names: Names::of_system(), allow_private }
    }

    #[tokio::test]
    async fn a_name_of_this_machine_is_found_only_when_that_is_allowed() {
        let name = Name::from_str("localhost").unwrap();
        let allowed = resolver(true).call(name.clone()).await.unwrap();
        assert!(allowed.count() > 0);
        let refused = resolver(false).call(name).await.unwrap_err();
        assert_eq!(refused.to_string(), "localhost is not an address of the public internet");
    }

    /// What the system's resolver takes for an address is checked like one.
    #[tokio::test]
    async fn other_spellings_of_an_address_are_no_way_in() {
        for spelling in ["2130706433", "0x7f.1", "127.1"] {
            let name = Name::from_str(spelling).unwrap();
            assert!(resolver(false).call(name).await.is_err(), "{spelling}");
        }
    }
}
