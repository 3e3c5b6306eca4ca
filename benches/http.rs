//! What one request costs the server below its handlers: TLS, HTTP/2 and the executor, answering
//! 2 KB from memory. One shard on the first core; `h2load` (nghttp2) asks from the second.
//!
//! `cargo bench --bench http [-- CLIENTS STREAMS REQUESTS]`

use kubering::http::Options;
use kubering::http::Response;
use kubering::http::StatusCode;
use kubering::rt;
use kubering::server::listener::Listener;
use kubering::tls;
use std::process::Command;
use std::rc::Rc;
use std::time::Duration;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() {
    let numbers: Vec<u64> = std::env::args().filter_map(|arg| arg.parse().ok()).collect();
    let [clients, streams, requests] = match numbers.as_slice() {
        [clients, streams, requests, ..] => [*clients, *streams, *requests],
        _ => [16, 16, 400_000],
    };
    let address = std::net::TcpListener::bind("127.0.0.1:0")
        .and_then(|listener| listener.local_addr())
        .expect("a free port");
    let (stop_tx, stop_rx) = async_channel::bounded::<()>(1);
    let shards = rt::run_shards(rt::Placement::Pinned, vec![stop_rx], move |_, stop| async move {
        let listener = Rc::new(Listener::new(config(), Options::default(), 10_000));
        let text = bytes::Bytes::from(vec![b'x'; 2_048]);
        let stop = async move { stop.recv().await.unwrap_or_default() };
        let answer = move |_| {
            let text = text.clone();
            async move { Response::json(StatusCode::OK, text) }
        };
        let socket = rt::TcpListener::bind(address).expect("it listens");
        listener.run(socket, stop, answer).await;
    })
    .expect("a shard");
    std::thread::park_timeout(Duration::from_millis(100));
    for _ in 0..3 {
        let before = cpu_seconds();
        let output = Command::new("taskset")
            .args(["-c", "1", "h2load", "-t", "1"])
            .args(["-c", &clients.to_string(), "-m", &streams.to_string()])
            .args(["-n", &requests.to_string(), &format!("https://{address}/")])
            .output()
            .expect("taskset and h2load are installed");
        let spent = cpu_seconds() - before;
        let report = String::from_utf8_lossy(&output.stdout);
        for line in report.lines().filter(|l| l.contains("finished in") || l.contains("succeeded"))
        {
            println!("{line}");
        }
        println!("server CPU: {:.2} us a request", spent * 1e6 / requests as f64);
    }
    stop_tx.send_blocking(()).ok();
    drop(shards.join());
}

fn config() -> tls::Config {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a key");
    let material = tls::Material {
        certificates: made.cert.pem().into_bytes(),
        key: made.signing_key.serialize_pem().into_bytes(),
        ..tls::Material::default()
    };
    tls::Config::new(&material, &tls::Tickets::new().expect("random bytes")).expect("a config")
}

/// User and system time of this process.
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").expect("/proc");
    let fields: Vec<&str> = stat.rsplit(") ").next().unwrap_or_default().split(' ').collect();
    let ticks = |at: usize| fields.get(at).and_then(|t| t.parse::<f64>().ok()).unwrap_or(0.0);
    (ticks(11) + ticks(12)) / 100.0
}
