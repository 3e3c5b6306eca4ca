//! What a request that comes alone costs a shard: it sleeps, is woken by the socket, answers and
//! sleeps again. Echo of 60 bytes over TCP every millisecond, by `rt` and by glommio itself, in
//! turns; CPU of the answering thread as the scheduler accounts it.
//!
//! `cargo bench --bench wake [-- ROUNDS]`

use futures_lite::AsyncReadExt;
use futures_lite::AsyncWriteExt;
use kubering::rt;
use std::io::Read;
use std::io::Write;
use std::net::SocketAddr;
use std::net::TcpStream;
use std::sync::mpsc::Sender;
use std::sync::mpsc::channel;
use std::time::Duration;
use std::time::Instant;

const REQUESTS: u32 = 1_000;
const PAUSE: Duration = Duration::from_millis(1);

fn main() {
    let rounds = std::env::args().skip(1).find_map(|text| text.parse().ok()).unwrap_or(5);
    let mut servers = [
        Server::start("glommio", |started| glommio_echo(&started)),
        Server::start("rt", |started| rt_echo(&started)),
    ];
    println!("{:>8} {:>16} {:>16}", "", "us CPU a wake", "us to the answer");
    for _ in 0..rounds {
        for server in &mut servers {
            let (cpu, latency) = server.round();
            println!("{:>8} {cpu:>16.1} {latency:>16.1}", server.name);
        }
    }
}

/// Where a server listens and the file with the CPU time of its thread.
type Started = (SocketAddr, String);

struct Server {
    name: &'static str,
    account: String,
    stream: TcpStream,
}

impl Server {
    fn start(name: &'static str, serve: fn(Sender<Started>)) -> Self {
        let (started_tx, started_rx) = channel();
        std::thread::spawn(move || serve(started_tx));
        let (address, account) = started_rx.recv().expect("the server starts");
        let stream = TcpStream::connect(address).expect("it listens");
        stream.set_nodelay(true).expect("a socket option");
        Self { name, account, stream }
    }

    /// Microseconds of the server's CPU for each request, and until the median answer.
    fn round(&mut self) -> (f64, f64) {
        let before = self.cpu_nanoseconds();
        let mut latencies = Vec::new();
        for _ in 0..REQUESTS {
            let start = Instant::now();
            let mut bytes = [b'x'; 60];
            self.stream.write_all(&bytes).expect("it is open");
            self.stream.read_exact(&mut bytes).expect("it answers");
            latencies.push(start.elapsed());
            std::thread::park_timeout(PAUSE);
        }
        latencies.sort();
        let cpu = (self.cpu_nanoseconds() - before) / f64::from(REQUESTS) / 1e3;
        (cpu, latencies[latencies.len() / 2].as_secs_f64() * 1e6)
    }

    fn cpu_nanoseconds(&self) -> f64 {
        let text = std::fs::read_to_string(&self.account).expect("Linux with schedstats");
        text.split(' ').next().and_then(|word| word.parse().ok()).expect("a number")
    }
}

fn account() -> String {
    let thread = rustix::thread::gettid();
    format!("/proc/self/task/{}/schedstat", thread.as_raw_nonzero())
}

fn glommio_echo(started: &Sender<Started>) {
    let executor = glommio::LocalExecutorBuilder::new(glommio::Placement::Unbound);
    executor.make().expect("an executor").run(async {
        let listener = glommio::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        started.send((address, account())).expect("awaited");
        let mut stream = listener.accept().await.expect("a client");
        stream.set_nodelay(true).expect("a socket option");
        let mut bytes = [0; 4096];
        while let Ok(length @ 1..) = stream.read(&mut bytes).await {
            stream.write_all(&bytes[..length]).await.expect("it is open");
        }
    });
}

fn rt_echo(started: &Sender<Started>) {
    rt::block_on(async {
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let listener = rt::TcpListener::bind(any).expect("a port");
        let address = listener.local_address().expect("an address");
        started.send((address, account())).expect("awaited");
        let mut stream = listener.accept().await.expect("a client");
        let mut bytes = [0; 4096];
        while let Ok(length @ 1..) = stream.read(&mut bytes).await {
            stream.write_all(&bytes[..length]).await.expect("it is open");
        }
    });
}
