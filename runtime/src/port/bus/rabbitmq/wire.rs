//! The socket of a connection, as far as it takes to cut it.

use std::io;
use std::net::{Shutdown, TcpStream};
use std::os::fd::AsFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Holds on to the socket of one connection, to cut it. The client has no way to do that: what it waits for from a dead
/// network it waits for as long as the kernel does, with a thread.
#[derive(Clone, Debug, Default)]
pub(super) struct Wire(Arc<Mutex<State>>);

#[derive(Debug, Default)]
enum State {
    /// There is no socket yet.
    #[default]
    Laid,
    Connected(TcpStream),
    Cut,
}

/// Cuts its wire when it is dropped, unless it is [disarmed](Scissors::disarm).
#[derive(Debug)]
pub(super) struct Scissors(Option<Wire>);

impl Wire {
    /// Takes note of the socket; fails when the wire was cut before there was one.
    pub(super) fn connected(&self, socket: impl AsFd) -> io::Result<()> {
        let socket = TcpStream::from(socket.as_fd().try_clone_to_owned()?);
        let mut state = self.lock();
        match &*state {
            State::Cut => Err(io::ErrorKind::ConnectionAborted.into()),
            State::Laid | State::Connected(_) => {
                *state = State::Connected(socket);
                Ok(())
            }
        }
    }

    /// Nothing comes or goes any more, and the client hears of it.
    pub(super) fn cut(&self) {
        if let State::Connected(socket) = std::mem::replace(&mut *self.lock(), State::Cut) {
            // It fails when the other side was faster.
            let _gone = socket.shutdown(Shutdown::Both);
        }
    }

    /// Cuts it when the result is dropped.
    pub(super) fn scissors(&self) -> Scissors {
        Scissors(Some(self.clone()))
    }

    /// Nothing can panic behind the lock, so a poisoned state is a whole one.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Scissors {
    /// Leaves the wire whole.
    pub(super) fn disarm(mut self) {
        self.0 = None;
    }
}

impl Drop for Scissors {
    fn drop(&mut self) {
        self.0.iter().for_each(Wire::cut);
    }
}
