//! The flags of requests to other servers: aggregated API servers and kubelets.

use crate::config::model::Outgoing;
use crate::config::parse::{FlagError, Values};

/// `--proxy-client-*` and `--kubelet-*`.
pub(super) fn outgoing(values: &Values) -> Result<Outgoing, FlagError> {
    let pair = |certificate: &'static str, key: &'static str| match (
        values.path(certificate),
        values.path(key),
    ) {
        (Some(certificate), Some(key)) => Ok(Some((certificate, key))),
        (None, None) => Ok(None),
        (Some(_), None) => Err(values.invalid(key, format!("--{certificate} needs it"))),
        (None, Some(_)) => Err(values.invalid(certificate, format!("--{key} needs it"))),
    };
    let port = values.int("kubelet-port");
    Ok(Outgoing {
        proxy_client: pair("proxy-client-cert-file", "proxy-client-key-file")?,
        kubelet_ca_file: values.path("kubelet-certificate-authority"),
        kubelet_client: pair("kubelet-client-certificate", "kubelet-client-key")?,
        kubelet_port: u16::try_from(port)
            .map_err(|_| values.invalid("kubelet-port", "must be a port"))?,
        kubelet_address_types: values.list("kubelet-preferred-address-types"),
    })
}
