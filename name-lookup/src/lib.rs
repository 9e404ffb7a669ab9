//! Names of hosts to addresses.
//!
//! The system's own resolver blocks a thread for each name, of the pool that the event store reads its files with: some names whose servers
//! do not answer would stop the whole process. Here a look-up is two datagrams and a timer. Names come from customers, so look-ups at a
//! time, their time and what is remembered of them are bounded. Nothing is decided about addresses here: whoever asks looks at each.

mod limits;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Instant;

use futures::future::{BoxFuture, FutureExt, Shared};
use hickory_resolver::TokioResolver;
use hickory_resolver::config::{
    LookupIpStrategy, NameServerConfig, ResolveHosts, ResolverConfig, ResolverOpts,
};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::system_conf::read_system_conf;
use parking_lot::Mutex;
use quick_cache::sync::Cache;
use tokio::sync::Semaphore;
use tokio::time::timeout;
use url::Host;

pub use limits::*;

/// Why a name has no addresses.
#[derive(Clone, Debug, thiserror::Error)]
pub enum LookupError {
    /// It is not one.
    #[error("{0} is not the name of a host")]
    NoName(String),
    /// Nobody knows it, or who does says so in no way that can be understood.
    #[error("{name} cannot be resolved: {reason}")]
    Failed {
        /// The name.
        name: String,
        /// What the resolver says.
        reason: String,
    },
    /// Nobody answers.
    #[error("{0} cannot be resolved: no answer within {LOOKUP_TIME_MAX:?}")]
    TimedOut(String),
}

/// A look-up that all who ask for its name wait for.
type Asked = Shared<BoxFuture<'static, Result<Vec<IpAddr>, LookupError>>>;

/// Looks names up, and remembers them for as long as their owners allow. Cheap to clone; a process needs one.
#[derive(Clone)]
pub struct Names {
    resolver: Result<TokioResolver, Arc<str>>,
    places: Arc<Semaphore>,
    /// Names that the resolver remembers, and until when: they ask nobody, so they need no place.
    remembered: Arc<Cache<String, Instant>>,
    under_way: Arc<Mutex<HashMap<String, Asked>>>,
}

impl Names {
    /// Asks whom the system asks (`/etc/resolv.conf`), after looking into its file of hosts, both as they are now. Without that file it asks
    /// this machine, as the system would.
    #[must_use]
    pub fn of_system() -> Self {
        let (config, options) = read_system_conf().unwrap_or_else(|error| {
            tracing::warn!(%error, "no name server is configured; this machine is asked for names");
            let here = NameServerConfig::udp_and_tcp(Ipv4Addr::LOCALHOST.into());
            (ResolverConfig::from_parts(None, vec![], vec![here]), ResolverOpts::default())
        });
        Self::new(config, options)
    }

    /// Asks one name server.
    #[must_use]
    pub fn of_server(server: std::net::SocketAddr) -> Self {
        let mut one = NameServerConfig::udp(server.ip());
        for connection in &mut one.connections {
            connection.port = server.port();
        }
        Self::new(ResolverConfig::from_parts(None, vec![], vec![one]), ResolverOpts::default())
    }

    fn new(config: ResolverConfig, mut options: ResolverOpts) -> Self {
        options.timeout = options.timeout.min(ANSWER_TIME_MAX);
        options.attempts = options.attempts.min(ATTEMPTS_MAX);
        options.cache_size = u64::try_from(REMEMBERED_MAX).unwrap_or(u64::MAX);
        options.positive_max_ttl = Some(REMEMBERED_FOR_MAX);
        options.negative_max_ttl = Some(UNKNOWN_FOR_MAX);
        options.max_active_requests = LOOKUPS_MAX;
        options.ip_strategy = LookupIpStrategy::Ipv4AndIpv6;
        options.use_hosts_file = ResolveHosts::Always;
        let mut builder = TokioResolver::builder_with_config(config, TokioRuntimeProvider::default());
        *builder.options_mut() = options;
        let resolver = builder.build().map_err(|error| error.to_string().into());
        Self {
            resolver,
            places: Arc::new(Semaphore::new(LOOKUPS_MAX)),
            remembered: Arc::new(Cache::new(REMEMBERED_MAX)),
            under_way: Arc::default(),
        }
    }

    /// The addresses of a host. One that is written as an address, in any spelling that the system would take for one, is that address.
    ///
    /// # Errors
    /// When it has none, or nobody says within [`LOOKUP_TIME_MAX`].
    pub async fn addresses(&self, host: &str) -> Result<Vec<IpAddr>, LookupError> {
        if let Ok(address) = host.parse() {
            return Ok(vec![address]);
        }
        // `2130706433`, `0x7f.1` and their like are addresses to others, so they are here.
        match Host::parse(host) {
            Ok(Host::Ipv4(address)) => return Ok(vec![address.into()]),
            Ok(Host::Ipv6(address)) => return Ok(vec![address.into()]),
            Ok(Host::Domain(_)) => {}
            Err(_) => return Err(LookupError::NoName(host.to_owned())),
        }
        self.ask(host).await
    }

    /// One look-up for all who ask for a name at a time, so that they take one place. It goes on when they are gone, and ends in time.
    fn ask(&self, host: &str) -> Asked {
        let mut under_way = self.under_way.lock();
        if let Some(asked) = under_way.get(host).filter(|asked| asked.peek().is_none()) {
            return asked.clone();
        }
        let (names, name) = (self.clone(), host.to_owned());
        let look_up = tokio::spawn(async move {
            let found = timeout(LOOKUP_TIME_MAX, names.look_up(&name)).await;
            names.under_way.lock().remove(&name);
            found.unwrap_or(Err(LookupError::TimedOut(name)))
        });
        let name = host.to_owned();
        let ended = look_up.map(|ended| {
            ended.unwrap_or_else(|error| Err(LookupError::Failed { name, reason: error.to_string() }))
        });
        let asked = ended.boxed().shared();
        under_way.insert(host.to_owned(), asked.clone());
        asked
    }

    async fn look_up(&self, host: &str) -> Result<Vec<IpAddr>, LookupError> {
        let failed = |reason: String| LookupError::Failed { name: host.to_owned(), reason };
        let remembered = self.remembered.get(host).is_some_and(|until| until > Instant::now());
        let _place = match remembered {
            true => None,
            false => Some(self.places.acquire().await.map_err(|error| failed(error.to_string()))?),
        };
        let resolver = self.resolver.as_ref().map_err(|reason| failed(reason.to_string()))?;
        let found = resolver.lookup_ip(host).await.map_err(|error| failed(error.to_string()))?;
        self.remembered.insert(host.to_owned(), found.valid_until());
        Ok(found.iter().collect())
    }
}
