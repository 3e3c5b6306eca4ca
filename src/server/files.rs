//! Files that are read again while the server runs: what each shard decides by, and encryption at
//! rest. One that cannot be used is told once, and what was read before stays.

use crate::config::Config;
use crate::seal::Sealer;
use crate::server::authorization::{self, Authorization};
use crate::server::sealing;
use crate::server::shard::Control;
use async_channel::Sender;
use std::sync::Arc;
use std::time::SystemTime;

/// What was read, and when it had been written.
pub(in crate::server) struct Files {
    sealed: Option<SystemTime>,
    authorization: Arc<Authorization>,
    authorized: Option<SystemTime>,
}

impl Files {
    /// As they are at start.
    pub(in crate::server) fn new(config: &Config, authorization: Arc<Authorization>) -> Self {
        let (sealed, authorized) = (sealing::written(config), authorization::written(config));
        Self { sealed, authorization, authorized }
    }

    /// Reads what has changed, and tells the shards.
    pub(in crate::server) fn reload(
        &mut self,
        config: &Config,
        sealer: Option<&Sealer>,
        shards: &[Sender<Control>],
    ) {
        sealing::reload(config, sealer, &mut self.sealed);
        let written = authorization::written(config);
        if let Some(path) = &config.authorization.config_file
            && written != self.authorized
        {
            self.authorized = written;
            match self.authorization.again(path) {
                Ok(read) => {
                    self.authorization = Arc::new(read);
                    for shard in shards {
                        // A full queue loses its oldest: a scrape that nobody waits for.
                        let read = Arc::clone(&self.authorization);
                        shard.force_send(Control::Authorize(read)).ok();
                    }
                    log::info!("the authorization configuration was reloaded");
                }
                Err(line) => {
                    log::warn!(
                        "the authorization configuration cannot be reloaded, the old one stays: \
                         {line}"
                    );
                }
            }
        }
    }
}
