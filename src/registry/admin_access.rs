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
    /// The errors of a new or changed claim or claim template that asks for admin access; `None`
    /// where nothing is to be asked.
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
        let steps: &[&str] = match at.resource.name {
            "resourceclaims" => &["spec", "devices", "requests"],
            "resourceclaimtemplates" => &["spec", "spec", "devices", "requests"],
            _ => return Ok(()),
        };
        if old.is_some() || !object.list_at(steps).iter().any(asks) {
            return Ok(());
        }
        let Some(storage) = catalog().storage("namespaces") else { return Ok(()) };
        let arena = Bump::new();
        if let Some(entry) = self.read(storage, "", meta::namespace(object)).await? {
            let namespace = stored::decode(storage, &entry, &arena)?;
            if namespace.str_at(&["metadata", "labels", LABEL]) == "true" {
                return Ok(());
            }
        }
        let text = steps.join(".");
        let path = Path::root(&text);
        let detail = "admin access to devices requires the `resource.kubernetes.io/admin-access: \
                      true` label on the containing namespace";
        for (index, request) in object.list_at(steps).iter().enumerate() {
            let at = path.index(index);
            if request.bool_at(&["exactly", "adminAccess"]) {
                errors.forbidden(&at.child("adminAccess"), detail);
            }
            let at = at.child("firstAvailable");
            for (index, one) in request.items("firstAvailable").iter().enumerate() {
                if one.flag("adminAccess") {
                    errors.forbidden(&at.index(index).child("adminAccess"), detail);
                }
            }
        }
        Ok(())
    }
}

fn asks(request: &Value<'_>) -> bool {
    request.bool_at(&["exactly", "adminAccess"])
        || request.items("firstAvailable").iter().any(|one| one.flag("adminAccess"))
}
