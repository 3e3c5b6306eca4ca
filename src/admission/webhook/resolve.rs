//! Where the services of webhooks and API services are reached.

use crate::admission::Reader;
use crate::client::service_address;

/// Host and port.
pub type Resolved = (String, u16);

/// [`service_address`] of a Service by name.
///
/// # Errors
/// The texts of upstream's default resolver.
pub async fn resolve_service(
    reader: &Reader,
    namespace: &str,
    name: &str,
    port: u16,
) -> Result<Resolved, String> {
    let arena = bumpalo::Bump::new();
    let found = reader.get("", "services", namespace, name, &arena).await;
    let found = found.map_err(|_| format!("service {name:?} cannot be read"))?;
    let service = found.ok_or_else(|| format!("service {name:?} not found"))?;
    service_address(&service, name, port)
}
