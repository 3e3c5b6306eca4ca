//! What the server looks after while it runs: objects of its own that must not go, and the status
//! of objects that only it can tell. One shard does it, through [`Own`](super::own::Own) writes.

mod api_services;
mod availability;
mod endpoints;
mod flow;
mod legacy_tokens;
mod objects;

pub(in crate::server) use legacy_tokens::keep as keep_legacy_tokens;
pub(in crate::server) use objects::server_id;

use crate::request::Result;
use crate::rt;
use crate::server::shard::Shard;
use std::pin::Pin;
use std::rc::Rc;
use std::time::Duration;

/// How long a server that stops waits to say so.
const END_PATIENCE: Duration = Duration::from_secs(2);

/// Starts the keepers; they run as long as the shard.
pub(in crate::server) fn start(shard: &Rc<Shard>) {
    rt::spawn(flow::keep_objects(Rc::clone(shard)));
    rt::spawn(flow::keep_conditions(Rc::clone(shard)));
    rt::spawn(api_services::keep_custom(Rc::clone(shard)));
    rt::spawn(availability::keep(Rc::clone(shard)));
    rt::spawn(objects::keep(Rc::clone(shard)));
}

/// Takes back what says that this server serves; what the store does not take in time expires.
pub(in crate::server) async fn end(shard: &Shard) {
    match rt::timeout(END_PATIENCE, Box::pin(objects::end(shard))).await {
        Ok(Ok(())) => {}
        Ok(Err(fault)) => log::warn!("the server's own objects stay behind: {fault:?}"),
        Err(_) => log::warn!("the server's own objects stay behind: the store does not answer"),
    }
}

/// Writes what must be there before the server serves.
///
/// # Errors
/// The first write that fails.
pub(in crate::server) async fn write_first(shard: &Shard) -> Result<()> {
    let writes: Vec<Pin<Box<dyn Future<Output = Result<()>> + '_>>> = vec![
        Box::pin(flow::ensure(shard)),
        Box::pin(api_services::ensure(shard)),
        Box::pin(objects::ensure(shard)),
        Box::pin(endpoints::serve(shard)),
    ];
    rt::all(writes).await.into_iter().collect()
}
