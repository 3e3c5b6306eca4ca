//! The reactor: one executor on io_uring per shard. The only module that names glommio.
//!
//! glommio hosts the shard; the tasks, timers and sockets in it are on a ring of the shard's own
//! (`executor`, `ring`). glommio sleeps by way of three rings and a barrier for all threads, ten
//! system calls a wake where this takes three; `benches/wake.rs` shows what that costs.
//!
//! Everything on a shard runs on its one thread: tasks are neither `Send` nor locked, and must
//! neither block nor compute for long without [`yield_now`]. What crosses shards or comes from
//! other threads goes through `async_channel`, whose wakers reach a sleeping executor.

mod again;
mod executor;
mod ring;
mod shards;
pub mod signal;
mod tcp;
mod time;

pub use again::again;
pub use shards::LOCKED_BYTES_PER_SHARD;
pub use shards::Placement;
pub use shards::Shards;
pub use shards::StartError;
pub use shards::block_on;
pub use shards::cores;
pub use shards::probe;
pub use shards::run_shards;
pub use tcp::Liveness;
pub use tcp::TcpListener;
pub use tcp::TcpStream;
pub use time::Elapsed;
pub use time::now;
pub use time::sleep;
pub use time::timeout;

use futures_lite::FutureExt;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::task::Poll;

/// Runs a task on this shard to its end, detached. A panic in it ends the process: a background
/// task that vanished would leave the shard in a state nobody looks after.
pub fn spawn(task: impl Future<Output = ()> + 'static) {
    executor::spawn(async move {
        if AssertUnwindSafe(task).catch_unwind().await.is_err() {
            std::process::abort();
        }
    });
}

/// Runs a task on this shard, detached; a panic (already reported by the panic hook) ends that
/// task alone. For work that belongs to one connection.
pub fn spawn_isolated(task: impl Future<Output = ()> + 'static) {
    executor::spawn(async move {
        let _panicked = AssertUnwindSafe(task).catch_unwind().await;
    });
}

/// Lets the shard's other ready tasks run before this one goes on.
pub async fn yield_now() {
    futures_lite::future::yield_now().await;
}

/// Polls a few futures to their ends; their outputs in the same order.
pub async fn all<F: Future>(futures: Vec<F>) -> Vec<F::Output> {
    let mut waiting: Vec<_> = futures.into_iter().map(|future| Ok(Box::pin(future))).collect();
    std::future::poll_fn(|cx| {
        let mut pending = false;
        for place in &mut waiting {
            let Ok(future) = place else { continue };
            match future.as_mut().poll(cx) {
                Poll::Ready(output) => *place = Err(output),
                Poll::Pending => pending = true,
            }
        }
        if pending { Poll::Pending } else { Poll::Ready(()) }
    })
    .await;
    waiting.into_iter().filter_map(Result::err).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn waker_of_another_thread_wakes_a_sleeping_executor() {
        let (request_tx, request_rx) = async_channel::bounded::<u32>(1);
        let (answer_tx, answer_rx) = async_channel::bounded::<u32>(1);
        let peer = std::thread::spawn(move || {
            while let Ok(n) = request_rx.recv_blocking() {
                // Long enough for the executor to fall asleep in the kernel, sometimes.
                if n % 100 == 0 {
                    std::thread::park_timeout(Duration::from_millis(2));
                }
                if answer_tx.send_blocking(n + 1).is_err() {
                    break;
                }
            }
        });
        let sum = block_on(async move {
            let mut sum = 0u64;
            for n in 0..2_000u32 {
                request_tx.send(n).await.expect("the peer lives");
                let answer = timeout(Duration::from_secs(5), answer_rx.recv()).await;
                sum += u64::from(answer.expect("a wake was lost").expect("the peer lives"));
            }
            sum
        });
        peer.join().expect("no panic");
        assert_eq!(sum, (1..=2_000).sum::<u64>());
    }

    #[test]
    fn executors_wake_each_other_without_losing_wakes() {
        let (left_tx, left_rx) = async_channel::bounded::<u32>(4);
        let (right_tx, right_rx) = async_channel::bounded::<u32>(4);
        let shards = run_shards(
            Placement::Unpinned,
            vec![(left_tx, right_rx, true), (right_tx, left_rx, false)],
            |_, (tx, rx, begins)| async move {
                if begins {
                    tx.send(0).await.expect("open");
                }
                while let Ok(Ok(n)) = timeout(Duration::from_secs(5), rx.recv()).await {
                    if n >= 5_000 {
                        tx.send(n).await.ok();
                        return n;
                    }
                    tx.send(n + 1).await.expect("open");
                }
                0
            },
        )
        .expect("shards start");
        assert!(shards.join().into_iter().all(|n| n.is_some_and(|n| n >= 5_000)));
    }

    #[test]
    fn timeout_ends_what_does_not() {
        block_on(async {
            let waited = timeout(Duration::from_millis(5), std::future::pending::<()>()).await;
            assert_eq!(waited, Err(Elapsed));
            assert_eq!(timeout(Duration::from_secs(5), async { 7 }).await, Ok(7));
        });
    }

    #[test]
    fn panic_of_an_isolated_task_leaves_the_shard_alone() {
        block_on(async {
            spawn_isolated(async { panic!("meant to panic") });
            yield_now().await;
            sleep(Duration::from_millis(1)).await;
        });
    }

    fn listening() -> (TcpListener, std::net::SocketAddr) {
        let any = std::net::SocketAddr::from(([127, 0, 0, 1], 0));
        let listener = TcpListener::bind(any).expect("bind");
        let address = listener.local_address().expect("address");
        (listener, address)
    }

    #[test]
    fn tasks_that_have_not_ended_are_dropped_with_their_shard() {
        struct Dropped(std::sync::mpsc::Sender<&'static str>, &'static str);
        impl Drop for Dropped {
            fn drop(&mut self) {
                self.0.send(self.1).ok();
            }
        }
        let (tx, rx) = std::sync::mpsc::channel();
        let (far_tx, far_rx) = async_channel::bounded::<()>(1);
        block_on(async {
            let never = Dropped(tx.clone(), "never ready");
            spawn(async move {
                std::future::pending::<()>().await;
                drop(never);
            });
            let far = Dropped(tx.clone(), "waits for another thread");
            spawn(async move {
                far_rx.recv().await.ok();
                drop(far);
            });
            let timed = Dropped(tx.clone(), "waits for a timer");
            spawn(async move {
                sleep(Duration::from_secs(3600)).await;
                drop(timed);
            });
            yield_now().await;
        });
        let mut dropped: Vec<_> = rx.try_iter().collect();
        dropped.sort_unstable();
        assert_eq!(dropped, ["never ready", "waits for a timer", "waits for another thread"]);
        assert!(far_tx.send_blocking(()).is_err(), "its receiver is gone");
    }

    #[test]
    fn timers_end_in_the_order_of_their_times() {
        let order = std::rc::Rc::new(std::cell::RefCell::new(Vec::new()));
        block_on(async {
            for milliseconds in [9u64, 3, 6] {
                let order = std::rc::Rc::clone(&order);
                spawn(async move {
                    sleep(Duration::from_millis(milliseconds)).await;
                    order.borrow_mut().push(milliseconds);
                });
            }
            sleep(Duration::from_millis(30)).await;
        });
        assert_eq!(*order.borrow(), [3, 6, 9]);
    }

    #[test]
    fn a_full_socket_takes_the_rest_when_its_reader_goes_on() {
        const BYTES: usize = 16 << 20;
        block_on(async {
            let (listener, address) = listening();
            let client = std::thread::spawn(move || {
                use std::io::Read;
                let mut stream = std::net::TcpStream::connect(address).expect("connect");
                std::thread::park_timeout(Duration::from_millis(20));
                let mut all = Vec::new();
                stream.read_to_end(&mut all).expect("read");
                all
            });
            let mut stream = listener.accept().await.expect("accept");
            let sent: Vec<u8> = (0..BYTES).map(|n| n.to_le_bytes()[n % 3]).collect();
            stream.write_all(&sent).await.expect("write");
            drop(stream);
            assert!(client.join().expect("client") == sent, "what came is what was sent");
        });
    }

    #[test]
    fn sockets_are_served_while_another_thread_wakes_the_shard_without_pause() {
        use std::io::Read;
        use std::io::Write;
        let (wakes_tx, wakes_rx) = async_channel::bounded::<()>(1);
        let waking = std::thread::spawn(move || while wakes_tx.send_blocking(()).is_ok() {});
        block_on(async move {
            spawn(async move { while wakes_rx.recv().await.is_ok() {} });
            let (listener, address) = listening();
            let client = std::thread::spawn(move || {
                let mut stream = std::net::TcpStream::connect(address).expect("connect");
                for _ in 0..200 {
                    stream.write_all(b"ping").expect("write");
                    stream.read_exact(&mut [0; 4]).expect("read");
                }
            });
            let serve = async {
                let mut stream = listener.accept().await.expect("accept");
                let mut bytes = [0; 4];
                while let Ok(4) = stream.read(&mut bytes).await {
                    stream.write_all(&bytes).await.expect("write");
                }
            };
            timeout(Duration::from_secs(20), serve).await.expect("no request starves");
            client.join().expect("client");
        });
        waking.join().expect("no panic");
    }

    #[test]
    fn a_dropped_stream_is_closed_though_a_read_waits() {
        block_on(async {
            let (listener, address) = listening();
            let mut near = TcpStream::connect(address).await.expect("connect");
            let mut far = listener.accept().await.expect("accept");
            let waited = timeout(Duration::from_millis(5), near.read(&mut [0; 8])).await;
            assert_eq!(waited.map_err(|_| "nothing came").map(drop), Err("nothing came"));
            drop(near);
            let end = timeout(Duration::from_secs(5), far.read(&mut [0; 8])).await;
            assert_eq!(end.expect("it is told").expect("no fault"), 0);
        });
    }

    #[test]
    fn tcp_streams_carry_bytes_both_ways() {
        block_on(async {
            let (listener, address) = listening();
            let client = std::thread::spawn(move || {
                use std::io::Read;
                use std::io::Write;
                let mut stream = std::net::TcpStream::connect(address).expect("connect");
                stream.write_all(b"ping").expect("write");
                let mut answer = [0; 4];
                stream.read_exact(&mut answer).expect("read");
                answer
            });
            let mut stream = listener.accept().await.expect("accept");
            let mut request = [0; 16];
            let read = stream.read(&mut request).await.expect("read");
            assert_eq!(&request[..read], b"ping");
            stream.write_all(b"pong").await.expect("write");
            assert_eq!(&client.join().expect("client"), b"pong");
        });
    }
}
