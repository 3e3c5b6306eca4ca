//! The configuration of encryption at rest: read at start, and again when it changes.

use crate::base::limits::KMS_START_SECONDS_MAX;
use crate::config::Config;
use crate::seal::Sealer;
use crate::server::pki;
use crate::server::reloads::Reload;
use std::fs;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

/// How often a plugin is looked at that is waited for.
const POLL: Duration = Duration::from_millis(100);

/// `--encryption-provider-config`, if it is given.
///
/// # Errors
/// The line for the operator.
pub(in crate::server) fn read(config: &Config) -> Result<Option<Arc<Sealer>>, String> {
    let Some(encryption) = &config.store.encryption else { return Ok(None) };
    let source = pki::read("encryption-provider-config", &encryption.file)?;
    let sealer = Sealer::parse(&source);
    let sealer = sealer.map_err(|error| format!("--encryption-provider-config: {error}"))?;
    wait(&sealer)?;
    Ok(Some(Arc::new(sealer)))
}

/// Waits for plugins that keep keys: without them nothing could be read.
fn wait(sealer: &Sealer) -> Result<(), String> {
    let begun = Instant::now();
    while let Err(why) = sealer.health() {
        if begun.elapsed() > Duration::from_secs(KMS_START_SECONDS_MAX) {
            return Err(format!("--encryption-provider-config: {why}"));
        }
        std::thread::park_timeout(POLL);
    }
    Ok(())
}

/// Takes over a configuration that has changed since `stamp`. One that cannot be used is told, and
/// the one in use stays.
pub(in crate::server) fn reload(
    config: &Config,
    sealer: Option<&Sealer>,
    stamp: &mut Option<SystemTime>,
    figures: &Reload,
) {
    let (Some(encryption), Some(sealer)) = (&config.store.encryption, sealer) else { return };
    let written = written(config);
    if !encryption.reload || written == *stamp {
        return;
    }
    *stamp = written;
    let source = pki::read("encryption-provider-config", &encryption.file);
    let data = source.clone().unwrap_or_default();
    let taken = source.and_then(|source| sealer.replace(&source).map_err(|e| e.to_string()));
    figures.read_again(&data, taken.is_ok());
    match taken {
        Ok(()) => {
            log::info!("the encryption configuration was reloaded");
        }
        Err(line) => {
            log::warn!(
                "the encryption configuration cannot be reloaded, the old one stays: {line}"
            );
        }
    }
}

/// When the configuration was last written.
pub(in crate::server) fn written(config: &Config) -> Option<SystemTime> {
    let file = &config.store.encryption.as_ref()?.file;
    fs::metadata(file).and_then(|data| data.modified()).ok()
}
