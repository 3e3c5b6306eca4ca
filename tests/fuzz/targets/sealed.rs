//! What stands in the store: bytes that one of the providers is said to have sealed.

use kubering::seal::{self, Sealer};
use std::sync::LazyLock;

const KEY: &[u8] = b"/registry/secrets/ns/name";
const PREFIXES: [&str; 3] =
    ["k8s:enc:aescbc:v1:k:", "k8s:enc:aesgcm:v1:k:", "k8s:enc:secretbox:v1:k:"];

/// A provider of each kind that needs no plugin, with keys of zeroes.
static SEALER: LazyLock<Sealer> = LazyLock::new(|| {
    let mut config = "apiVersion: apiserver.config.k8s.io/v1\nkind: EncryptionConfiguration\n\
                      resources:\n- resources: [secrets]\n  providers:\n"
        .to_owned();
    let secret = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
    for kind in ["aescbc", "aesgcm", "secretbox"] {
        let keys = format!("{{keys: [{{name: k, secret: '{secret}'}}]}}");
        config.push_str(&format!("  - {kind}: {keys}\n"));
    }
    Sealer::parse(config.as_bytes()).expect("sound")
});

/// Opening never panics, and what opens is sealed and opened again to the same.
pub(crate) fn run(data: &[u8]) {
    let _ = seal::is_sound(data);
    for prefix in PREFIXES {
        let stored = [prefix.as_bytes(), data].concat().into();
        if let Ok(opened) = SEALER.open(KEY, KEY, &stored) {
            let again = SEALER.seal(KEY, KEY, &opened.plain);
            let read = SEALER.open(KEY, KEY, &again).expect("just sealed");
            assert_eq!(read.plain, opened.plain);
        }
    }
}
