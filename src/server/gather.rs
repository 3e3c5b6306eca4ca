//! Asks every shard the same.

use crate::rt;
use crate::server::shard::{Control, Shard};
use std::time::Duration;

/// A shard that does not answer in this time is left out, so that one stuck shard can be seen.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(2);

/// What `ask` finds on each shard, in the order of their numbers.
pub(in crate::server) async fn gather<T: Send + 'static>(
    shard: &Shard,
    ask: impl Fn(&Shard) -> T + Clone + Send + 'static,
) -> Vec<T> {
    let (answer_tx, answers) = async_channel::bounded(shard.peers.len().max(1));
    let mut asked = 0;
    for (id, peer) in shard.peers.iter().enumerate() {
        let (ask, answer_tx) = (ask.clone(), answer_tx.clone());
        let question = Control::Ask(Box::new(move |shard: &Shard| {
            // Whoever asked may have gone.
            answer_tx.try_send((id, ask(shard))).ok();
        }));
        if id != shard.id && peer.try_send(question).is_ok() {
            asked += 1;
        }
    }
    let mut all = vec![(shard.id, ask(shard))];
    let answered = async {
        for _ in 0..asked {
            let Ok(answer) = answers.recv().await else { break };
            all.push(answer);
        }
    };
    rt::timeout(ANSWER_TIMEOUT, answered).await.ok();
    all.sort_by_key(|(id, _)| *id);
    all.into_iter().map(|(_, answer)| answer).collect()
}
