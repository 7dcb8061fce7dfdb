//! Pages that come packed.

use std::io::{self, Read};

use flate2::read::MultiGzDecoder;

/// Unpacks gzip, but no more than so many bytes, since few of it may be gigabytes of a page: `None` if there are more.
pub(crate) fn unpack(packed: &[u8], most_bytes: usize) -> io::Result<Option<Vec<u8>>> {
    let mut page = Vec::new();
    if !packed.is_empty() {
        let most = most_bytes as u64;
        let mut reader = MultiGzDecoder::new(packed).take(most.saturating_add(1));
        reader.read_to_end(&mut page)?;
    }
    Ok((page.len() <= most_bytes).then_some(page))
}
