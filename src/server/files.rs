//! Files that are read again while the server runs: what each shard decides by, and encryption at
//! rest. One that cannot be used is told once, and what was read before stays.

use crate::config::Config;
use crate::seal::Sealer;
use crate::server::authentication::{self, Providers};
use crate::server::authorization::{self, Authorization};
use crate::server::lifecycle::Lifecycle;
use crate::server::sealing;
use crate::server::shard::Control;
use async_channel::Sender;
use std::fs;
use std::sync::Arc;
use std::time::SystemTime;

/// What was read, and when it had been written.
pub(in crate::server) struct Files {
    sealed: Option<SystemTime>,
    authorization: Arc<Authorization>,
    authorized: Option<SystemTime>,
    providers: Providers,
    authenticated: Option<SystemTime>,
    lifecycle: Arc<Lifecycle>,
}

impl Files {
    /// As they are at start.
    pub(in crate::server) fn new(
        config: &Config,
        authorization: Arc<Authorization>,
        providers: Providers,
        lifecycle: Arc<Lifecycle>,
    ) -> Self {
        let (sealed, authorized) = (sealing::written(config), authorization::written(config));
        let authenticated = authentication::written(config);
        let reloads = lifecycle.reloads();
        let encryption = config.store.encryption.as_ref().map(|encryption| &encryption.file);
        for (reload, file) in [
            (&reloads.authentication, config.authentication.config_file.as_ref()),
            (&reloads.authorization, config.authorization.config_file.as_ref()),
            (&reloads.encryption, encryption),
        ] {
            if let Some(data) = file.and_then(|file| fs::read(file).ok()) {
                reload.holds(&data);
            }
        }
        Self { sealed, authorization, authorized, providers, authenticated, lifecycle }
    }

    /// Reads what has changed, and tells the shards.
    pub(in crate::server) fn reload(
        &mut self,
        config: &Config,
        sealer: Option<&Sealer>,
        shards: &[Sender<Control>],
    ) {
        let reloads = self.lifecycle.reloads();
        sealing::reload(config, sealer, &mut self.sealed, &reloads.encryption);
        self.reload_issuers(config, shards);
        let written = authorization::written(config);
        if let Some(path) = &config.authorization.config_file
            && written != self.authorized
        {
            self.authorized = written;
            let read = self.authorization.again(path);
            let data = fs::read(path).unwrap_or_default();
            self.lifecycle.reloads().authorization.read_again(&data, read.is_ok());
            match read {
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

    fn reload_issuers(&mut self, config: &Config, shards: &[Sender<Control>]) {
        let written = authentication::written(config);
        let Some(path) = &config.authentication.config_file else { return };
        if written == self.authenticated {
            return;
        }
        self.authenticated = written;
        let read = self.providers.again(config, path);
        let data = fs::read(path).unwrap_or_default();
        self.lifecycle.reloads().authentication.read_again(&data, read.is_ok());
        match read {
            Ok(issuers) => {
                for shard in shards {
                    shard.force_send(Control::Authenticate(Arc::clone(&issuers))).ok();
                }
                log::info!("the authentication configuration was reloaded");
            }
            Err(line) => log::warn!(
                "the authentication configuration cannot be reloaded, the old one stays: {line}"
            ),
        }
    }
}
