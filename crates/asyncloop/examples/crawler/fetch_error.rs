//! Why an address gave nothing, said so that whoever reads it knows what to do.

use std::error::Error;
use std::fmt;
use std::io;
use std::time::Duration;

use asyncloop::Elapsed;
use hyper::StatusCode;

#[derive(Debug)]
pub(crate) enum FetchError {
    /// There is no such host.
    Name(io::Error),
    Connect(io::Error),
    Tls(io::Error),
    /// The connection broke, or what came is not HTTP.
    Http(hyper::Error),
    Status(StatusCode),
    /// The server is too busy, and wants to be left alone for so long.
    Busy(StatusCode, Duration),
    /// A redirect to what is no address.
    Location(String),
    TooManyRedirects(usize),
    TooLarge(usize),
    /// It came in a coding that nobody had asked for.
    Encoded(String),
    /// It came packed, and cannot be unpacked.
    Packed(io::Error),
    Timeout(Duration, Elapsed),
}

impl FetchError {
    /// What kind of error it is, for programs.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            FetchError::Name(_) => "name",
            FetchError::Connect(_) => "connect",
            FetchError::Tls(_) => "tls",
            FetchError::Http(_) => "http",
            FetchError::Status(_) | FetchError::Busy(..) => "status",
            FetchError::Location(_) | FetchError::TooManyRedirects(_) => "redirect",
            FetchError::TooLarge(_) => "too_large",
            FetchError::Encoded(_) | FetchError::Packed(_) => "encoding",
            FetchError::Timeout(..) => "timeout",
        }
    }
}

impl fmt::Display for FetchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FetchError::Name(error) => write!(f, "the name of the host does not resolve: {error}"),
            FetchError::Connect(error) => write!(f, "no connection: {error}"),
            FetchError::Tls(error) => {
                write!(f, "no TLS: {error}")?;
                match error.to_string().contains("certificate") {
                    true => f.write_str(
                        " (--ca believes an authority of yours, --insecure any certificate)",
                    ),
                    false => Ok(()),
                }
            }
            FetchError::Http(error) => {
                write!(f, "no HTTP: {error}")?;
                let mut causes =
                    std::iter::successors(error.source(), |cause: &&dyn Error| (*cause).source());
                causes.try_for_each(|cause| write!(f, ": {cause}"))
            }
            FetchError::Status(status) => write!(f, "{status}"),
            FetchError::Busy(status, pause) => {
                write!(f, "{status}, and wants to be left alone for {pause:?}")
            }
            FetchError::Location(text) => {
                write!(f, "it redirects to {text:?}, which is no address")
            }
            FetchError::TooManyRedirects(most) => write!(f, "more than {most} redirects"),
            FetchError::TooLarge(most) => write!(
                f,
                "larger than {most} bytes, its links are unknown (--max-size)"
            ),
            FetchError::Encoded(how) => {
                write!(
                    f,
                    "encoded as {how}, which was not asked for: its links are unknown"
                )
            }
            FetchError::Packed(error) => {
                write!(f, "it cannot be unpacked, its links are unknown: {error}")
            }
            FetchError::Timeout(limit, elapsed) => {
                write!(f, "no answer within {limit:?}: {elapsed}")
            }
        }
    }
}

impl Error for FetchError {}
