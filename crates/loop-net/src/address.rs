//! How the ends of a connection are named.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

/// The name of an end of a connection.
///
/// # Examples
/// ```
/// use loop_net::Address;
/// let address = Address::from("127.0.0.1:80".parse::<std::net::SocketAddr>()?);
/// assert_eq!(address.to_string(), "127.0.0.1:80");
/// assert_eq!(address.ip(), Some([127, 0, 0, 1].into()));
/// assert_eq!(address.port(), Some(80));
/// assert_eq!(address.path(), None);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Address {
    /// An IP address and a port.
    Ip(SocketAddr),
    /// The path of a Unix socket.
    Path(PathBuf),
    /// A Unix socket without a path: the end that connects, or one of a pair.
    Unnamed,
}

impl Address {
    /// The IP address and the port, if it has them.
    ///
    /// # Examples
    /// ```
    /// assert_eq!(loop_net::Address::Unnamed.socket_addr(), None);
    /// ```
    #[must_use]
    pub fn socket_addr(&self) -> Option<SocketAddr> {
        match self {
            Address::Ip(address) => Some(*address),
            _ => None,
        }
    }

    /// The IP address, if it has one.
    ///
    /// # Examples
    /// See [`Address`].
    #[must_use]
    pub fn ip(&self) -> Option<IpAddr> {
        self.socket_addr().map(|address| address.ip())
    }

    /// The port, if it has one.
    ///
    /// # Examples
    /// See [`Address`].
    #[must_use]
    pub fn port(&self) -> Option<u16> {
        self.socket_addr().map(|address| address.port())
    }

    /// The path, if it has one.
    ///
    /// # Examples
    /// ```
    /// assert_eq!(loop_net::Address::Unnamed.path(), None);
    /// ```
    #[must_use]
    pub fn path(&self) -> Option<&Path> {
        match self {
            Address::Path(path) => Some(path),
            _ => None,
        }
    }
}

impl From<SocketAddr> for Address {
    fn from(address: SocketAddr) -> Address {
        Address::Ip(address)
    }
}

impl From<std::os::unix::net::SocketAddr> for Address {
    fn from(address: std::os::unix::net::SocketAddr) -> Address {
        match address.as_pathname() {
            Some(path) => Address::Path(path.to_owned()),
            None => Address::Unnamed,
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::Ip(address) => address.fmt(f),
            Address::Path(path) => path.display().fmt(f),
            Address::Unnamed => f.write_str("(unnamed)"),
        }
    }
}
