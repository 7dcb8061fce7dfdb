//! Connecting to one of several addresses: happy eyeballs.

use std::fmt;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use loop_tasks::{Sleep, sleep};

use crate::{TcpOptions, TcpStream};

/// None of the addresses could be connected to.
///
/// It is inside the [`io::Error`] of whoever tried; its kind is theirs if they agree.
///
/// # asyncio
/// With `all_errors`, an `ExceptionGroup`.
///
/// # Examples
/// ```
/// use loop_core::EventLoop;
/// use loop_net::{ConnectErrors, open_connection};
/// use loop_tasks::LoopExt;
/// # let port = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
/// let event_loop = EventLoop::new()?;
/// let error = event_loop.run_until_complete(async move {
///     open_connection("127.0.0.1", port).await.unwrap_err() // nobody listens
/// })?;
/// assert_eq!(error.kind(), std::io::ErrorKind::ConnectionRefused);
/// let errors: &ConnectErrors = error.get_ref().unwrap().downcast_ref().unwrap();
/// assert_eq!(errors.attempts().len(), 1);
/// # event_loop.close()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct ConnectErrors(Vec<(SocketAddr, io::Error)>);

impl ConnectErrors {
    /// Each address that was tried, and what came of it, in the order of their ends.
    ///
    /// # Examples
    /// See [`ConnectErrors`].
    #[must_use]
    pub fn attempts(&self) -> &[(SocketAddr, io::Error)] {
        &self.0
    }

    fn into_error(self) -> io::Error {
        let mut kinds = self.0.iter().map(|(_, error)| error.kind());
        let kind = match kinds.next() {
            Some(first) if kinds.all(|kind| kind == first) => first,
            Some(_) => io::ErrorKind::Other,
            None => io::ErrorKind::NotFound,
        };
        io::Error::new(kind, self)
    }
}

impl fmt::Display for ConnectErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("there is no address to connect to");
        }
        if self.0.len() > 1 {
            f.write_str("Multiple exceptions: ")?;
        }
        for (number, (address, error)) in self.0.iter().enumerate() {
            let comma = if number > 0 { ", " } else { "" };
            write!(f, "{comma}connecting to {address}: {error}")?;
        }
        Ok(())
    }
}

impl std::error::Error for ConnectErrors {}

/// Orders addresses so that the two families take turns, after `first` of the family that the first one is of.
pub(crate) fn interleave(addresses: Vec<SocketAddr>, first: usize) -> Vec<SocketAddr> {
    let Some(family) = addresses.first().map(SocketAddr::is_ipv4) else {
        return addresses;
    };
    let length = addresses.len();
    let (ours, theirs): (Vec<_>, Vec<_>) = addresses
        .into_iter()
        .partition(|address| address.is_ipv4() == family);
    let (mut ours, mut theirs) = (ours.into_iter(), theirs.into_iter());
    let mut ordered: Vec<_> = ours.by_ref().take(first.saturating_sub(1)).collect();
    while ordered.len() < length {
        ordered.extend(ours.next());
        ordered.extend(theirs.next());
    }
    ordered
}

/// After how long without an answer the next address is tried too, by default.
pub(crate) const STAGGER: Duration = Duration::from_millis(250);

type Attempt = Pin<Box<dyn Future<Output = io::Result<TcpStream>>>>;

/// Connects to the first of the addresses that answers.
///
/// Each is tried when the one before it has failed, or has not answered for `stagger`: then both go on.
pub(crate) async fn connect_any(
    addresses: Vec<SocketAddr>,
    options: &TcpOptions,
    stagger: Option<Duration>,
) -> io::Result<TcpStream> {
    let mut left = addresses.into_iter();
    let mut attempts: Vec<(SocketAddr, Attempt)> = Vec::new();
    let mut errors = Vec::new();
    let mut timer: Option<Sleep> = None;
    let mut due = true;
    poll_fn(|cx| {
        loop {
            if std::mem::take(&mut due)
                && let Some(address) = left.next()
            {
                attempts.push((address, Box::pin(options.clone().connect_to(address))));
                timer = stagger.map(sleep);
            }
            let mut place = 0;
            while place < attempts.len() {
                match attempts[place].1.as_mut().poll(cx) {
                    Poll::Pending => place += 1,
                    Poll::Ready(Ok(stream)) => return Poll::Ready(Ok(stream)),
                    Poll::Ready(Err(error)) => {
                        errors.push((attempts.remove(place).0, error));
                        due = true;
                    }
                }
            }
            if attempts.is_empty() && left.len() == 0 {
                let errors = ConnectErrors(std::mem::take(&mut errors));
                return Poll::Ready(Err(errors.into_error()));
            }
            if let Some(waiting) = &mut timer
                && left.len() > 0
                && Pin::new(waiting).poll(cx).is_ready()
            {
                timer = None;
                due = true;
            }
            if !due || left.len() == 0 {
                return Poll::Pending;
            }
        }
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(text: &str) -> Vec<SocketAddr> {
        let parse = |text: &str| match text.starts_with('6') {
            true => format!("[::{text}]:1").parse().unwrap(),
            false => format!("127.0.0.{text}:1").parse().unwrap(),
        };
        text.split(' ').map(parse).collect()
    }

    /// As `_interleave_addrinfos` of CPython.
    #[test]
    fn families_take_turns() {
        let order = |text, first| interleave(addresses(text), first);
        assert_eq!(order("61 62 63 4 5", 1), addresses("61 4 62 5 63"));
        assert_eq!(order("61 62 63 4 5", 2), addresses("61 62 4 63 5"));
        assert_eq!(order("4 5 61", 1), addresses("4 61 5"));
        assert_eq!(order("4 5", 9), addresses("4 5"));
        assert_eq!(interleave(Vec::new(), 1), []);
    }
}
