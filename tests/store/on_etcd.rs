//! The bed on a real etcd, and a way to it that can be cut.

use crate::bed::Bed;
use crate::bed::Plain;
use crate::etcd::Etcd;
use kubering::store::Handle;
use kubering::store::Opened;
use kubering::store::Options;
use kubering::store::etcd;
use kubering::store::etcd::Servers;
use std::io::Read;
use std::io::Write;
use std::net::Shutdown;
use std::net::TcpListener;
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;
use std::sync::mpsc;
use std::time::Duration;

/// An etcd of one member that goes away with it.
pub(crate) struct OnEtcd {
    pub(crate) cluster: Etcd,
}

impl OnEtcd {
    /// `None` where there is no etcd.
    pub(crate) fn new() -> Option<Self> {
        crate::etcd::is_there().then(|| Self { cluster: Etcd::single() })
    }

    /// How it is used: keys are taken as they are.
    pub(crate) fn servers(&self) -> Servers {
        Servers {
            endpoints: self.cluster.urls().split(',').map(str::to_owned).collect(),
            ca_file: None,
            certificate_file: None,
            key_file: None,
            prefix: String::new(),
            only: Vec::new(),
            except: Vec::new(),
            compaction_interval: Duration::ZERO,
            lease_reuse_seconds: 60,
            db_poll_interval: Duration::ZERO,
            start_patience: Duration::from_secs(10),
            core: None,
        }
    }
}

impl Bed for OnEtcd {
    fn open(&self, options: &Options) -> (Opened<Plain>, Handle) {
        etcd::open(&self.servers(), options, &mut |_| ()).expect("opens")
    }
}

/// Passes connections on to an etcd member, until it is cut.
pub(crate) struct Way {
    port: u16,
    cut: Arc<AtomicBool>,
    ends: mpsc::Receiver<TcpStream>,
}

impl Way {
    pub(crate) fn to(url: &str) -> Self {
        let target = url.trim_start_matches("http://").to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("an address").port();
        let cut = Arc::new(AtomicBool::new(false));
        let (told, ends) = mpsc::channel();
        let is_cut = cut.clone();
        std::thread::spawn(move || {
            for near in listener.incoming().flatten() {
                if is_cut.load(Ordering::SeqCst) {
                    continue;
                }
                let Ok(far) = TcpStream::connect(&target) else { continue };
                let both = |socket: &TcpStream| socket.try_clone().expect("a second handle");
                told.send(both(&near)).ok();
                told.send(both(&far)).ok();
                let (near_too, far_too) = (both(&near), both(&far));
                std::thread::spawn(move || copy(near, far_too));
                std::thread::spawn(move || copy(far, near_too));
            }
        });
        Self { port, cut, ends }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Ends all connections and lets none through.
    pub(crate) fn cut(&self) {
        self.cut.store(true, Ordering::SeqCst);
        while let Ok(end) = self.ends.try_recv() {
            end.shutdown(Shutdown::Both).ok();
        }
    }

    /// Lets connections through again.
    pub(crate) fn mend(&self) {
        self.cut.store(false, Ordering::SeqCst);
    }
}

fn copy(mut from: TcpStream, mut to: TcpStream) {
    let mut buffer = [0; 16 * 1024];
    while let Ok(read @ 1..) = from.read(&mut buffer) {
        if to.write_all(&buffer[..read]).is_err() {
            break;
        }
    }
    to.shutdown(Shutdown::Both).ok();
}
