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
    let name = host.to_owned();
    let host = name.clone();
    let looked_up = to_thread(move || {
        let addresses = (host.as_str(), port).to_socket_addrs()?;
        Ok::<_, io::Error>(addresses.collect::<Vec<_>>())
    });
    let addresses = looked_up.await.map_err(io::Error::other)?;
    addresses.map_err(|error| not_found(&name, &error))
}

/// The same error, with the name, and with what may be wrong with that.
fn not_found(name: &str, error: &io::Error) -> io::Error {
    let is_port = |port: &str| !port.is_empty() && port.chars().all(|c| c.is_ascii_digit());
    let hint = if name.contains('/') {
        ": a machine has no slash in its name, as URLs and paths do"
    } else if name.starts_with('[') {
        ": an address is written without brackets where the port is apart"
    } else if name.rsplit_once(':').is_some_and(|(_, port)| is_port(port)) {
        ": the port is given apart from the name of the machine"
    } else {
        ""
    };
    let text = format!("looking up {name:?}: {error}{hint}");
    io::Error::new(error.kind(), text)
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

#[cfg(test)]
mod tests {
    use std::io;

    use super::not_found;

    #[test]
    fn what_may_be_wrong_with_a_name_is_said() {
        let text = |name| not_found(name, &io::ErrorKind::NotFound.into()).to_string();
        let plain = "looking up \"example.org\": entity not found";
        assert_eq!(text("example.org"), plain);
        assert!(
            text("example.org:80")
                .ends_with(": the port is given apart from the name of the machine")
        );
        assert!(text("http://example.org").contains("no slash in its name"));
        assert!(text("/run/socket").contains("no slash in its name"));
        assert!(text("[::1]").contains("without brackets"));
        assert!(text("fe80::z").ends_with("not found"));
    }
}
