//! Names of machines, looked up without blocking the loop.

use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};

use loop_executor::to_thread;

/// Looks up a name, in a thread of the loop's own executor. One that is an address already takes no time.
///
/// # Errors
/// What the system says: that there is no such name. What kept the executor from asking.
///
/// # Panics
/// If it is polled outside of a running loop.
///
/// # Cancel safety
/// The thread goes on until the system answers.
///
/// # asyncio
/// `loop.getaddrinfo(host, port, type=SOCK_STREAM)`, which gives tuples with more in them.
///
/// # Examples
/// ```
/// use loop_core::EventLoop;
/// use loop_net::getaddrinfo;
/// use loop_tasks::LoopExt;
/// let event_loop = EventLoop::new()?;
/// event_loop.run_until_complete(async {
///     let addresses = getaddrinfo("localhost", 80).await?;
///     assert!(addresses.iter().all(|address| address.ip().is_loopback()));
///     assert_eq!(getaddrinfo("::1", 80).await?[0].to_string(), "[::1]:80");
///     Ok::<_, std::io::Error>(())
/// })??;
/// # event_loop.close()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub async fn getaddrinfo(host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    if let Ok(ip) = host.parse::<IpAddr>() {
        return Ok(vec![SocketAddr::new(ip, port)]);
    }
    let host = host.to_owned();
    let looked_up = to_thread(move || {
        let addresses = (host.as_str(), port).to_socket_addrs()?;
        Ok::<_, io::Error>(addresses.collect::<Vec<_>>())
    });
    looked_up.await.map_err(io::Error::other)?
}

/// What [`getnameinfo`] is to leave as numbers. By default, nothing.
///
/// # Examples
/// See [`getnameinfo`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NumericNames {
    /// The machine's address stays one.
    pub host: bool,
    /// The port stays a number.
    pub service: bool,
}

/// Finds the name of a machine and of a service, in a thread of the loop's own executor.
///
/// # Errors
/// What the system says. What kept the executor from asking.
///
/// # Panics
/// If it is polled outside of a running loop.
///
/// # Cancel safety
/// The thread goes on until the system answers.
///
/// # asyncio
/// `loop.getnameinfo(sockaddr, flags)`.
///
/// # Examples
/// ```
/// use loop_core::EventLoop;
/// use loop_net::{NumericNames, getnameinfo};
/// use loop_tasks::LoopExt;
/// let event_loop = EventLoop::new()?;
/// let numbers = NumericNames { host: true, service: true };
/// let names = getnameinfo("127.0.0.1:80".parse()?, numbers);
/// assert_eq!(event_loop.run_until_complete(names)??, ("127.0.0.1".to_owned(), "80".to_owned()));
/// # event_loop.close()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub async fn getnameinfo(
    address: SocketAddr,
    numeric: NumericNames,
) -> io::Result<(String, String)> {
    let mut flags = 0;
    if numeric.host {
        flags |= libc::NI_NUMERICHOST;
    }
    if numeric.service {
        flags |= libc::NI_NUMERICSERV;
    }
    let looked_up = to_thread(move || dns_lookup::getnameinfo(&address, flags));
    let names = looked_up.await.map_err(io::Error::other)?;
    names.map_err(io::Error::from)
}
