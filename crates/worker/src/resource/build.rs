//! The resources of an app, as its configuration says.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::http::{AllowPrivateError, Http};
use super::kv::{Kv, OpenError, Stores};
use super::{Files, Fired, Js, Logging, Metrics, Outbound, Resource, Resources};
use crate::config::{App, ResourceConfig};

/// What the resources of all apps of a worker have in common: connections, open files, counters. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct Shared {
    /// Stores of keys and values, each opened once.
    pub stores: Stores,
    /// What apps have fired.
    pub fired: Fired,
}

/// Why an app has no resources.
#[derive(Debug, thiserror::Error)]
#[error("resource `{name}` of app `{app}`: {source}")]
pub struct ResourceError {
    /// The app.
    pub app: String,
    /// The resource.
    pub name: String,
    /// What is wrong with it.
    pub source: ResourceProblem,
}

/// What is wrong with a resource.
#[derive(Debug, thiserror::Error)]
pub enum ResourceProblem {
    /// Its store of keys and values.
    #[error(transparent)]
    Store(#[from] OpenError),
    /// What its `http` may reach.
    #[error(transparent)]
    AllowPrivate(#[from] AllowPrivateError),
}

impl Resources {
    /// Those of an app. A Redis that does not answer is no error: it is asked again when it is needed.
    ///
    /// # Errors
    /// A store cannot be opened, or an entry of `allow_private` is none.
    pub async fn open(app: &App, shared: &Shared) -> Result<Self, ResourceError> {
        let mut by_name: BTreeMap<String, Arc<dyn Resource>> = BTreeMap::new();
        for (name, config) in &app.resources {
            let resource = open(app, config, shared).await.map_err(|source| ResourceError {
                app: app.name.clone(),
                name: name.clone(),
                source,
            })?;
            by_name.insert(name.clone(), resource);
        }
        Ok(Self::new(by_name))
    }
}

async fn open(app: &App, config: &ResourceConfig, shared: &Shared) -> Result<Arc<dyn Resource>, ResourceProblem> {
    Ok(match config {
        ResourceConfig::Js => Arc::new(Js),
        ResourceConfig::Kv { store, hard, soft } => Arc::new(Kv::new(shared.stores.open(store).await?, *hard, *soft)),
        ResourceConfig::Http { timeout, data_limit, allow_private } => {
            Arc::new(Http::new(*timeout, *data_limit, allow_private)?)
        }
        ResourceConfig::Log => Arc::new(Logging),
        ResourceConfig::Outbound { allowed_helper_metadata, endpoints } => Arc::new(Outbound::new(
            allowed_helper_metadata.iter().cloned(),
            endpoints.iter().cloned(),
            app.send_to.clone(),
        )),
        ResourceConfig::Metrics { prefix } => {
            Arc::new(Metrics::new(prefix.clone(), app.name.clone(), shared.fired.clone()))
        }
        ResourceConfig::Config { keys } => Arc::new(Files::new(keys.clone())),
    })
}
