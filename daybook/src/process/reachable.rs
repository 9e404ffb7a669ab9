//! Where a process can be reached.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// Where a process can be reached.
pub(crate) struct Reachable {
    pub(crate) http: SocketAddr,
    pub(crate) esdb: Option<EsdbAddress>,
}

/// An address where EventStoreDB's protocol is spoken; shows itself as the connection string of clients.
#[derive(Clone, Copy, Debug)]
pub(crate) struct EsdbAddress {
    pub(crate) address: SocketAddr,
    pub(crate) tls: bool,
}

impl fmt::Display for EsdbAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "esdb://{}?tls={}", reachable_here(self.address), self.tls)
    }
}

/// An address to connect to from here: listening everywhere includes this machine.
pub(crate) fn reachable_here(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        ip if !ip.is_unspecified() => ip,
        IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
    };
    SocketAddr::new(ip, address.port())
}

#[cfg(test)]
mod tests {
    use super::{EsdbAddress, reachable_here};

    #[test]
    fn addresses_to_connect_to() {
        assert_eq!(reachable_here("[::]:1".parse().unwrap()).to_string(), "[::1]:1");
        assert_eq!(reachable_here("10.0.0.1:1".parse().unwrap()).to_string(), "10.0.0.1:1");
        let esdb = EsdbAddress { address: "0.0.0.0:2113".parse().unwrap(), tls: true };
        assert_eq!(esdb.to_string(), "esdb://127.0.0.1:2113?tls=true");
    }
}
