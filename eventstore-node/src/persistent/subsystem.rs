//! All groups of a node.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::RwLock;
use tokio::sync::{Mutex, mpsc, oneshot};

use super::config::{GroupConfig, GroupKey, Source, Start};
use super::consumer::{Consumer, ConsumerAbout};
use super::error::{Dropped, GroupError};
use super::filter::Filter;
use super::group::{Group, Request};
use super::info::GroupInfo;
use super::limits::{MAX_GROUP_NAME_BYTES, MAX_GROUPS};
use super::machine::Place;
use super::names::{ALL, checkpoint_stream};
use super::settings::GroupSettings;
use super::store;
use crate::limits::MAX_STREAM_NAME_BYTES;
use crate::metadata::metadata_stream;
use crate::{Node, StreamAppend};

/// All groups of a node. Clones are handles of the same groups; end them with [`Self::stop`], before the node.
#[derive(Clone)]
pub struct PersistentSubscriptions(Arc<Inner>);

struct Inner {
    node: Node,
    /// All groups that are recorded; one that could not be started takes no requests.
    groups: RwLock<BTreeMap<GroupKey, Running>>,
    /// Held while groups are made, changed or ended. Whether that is over for good.
    changes: Mutex<bool>,
}

/// A group that runs, or does not.
#[derive(Clone)]
struct Running {
    config: Arc<GroupConfig>,
    /// Err: why it could not be started. It can be changed and deleted.
    requests: Result<mpsc::Sender<Request>, GroupError>,
}

impl PersistentSubscriptions {
    /// Starts the groups there are.
    ///
    /// # Errors
    /// They cannot be read.
    pub async fn start(node: Node) -> Result<Self, GroupError> {
        let inner = Inner { node, groups: RwLock::default(), changes: Mutex::new(false) };
        inner.start_all().await?;
        Ok(Self(Arc::new(inner)))
    }

    /// Makes a group.
    ///
    /// # Errors
    /// There is one of this name; the settings make no sense; the log refuses.
    pub async fn create(
        &self,
        source: Source,
        group: &str,
        start: Start,
        settings: GroupSettings,
    ) -> Result<(), GroupError> {
        let (inner, group) = (self.0.clone(), group.to_owned());
        to_its_end(async move { inner.create(source, &group, start, settings).await }).await
    }

    /// Changes a group. Its consumers are dropped; its place and its filter stay.
    ///
    /// # Errors
    /// There is no such group; the settings make no sense; the log refuses, and nothing is changed.
    pub async fn update(
        &self,
        key: &GroupKey,
        start: Start,
        settings: GroupSettings,
    ) -> Result<(), GroupError> {
        let (inner, key) = (self.0.clone(), key.clone());
        to_its_end(async move { inner.update(&key, start, settings).await }).await
    }

    /// Deletes a group, with its place and its parked messages. Its consumers are dropped.
    ///
    /// # Errors
    /// There is no such group; the log refuses, and the group stays.
    pub async fn delete(&self, key: &GroupKey) -> Result<(), GroupError> {
        let (inner, key) = (self.0.clone(), key.clone());
        to_its_end(async move { inner.delete(&key).await }).await
    }

    /// Ends all groups and starts them again as they are recorded. Their consumers are dropped.
    ///
    /// # Errors
    /// They cannot be read.
    pub async fn restart(&self) -> Result<(), GroupError> {
        let inner = self.0.clone();
        to_its_end(async move { inner.restart().await }).await
    }

    /// Connects a consumer that takes so many events at a time.
    ///
    /// # Errors
    /// There is no such group, or it has as many consumers as it may.
    pub async fn connect(
        &self,
        key: &GroupKey,
        in_flight: usize,
        about: ConsumerAbout,
    ) -> Result<Consumer, GroupError> {
        let group = self.0.find(key)?;
        group.ask(|answer| Request::Connect { capacity: in_flight, about, answer }).await?
    }

    /// Delivers again what is parked now, up to and without this revision of the stream of parked messages.
    ///
    /// # Errors
    /// There is no such group.
    pub async fn replay_parked(&self, key: &GroupKey, stop_at: Option<u64>) -> Result<(), GroupError> {
        let requests = self.0.find(key)?.requests?;
        let request = Request::ReplayParked { stop_at };
        requests.send(request).await.map_err(|_| GroupError::unavailable("the group is restarting"))
    }

    /// Figures of a group.
    ///
    /// # Errors
    /// There is no such group.
    pub async fn info(&self, key: &GroupKey) -> Result<GroupInfo, GroupError> {
        let group = self.0.find(key)?;
        group.ask(|answer| Request::Info { answer }).await
    }

    /// Figures of all groups that run, or of those on one stream, or on the whole log (`$all`).
    ///
    /// # Errors
    /// There is none on this stream.
    pub async fn list(&self, source: Option<&str>) -> Result<Vec<GroupInfo>, GroupError> {
        let keys: Vec<_> = {
            let groups = self.0.groups.read();
            let wanted = |key: &&GroupKey| source.is_none_or(|source| &*key.source == source);
            groups.keys().filter(wanted).cloned().collect()
        };
        if keys.is_empty() && source.is_some() {
            return Err(GroupError::DoesNotExist);
        }
        let mut infos = Vec::with_capacity(keys.len());
        for key in keys {
            match self.info(&key).await {
                Ok(info) => infos.push(info),
                // It was deleted in the meantime.
                Err(GroupError::DoesNotExist) => {}
                Err(error) => tracing::warn!(source = %key.source, group = %key.group, %error,
                    "a persistent subscription is left out of the list"),
            }
        }
        Ok(infos)
    }

    /// Records where the groups are and ends them, for good. Calling it again does nothing.
    pub async fn stop(&self) {
        let mut stopped = self.0.changes.lock().await;
        *stopped = true;
        self.0.end_all(&Dropped::ShuttingDown).await;
    }
}

impl std::fmt::Debug for PersistentSubscriptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PersistentSubscriptions").field("groups", &self.0.groups.read().len()).finish()
    }
}

impl Running {
    async fn ask<T>(&self, request: impl FnOnce(oneshot::Sender<T>) -> Request) -> Result<T, GroupError> {
        let (answer, answered) = oneshot::channel();
        let restarting = || GroupError::unavailable("the group is restarting");
        let requests = self.requests.as_ref().map_err(Clone::clone)?;
        requests.send(request(answer)).await.map_err(|_| restarting())?;
        answered.await.map_err(|_| restarting())
    }
}

impl Inner {
    async fn create(
        &self,
        source: Source,
        group: &str,
        start: Start,
        settings: GroupSettings,
    ) -> Result<(), GroupError> {
        let _changes = self.change().await?;
        let (key, filter) = match source {
            Source::Stream(stream) if &*stream == ALL => {
                return Err(GroupError::failed("a group on the whole log is made without a stream's name"));
            }
            Source::Stream(stream) => (GroupKey::on_stream(&stream, group), None),
            Source::All { filter } => (GroupKey::on_all(group), filter),
        };
        if self.find(&key).is_ok() {
            return Err(GroupError::Exists);
        }
        if self.groups.read().len() >= MAX_GROUPS {
            return Err(GroupError::failed(format!(
                "there are {MAX_GROUPS} groups, as many as there may be"
            )));
        }
        check_names(&key)?;
        settings.check().map_err(GroupError::failed)?;
        let filter = filter.map(Filter::new).transpose().map_err(GroupError::failed)?;
        let first = self.first(&key, start).await?;
        let config = Arc::new(GroupConfig { key, filter, start, first, settings });
        self.record(Some(&config), None, Vec::new()).await?;
        self.run(config).await
    }

    async fn update(&self, key: &GroupKey, start: Start, settings: GroupSettings) -> Result<(), GroupError> {
        let _changes = self.change().await?;
        let old = self.find(key)?.config;
        settings.check().map_err(GroupError::failed)?;
        let first = if start == old.start { old.first } else { self.first(key, start).await? };
        let new = GroupConfig { key: key.clone(), filter: old.filter.clone(), start, first, settings };
        self.record(Some(&new), None, Vec::new()).await?;
        self.end(key, Dropped::GroupEnded).await;
        self.run(Arc::new(new)).await
    }

    async fn delete(&self, key: &GroupKey) -> Result<(), GroupError> {
        let _changes = self.change().await?;
        let config = self.find(key)?.config;
        self.end(key, Dropped::GroupEnded).await;
        let (node, cleared) = (self.node.clone(), key.clone());
        let deleted = match blocking(move || store::clearing_appends(&node, &cleared)).await {
            Ok(clearing) => self.record(None, Some(key), clearing).await,
            Err(error) => Err(error),
        };
        if deleted.is_ok() {
            self.groups.write().remove(key);
        } else {
            // Why it was not deleted counts more than why it does not run.
            let _ = self.run(config).await;
        }
        deleted
    }

    async fn restart(&self) -> Result<(), GroupError> {
        let _changes = self.change().await?;
        self.end_all(&Dropped::GroupEnded).await;
        self.start_all().await
    }

    async fn change(&self) -> Result<tokio::sync::MutexGuard<'_, bool>, GroupError> {
        let stopped = self.changes.lock().await;
        if *stopped { Err(GroupError::stopped()) } else { Ok(stopped) }
    }

    fn find(&self, key: &GroupKey) -> Result<Running, GroupError> {
        self.groups.read().get(key).cloned().ok_or(GroupError::DoesNotExist)
    }

    /// The first place of a group that begins here, inclusive.
    async fn first(&self, key: &GroupKey, start: Start) -> Result<Place, GroupError> {
        let head = self.node.head();
        match start {
            Start::Start => Ok(0),
            Start::At(position) if key.is_on_all() && position > head => {
                Err(GroupError::failed(format!("position {position} is beyond the end of the log, {head}")))
            }
            Start::At(place) => Ok(place),
            Start::End if key.is_on_all() => Ok(head + 1),
            Start::End => {
                let (node, stream) = (self.node.clone(), key.source.clone());
                let last = blocking(move || node.last_revision(&stream)).await?;
                Ok(last.map_or(0, |last| last.saturating_add(1)))
            }
        }
    }

    /// Records the groups there are, with one put in or changed or left out, and more at the same time.
    async fn record(
        &self,
        with: Option<&GroupConfig>,
        without: Option<&GroupKey>,
        more: Vec<StreamAppend>,
    ) -> Result<(), GroupError> {
        let running: Vec<_> = self.groups.read().values().map(|group| group.config.clone()).collect();
        let without = with.map(|group| &group.key).or(without);
        let others = running.iter().map(|group| &**group).filter(|group| Some(&group.key) != without);
        let config = store::groups_append(others.chain(with)).map_err(GroupError::failed)?;
        let batch = [config].into_iter().chain(more).collect();
        self.node.append(batch).await.map(|_| ()).map_err(GroupError::unavailable)
    }

    async fn start_all(&self) -> Result<(), GroupError> {
        let node = self.node.clone();
        for config in blocking(move || store::load_groups(&node)).await? {
            // One group that cannot be started does not stop the others; its calls say why.
            let _ = self.run(Arc::new(config)).await;
        }
        Ok(())
    }

    async fn run(&self, config: Arc<GroupConfig>) -> Result<(), GroupError> {
        let requests = self.begin(&config).await;
        let begun = requests.as_ref().map(|_| ()).map_err(Clone::clone);
        if let Err(error) = &begun {
            tracing::error!(source = %config.key.source, group = %config.key.group, %error,
                "a persistent subscription cannot be started");
        }
        self.groups.write().insert(config.key.clone(), Running { config, requests });
        begun
    }

    async fn begin(&self, config: &Arc<GroupConfig>) -> Result<mpsc::Sender<Request>, GroupError> {
        if let Some(refusal) = config.filter.as_ref().and_then(Filter::refusal) {
            return Err(GroupError::failed(refusal));
        }
        let (node, key) = (self.node.clone(), config.key.clone());
        let recorded = blocking(move || store::load_state(&node, &key)).await?;
        Ok(Group::start(self.node.clone(), config.clone(), recorded))
    }

    async fn end_all(&self, why: &Dropped) {
        let keys: Vec<_> = self.groups.read().keys().cloned().collect();
        futures::future::join_all(keys.iter().map(|key| self.end(key, why.clone()))).await;
    }

    /// Ends a group. It takes no more requests.
    async fn end(&self, key: &GroupKey, why: Dropped) {
        let group = self.find(key);
        if let Ok(group) = group {
            // An error means that it has ended already.
            let _ = group.ask(|answer| Request::Stop { why, answer }).await;
        }
    }
}

/// Does something to its end, even if nobody waits for it any more: half a change would leave a group without a task.
async fn to_its_end(
    change: impl Future<Output = Result<(), GroupError>> + Send + 'static,
) -> Result<(), GroupError> {
    tokio::spawn(change).await.unwrap_or_else(|_| Err(GroupError::stopped()))
}

/// The names of a group's own streams must be possible.
fn check_names(key: &GroupKey) -> Result<(), GroupError> {
    if key.group.is_empty() || key.source.is_empty() {
        return Err(GroupError::failed("a group needs a stream and a name"));
    }
    let longest = metadata_stream(&checkpoint_stream(&key.source, &key.group)).len();
    if key.group.len() > MAX_GROUP_NAME_BYTES || longest > MAX_STREAM_NAME_BYTES {
        return Err(GroupError::failed("the names of the group and its stream are too long"));
    }
    Ok(())
}

/// Does what blocks where that is allowed.
async fn blocking<T: Send + 'static, E: ToString + Send + 'static>(
    work: impl FnOnce() -> Result<T, E> + Send + 'static,
) -> Result<T, GroupError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done.map_err(GroupError::unavailable),
        Err(_) => Err(GroupError::stopped()),
    }
}
