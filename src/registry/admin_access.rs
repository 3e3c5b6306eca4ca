//! Claims that ask for devices as an administrator: only in namespaces that are labelled for it
//! (`dynamic-resource-allocation AuthorizedForAdmin`).

use super::store::{Admit, Registry};
use super::validation::{Errors, Report as _};
use super::{meta, stored};
use crate::catalog::catalog;
use crate::object::Value;
use crate::object::field::Path;
use crate::registry::read::Read as _;
use crate::request::{Attributes, Result};
use bumpalo::Bump;

const LABEL: &str = "resource.kubernetes.io/admin-access";

impl<A: Admit> Registry<A> {
    /// Adds the error of a new claim or claim template that asks for admin access, or of a claim's
    /// new status that grants it, before those that are there.
    ///
    /// # Errors
    /// 500 if the namespace cannot be read.
    pub(super) async fn check_admin_access(
        &self,
        at: &Attributes<'_>,
        object: &Value<'_>,
        old: Option<&Value<'_>>,
        errors: &mut Errors,
    ) -> Result<()> {
        const RESULTS: [&str; 4] = ["status", "allocation", "devices", "results"];
        // Upstream names a template's requests as it does a claim's.
        const REQUESTS: &str = "spec.devices.requests";
        let (steps, shown): (&[&str], _) = match (at.resource.name, old) {
            ("resourceclaims", None) => (&["spec", "devices", "requests"], REQUESTS),
            ("resourceclaimtemplates", None) => {
                (&["spec", "spec", "devices", "requests"], REQUESTS)
            }
            ("resourceclaims", Some(old)) if at.subresource == "status" => {
                if old.list_at(&RESULTS).iter().any(asks) {
                    return Ok(());
                }
                (&RESULTS, "status.allocation.devices.results")
            }
            _ => return Ok(()),
        };
        let Some(index) = object.list_at(steps).iter().position(asks) else { return Ok(()) };
        let Some(storage) = catalog().storage("namespaces") else { return Ok(()) };
        let arena = Bump::new();
        if let Some(entry) = self.read(storage, "", meta::namespace(object)).await? {
            let namespace = stored::decode(storage, &entry, &arena)?;
            if namespace.str_at(&["metadata", "labels", LABEL]) == "true" {
                return Ok(());
            }
        }
        let detail = "admin access to devices requires the `resource.kubernetes.io/admin-access: \
                      true` label on the containing namespace";
        let path = Path::root(shown);
        let mut found = Errors::new();
        found.forbidden(&path.index(index).child("adminAccess"), detail);
        errors.splice(0..0, found);
        Ok(())
    }
}

/// True of a request or of a result with admin access; alternatives cannot ask for it.
fn asks(one: &Value<'_>) -> bool {
    one.bool_at(&["exactly", "adminAccess"]) || one.flag("adminAccess")
}
