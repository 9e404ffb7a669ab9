//! Places where a test can make the file system fail.

use std::io;
#[cfg(test)]
use std::sync::Arc;

/// What is about to be done to the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DiskOperation {
    /// Making the next segment file.
    Allocate,
    /// Writing a group of batches.
    Write,
    /// Syncing a group of batches.
    Sync,
    /// Moving entries to the index on disk.
    Index,
}

#[cfg(test)]
type Plan = Arc<dyn Fn(DiskOperation) -> io::Result<()> + Send + Sync>;

/// Asked before each disk operation. Outside of tests it always agrees.
#[derive(Clone, Default)]
pub(crate) struct Faults {
    #[cfg(test)]
    plan: Option<Plan>,
}

impl Faults {
    #[cfg(test)]
    pub(crate) fn plan(plan: impl Fn(DiskOperation) -> io::Result<()> + Send + Sync + 'static) -> Self {
        Self { plan: Some(Arc::new(plan)) }
    }

    /// Fails if a test wants this operation to fail.
    #[cfg_attr(not(test), allow(clippy::unused_self, clippy::unnecessary_wraps))]
    pub(crate) fn check(&self, operation: DiskOperation) -> io::Result<()> {
        #[cfg(test)]
        if let Some(plan) = &self.plan {
            return plan(operation);
        }
        let _ = operation;
        Ok(())
    }
}

impl std::fmt::Debug for Faults {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Faults")
    }
}
