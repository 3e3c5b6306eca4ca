//! The admission chain that flags and the AdmissionConfiguration ask for.

use crate::admission::webhook::Webhooks;
use crate::admission::{Chain, Plugins, Reader, Seconds, Settings};
use crate::api::admit::{self, Bridge};
use crate::authz::Authorizer;
use crate::cache::Cache;
use crate::client::Client;
use crate::config::Config;
use crate::metrics::Recorder;
use crate::registry::validation::scheduling;
use std::rc::Rc;
use std::sync::Arc;

/// The admission plugins that the flags ask for.
fn plugins(config: &Config) -> Result<Plugins, String> {
    let admission = &config.admission;
    Plugins::chosen(&admission.enabled, &admission.disabled).map_err(|error| format!("--{error}"))
}

/// What `--admission-control-config-file` tells the plugins; the same for all shards.
///
/// # Errors
/// The line for the operator.
pub(in crate::server) fn settings(config: &Config) -> Result<Settings, String> {
    let file = config.admission.config_file.as_deref();
    let settings = Settings::read(file, plugins(config)?, |list, path, errors| {
        scheduling::tolerations(list, path, errors);
    });
    settings.map_err(|why| format!("failed to apply admission: {why}"))
}

/// The admission chain that the flags ask for.
///
/// # Errors
/// The line for the operator.
pub(in crate::server) fn chain(
    config: &Config,
    (cache, metrics): (&Cache, &Rc<Recorder>),
    authorizer: &Authorizer,
    (client, settings): (Client, Arc<Settings>),
) -> Result<Chain, String> {
    let admission = &config.admission;
    let plugins = plugins(config)?;
    let tolerated = Seconds {
        not_ready: admission.not_ready_toleration_seconds,
        unreachable: admission.unreachable_toleration_seconds,
    };
    let authority = Rc::new(Bridge(authorizer.clone()));
    let conversion = Rc::new(admit::Conversion);
    let webhooks = {
        let (authority, settings) = (authority.clone(), Arc::clone(&settings));
        Webhooks::new(client, conversion, authority, settings, Rc::clone(metrics))
    };
    let reader = Reader::new(cache.clone());
    Ok(Chain::new(reader, authority, plugins, (tolerated, settings), webhooks, Rc::clone(metrics)))
}
