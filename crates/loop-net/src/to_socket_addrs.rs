//! What stands for the addresses of sockets: themselves, names, texts.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};

use crate::stream_socket::private::Sealed;
use crate::{Address, getaddrinfo};
use private::Names;

/// What stands for the address of a socket, or for several: an address; a machine and a port; a text of both.
///
/// A machine's name is looked up as by [`getaddrinfo`], by a thread, while the loop goes on. What is an address already
/// takes no time. Nobody else implements it.
///
/// # asyncio
/// `host, port`, which are two arguments in the functions that have asyncio's names.
///
/// # Examples
/// ```
/// use std::net::Ipv4Addr;
/// use loop_core::EventLoop;
/// use loop_net::{TcpListener, TcpStream};
/// use loop_tasks::LoopExt;
/// let event_loop = EventLoop::new()?;
/// event_loop.run_until_complete(async {
///     let listener = TcpListener::bind("127.0.0.1:0").await?;
///     let port = listener.local_addr()?.port();
///     let _by_name = TcpStream::connect(("localhost", port)).await?;
///     let _by_address = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await?;
///     let _by_text = TcpStream::connect(format!("127.0.0.1:{port}")).await?;
///     let error = TcpStream::connect("127.0.0.1").await.unwrap_err();
///     assert_eq!(error.to_string(), "\"127.0.0.1\" has no port: write it behind a colon, as in \"127.0.0.1:80\"");
///     Ok::<_, std::io::Error>(())
/// })??;
/// # event_loop.close()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait ToSocketAddrs: Sealed {
    #[doc(hidden)]
    fn names(&self) -> io::Result<Names>;
}

pub(crate) mod private {
    use std::net::SocketAddr;

    /// What is known without looking it up.
    #[derive(Debug)]
    pub enum Names {
        One(SocketAddr),
        Several(Vec<SocketAddr>),
        Host(String, u16),
    }
}

impl Names {
    /// The addresses, of which there is one at least.
    pub(crate) async fn look_up(self) -> io::Result<Vec<SocketAddr>> {
        let addresses = match self {
            Names::One(address) => vec![address],
            Names::Several(addresses) => addresses,
            Names::Host(host, port) => getaddrinfo(&host, port).await?,
        };
        if addresses.is_empty() {
            return Err(invalid("there is no address among those that were given"));
        }
        Ok(addresses)
    }

    /// What an operation gives for the first address that it does not refuse; what it said to the last one otherwise.
    pub(crate) async fn first<T>(
        self,
        mut operation: impl FnMut(SocketAddr) -> io::Result<T>,
    ) -> io::Result<T> {
        let mut addresses = self.look_up().await?.into_iter();
        loop {
            let address = addresses.next().expect("there is one at least, and a last");
            match operation(address) {
                Err(_) if addresses.len() > 0 => {}
                result => return result,
            }
        }
    }
}

fn invalid(text: impl Into<String>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, text.into())
}

impl<T: Sealed + ?Sized> Sealed for &T {}

impl<T: ToSocketAddrs + ?Sized> ToSocketAddrs for &T {
    fn names(&self) -> io::Result<Names> {
        (**self).names()
    }
}

impl Sealed for SocketAddr {}

impl ToSocketAddrs for SocketAddr {
    fn names(&self) -> io::Result<Names> {
        Ok(Names::One(*self))
    }
}

impl Sealed for [SocketAddr] {}

impl ToSocketAddrs for [SocketAddr] {
    fn names(&self) -> io::Result<Names> {
        Ok(Names::Several(self.to_vec()))
    }
}

impl Sealed for str {}

impl ToSocketAddrs for str {
    fn names(&self) -> io::Result<Names> {
        if let Ok(address) = self.parse() {
            return Ok(Names::One(address));
        }
        let no_port = || {
            let text =
                format!("{self:?} has no port: write it behind a colon, as in \"127.0.0.1:80\"");
            invalid(text)
        };
        let is_only_an_address = self.parse::<IpAddr>().is_ok();
        let (host, port) = self
            .rsplit_once(':')
            .filter(|_| !is_only_an_address)
            .ok_or_else(no_port)?;
        let no_number = |_| invalid(format!("{port:?} in {self:?} is no port: it is a number"));
        (host, port.parse::<u16>().map_err(no_number)?).names()
    }
}

impl Sealed for String {}

impl ToSocketAddrs for String {
    fn names(&self) -> io::Result<Names> {
        self.as_str().names()
    }
}

impl Sealed for (&str, u16) {}

impl ToSocketAddrs for (&str, u16) {
    fn names(&self) -> io::Result<Names> {
        let (host, port) = *self;
        Ok(match host.parse::<IpAddr>() {
            Ok(ip) => Names::One((ip, port).into()),
            Err(_) => Names::Host(host.to_owned(), port),
        })
    }
}

impl Sealed for (String, u16) {}

impl ToSocketAddrs for (String, u16) {
    fn names(&self) -> io::Result<Names> {
        (self.0.as_str(), self.1).names()
    }
}

impl Sealed for Address {}

/// Those of a server: [`Server::sockets`](crate::Server::sockets).
impl ToSocketAddrs for Address {
    fn names(&self) -> io::Result<Names> {
        match self.socket_addr() {
            Some(address) => Ok(Names::One(address)),
            None => Err(invalid(format!(
                "{self} is the address of a Unix socket: that is for UnixStream and its kin"
            ))),
        }
    }
}

/// What std makes an address of.
macro_rules! addresses {
    ($($kind:ty),*) => {$(
        impl Sealed for $kind {}

        impl ToSocketAddrs for $kind {
            fn names(&self) -> io::Result<Names> {
                Ok(Names::One((*self).into()))
            }
        }
    )*};
}

addresses!(
    SocketAddrV4,
    SocketAddrV6,
    (IpAddr, u16),
    (Ipv4Addr, u16),
    (Ipv6Addr, u16),
    ([u8; 4], u16),
    ([u16; 8], u16)
);
