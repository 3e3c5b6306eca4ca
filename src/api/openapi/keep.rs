//! Keeps what was built from the custom resources of one moment, and has it built anew when they
//! have changed.

use crate::api::openapi::custom;
use crate::catalog::Resource;
use crate::catalog::custom::served;
use arc_swap::ArcSwapOption;
use async_channel::Receiver;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::thread;

/// The custom resources that documents are about, by the name of their document.
pub(super) type Published = BTreeMap<String, Vec<&'static Resource>>;

/// What is built.
pub(super) trait Product: Send + Sync + Sized + 'static {
    /// Builds it; `before` is what was built last.
    fn build(published: &Published, before: Option<&Self>) -> Self;
}

/// The product of the process. Never more than one thread builds for one state.
#[derive(Debug)]
pub(super) struct Kept<T> {
    built: ArcSwapOption<Built<T>>,
    under_way: ArcSwapOption<UnderWay>,
}

#[derive(Debug)]
struct Built<T> {
    /// Number of the snapshot it is true for.
    number: u64,
    published: Published,
    product: Arc<T>,
}

#[derive(Debug)]
struct UnderWay {
    number: u64,
    /// Closes when the build ends, however it does.
    done: Receiver<()>,
}

impl<T: Product> Kept<T> {
    pub(super) const fn new() -> Self {
        Self { built: ArcSwapOption::const_empty(), under_way: ArcSwapOption::const_empty() }
    }

    /// The product of what is served now. A build takes up to a tenth of a second of a thread that
    /// is no shard; all who ask meanwhile wait for the same one.
    pub(super) async fn get(&'static self) -> Arc<T> {
        let number = served().number;
        if let Some(built) = self.current(number) {
            return built;
        }
        let _ = self.join(number).recv().await;
        match self.current(number) {
            Some(built) => built,
            // There was no thread to be had.
            None => self.renew(),
        }
    }

    fn current(&self, number: u64) -> Option<Arc<T>> {
        let built = self.built.load_full()?;
        (built.number >= number).then(|| Arc::clone(&built.product))
    }

    /// The build for this state, begun if nobody has.
    fn join(&'static self, number: u64) -> Receiver<()> {
        let before = self.under_way.load_full();
        if let Some(under_way) = before.as_ref().filter(|known| known.number >= number) {
            return under_way.done.clone();
        }
        let (sender, done) = async_channel::bounded(1);
        let own = Some(Arc::new(UnderWay { number, done: done.clone() }));
        let found = self.under_way.compare_and_swap(&before, own);
        let first = match (&*found, &before) {
            (Some(found), Some(before)) => Arc::ptr_eq(found, before),
            (None, None) => true,
            (Some(_), None) | (None, Some(_)) => false,
        };
        if !first {
            return self.under_way.load().as_ref().map_or(done, |known| known.done.clone());
        }
        let builder = thread::Builder::new().name("openapi".to_owned());
        let started = builder.spawn(move || {
            self.renew();
            drop(sender);
        });
        drop(started);
        done
    }

    /// Builds for what is served now, unless that is what was built last.
    fn renew(&self) -> Arc<T> {
        let served = served();
        let published = custom::published(&served);
        let before = self.built.load_full();
        let same = before.as_ref().filter(|before| is_same(&before.published, &published));
        let product = match same {
            Some(before) => Arc::clone(&before.product),
            None => {
                let product = before.as_ref().map(|before| &*before.product);
                Arc::new(T::build(&published, product))
            }
        };
        let built = Built { number: served.number, published, product: Arc::clone(&product) };
        let built = Arc::new(built);
        self.built.rcu(|known| match known {
            Some(known) if known.number > built.number => Some(Arc::clone(known)),
            _ => Some(Arc::clone(&built)),
        });
        product
    }
}

fn is_same(a: &Published, b: &Published) -> bool {
    let mut pairs = a.iter().zip(b);
    a.len() == b.len() && pairs.all(|((a, rows), (b, others))| a == b && same_rows(rows, others))
}

/// True if they are the same: rows with one address have one content.
pub(super) fn same_rows(a: &[&'static Resource], b: &[&'static Resource]) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| std::ptr::eq(*a, *b))
}
