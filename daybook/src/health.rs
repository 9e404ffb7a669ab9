//! What runs, and how it fares: the answer to `/health/ready`.

use std::collections::BTreeMap;
use std::fmt;

use ledger_core::partition::Placement;
use parking_lot::Mutex;
use serde::{Serialize, Serializer};

/// The parts of a running daybook.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Component {
    /// The log.
    EventStore,
    /// The log, served to others in EventStoreDB's protocol.
    Esdb,
    /// The routes for commands.
    Commands,
    /// The process manager.
    ProcessManager,
    /// The read models' database.
    Postgres,
    /// What fills the read models.
    Projector,
    /// What tells webhooks.
    Notifications,
    /// What closes months.
    MonthEnd,
    /// One of several databases of the read models, by its number.
    PostgresOf(u8),
    /// What fills it.
    ProjectorOf(u8),
}

impl Component {
    /// A database of the read models.
    #[must_use]
    pub const fn postgres(placement: Placement) -> Self {
        if placement.is_alone() { Self::Postgres } else { Self::PostgresOf(placement.number()) }
    }

    /// What fills it.
    #[must_use]
    pub const fn projector(placement: Placement) -> Self {
        if placement.is_alone() { Self::Projector } else { Self::ProjectorOf(placement.number()) }
    }
}

/// As the report names it: `projector`, or `projector_2` for the one of the second database.
impl Serialize for Component {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let name = match self {
            Self::EventStore => "event_store",
            Self::Esdb => "esdb",
            Self::Commands => "commands",
            Self::ProcessManager => "process_manager",
            Self::Postgres => "postgres",
            Self::Projector => "projector",
            Self::Notifications => "notifications",
            Self::MonthEnd => "month_end",
            Self::PostgresOf(number) => return serializer.collect_str(&format_args!("postgres_{number}")),
            Self::ProjectorOf(number) => return serializer.collect_str(&format_args!("projector_{number}")),
        };
        serializer.serialize_str(name)
    }
}

impl fmt::Display for Component {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::EventStore => "event store",
            Self::Esdb => "EventStoreDB's protocol",
            Self::Commands => "commands",
            Self::ProcessManager => "process manager",
            Self::Postgres => "Postgres",
            Self::Projector => "projector",
            Self::Notifications => "notifications",
            Self::MonthEnd => "month end",
            Self::PostgresOf(number) => return write!(f, "Postgres, database {number}"),
            Self::ProjectorOf(number) => return write!(f, "projector of database {number}"),
        })
    }
}

/// How one part fares.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "status", rename_all = "snake_case")]
pub enum State {
    /// Not there yet.
    Starting,
    /// Does its work.
    Ready,
    /// Ended or refuses; tried again.
    Failed {
        /// Why.
        reason: String,
    },
    /// Ended because we were asked to stop.
    Stopped,
}

/// Asks the event store how it fares: the position of the log's last event, or why it takes no more writes.
pub type EventStoreProbe = Box<dyn Fn() -> Result<u64, String> + Send + Sync>;

/// The state of every part that runs here.
pub struct Health {
    roles: Vec<&'static str>,
    components: Mutex<BTreeMap<Component, State>>,
    event_store: EventStoreProbe,
}

/// A health report, as JSON shows it.
#[derive(Serialize)]
pub struct Report {
    status: &'static str,
    /// The log's last position.
    #[serde(skip_serializing_if = "Option::is_none")]
    position: Option<u64>,
    /// What this process does.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    roles: Vec<&'static str>,
    components: BTreeMap<Component, State>,
}

impl Report {
    /// True when every part does its work.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.status == "ready"
    }
}

impl Health {
    /// Everything in `components` is starting; the event store is asked each time.
    pub fn new(components: impl IntoIterator<Item = Component>, event_store: EventStoreProbe) -> Self {
        let starting = components.into_iter().map(|component| (component, State::Starting));
        Self { roles: Vec::new(), components: Mutex::new(starting.collect()), event_store }
    }

    /// The same, of a process that has these roles.
    #[must_use]
    pub fn of(self, roles: Vec<&'static str>) -> Self {
        Self { roles, ..self }
    }

    /// Notes how a part fares.
    pub fn set(&self, component: Component, state: State) {
        self.components.lock().insert(component, state);
    }

    /// How everything fares now.
    #[must_use]
    pub fn report(&self) -> Report {
        let mut components = self.components.lock().clone();
        let probed = (self.event_store)();
        let position = probed.as_ref().ok().copied();
        let event_store = match probed {
            Ok(_) => State::Ready,
            Err(reason) => State::Failed { reason },
        };
        components.insert(Component::EventStore, event_store);
        let ready = components.values().all(|state| *state == State::Ready);
        let status = if ready { "ready" } else { "not_ready" };
        Report { status, position, roles: self.roles.clone(), components }
    }
}

#[cfg(test)]
mod tests {
    use ledger_core::partition::Placement;

    use super::{Component, Health, State};

    #[test]
    fn ready_means_every_part() {
        let health = Health::new([Component::Projector], Box::new(|| Ok(42))).of(vec!["projector"]);
        assert!(!health.report().is_ready());
        health.set(Component::Projector, State::Ready);
        let report = health.report();
        assert!(report.is_ready());
        assert_eq!(
            serde_json::to_value(&report).unwrap(),
            serde_json::json!({
                "status": "ready",
                "position": 42,
                "roles": ["projector"],
                "components": { "event_store": { "status": "ready" }, "projector": { "status": "ready" } },
            })
        );
        health.set(Component::Projector, State::Failed { reason: "no".to_owned() });
        assert!(!health.report().is_ready());
    }

    #[test]
    fn several_databases_are_told_apart() {
        let placement = Placement::among(2).last().unwrap();
        let parts = [Component::projector(placement), Component::postgres(Placement::ALONE)];
        let health = Health::new(parts, Box::new(|| Ok(0)));
        let report = serde_json::to_value(health.report()).unwrap();
        assert_eq!(report["components"]["projector_2"]["status"], "starting");
        assert_eq!(report["components"]["postgres"]["status"], "starting");
    }

    #[test]
    fn a_store_that_refuses_writes_is_not_ready() {
        let health = Health::new([], Box::new(|| Err("the disk is full".to_owned())));
        assert!(!health.report().is_ready());
    }
}
