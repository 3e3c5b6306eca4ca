//! Signals, brought to the thread that runs the server.

use signal_hook::consts::SIGHUP;
use signal_hook::consts::SIGINT;
use signal_hook::consts::SIGTERM;
use signal_hook::iterator::Signals;
use std::io;
use std::sync::mpsc::Receiver;
use std::sync::mpsc::sync_channel;

/// What a signal asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// SIGHUP: read certificates again.
    Reload,
    /// SIGTERM or SIGINT: drain and stop.
    Stop,
}

/// Starts the thread that waits for signals. The second Stop ends the process at once, with the
/// exit code a shell gives for the signal.
///
/// # Errors
/// The system's, when a handler cannot be set.
pub fn listen() -> io::Result<Receiver<Signal>> {
    let mut signals = Signals::new([SIGHUP, SIGINT, SIGTERM])?;
    let (tx, rx) = sync_channel(16);
    std::thread::Builder::new().name("signals".to_owned()).spawn(move || {
        let mut stopping = false;
        for number in signals.forever() {
            let signal = if number == SIGHUP { Signal::Reload } else { Signal::Stop };
            if signal == Signal::Stop && std::mem::replace(&mut stopping, true) {
                std::process::exit(128 + number);
            }
            // Full: as many are already waiting to be seen.
            tx.try_send(signal).ok();
        }
    })?;
    Ok(rx)
}
