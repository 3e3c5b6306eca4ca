//! Trying again what may have failed for a passing reason, as a store that answers too late.

use super::now;
use super::time::sleep;
use std::fmt::Debug;
use std::time::Duration;

/// Between two tries (`wait.Poll` of upstream's post-start hooks).
const PAUSE: Duration = Duration::from_secs(1);

/// Tries until it succeeds, or fails after `patience`; each failure before is logged as one of
/// `what`.
///
/// # Errors
/// The last failure.
pub async fn again<T, E: Debug>(
    what: &str,
    patience: Duration,
    mut attempt: impl AsyncFnMut() -> Result<T, E>,
) -> Result<T, E> {
    let begun = now();
    loop {
        match attempt().await {
            Err(error) if begun.elapsed() < patience => {
                log::warn!("{what}: {error:?}; trying again");
                sleep(PAUSE.min(patience)).await;
            }
            last => return last,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::again;
    use crate::rt::block_on;
    use std::time::Duration;

    #[test]
    fn what_fails_is_tried_until_it_succeeds_or_patience_ends() {
        let tried = |patience: u64, failures: u32| {
            block_on(async move {
                let mut tries = 0;
                let patience = Duration::from_millis(patience);
                let ended = again("a test", patience, async || {
                    tries += 1;
                    if tries <= failures { Err(tries) } else { Ok(tries) }
                });
                ended.await
            })
        };
        assert_eq!(tried(0, 0), Ok(1));
        assert_eq!(tried(0, 1), Err(1));
        assert_eq!(tried(1_500, 1), Ok(2));
    }
}
