//! Reading up to a separator: lines, and what ends otherwise.

use super::StreamReader;
use crate::{LimitOverrun, ReadError};

impl StreamReader {
    /// Reads a line, with its `\n`. The last one may have none; nothing is the end.
    ///
    /// # Errors
    /// [`ReadError::Limit`] if there are more bytes than the [limit](StreamReader::limit) before the `\n`: the line is
    /// dropped then if its end was found, and otherwise what there is of it. What the connection says.
    ///
    /// # asyncio
    /// `reader.readline()`, where the limit is a `ValueError`.
    ///
    /// # Examples
    /// ```
    /// use loop_core::EventLoop;
    /// use loop_net::{ReadError, UnixStream, streams_over};
    /// use loop_tasks::LoopExt;
    /// let event_loop = EventLoop::new()?;
    /// event_loop.run_until_complete(async {
    ///     let (near, far) = UnixStream::pair()?;
    ///     let (mut reader, _writer) = streams_over(near)?;
    ///     far.write_all(b"one\ntwo").await?;
    ///     drop(far);
    ///     assert_eq!(reader.readline().await?, b"one\n");
    ///     assert_eq!(reader.readline().await?, b"two");
    ///     assert_eq!(reader.readline().await?, b"");
    ///     Ok::<_, ReadError>(())
    /// })??;
    /// # event_loop.close()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub async fn readline(&mut self) -> Result<Vec<u8>, ReadError> {
        match self.readuntil(b"\n").await {
            Err(ReadError::Incomplete(error)) => Ok(error.partial),
            Err(ReadError::Limit(error)) => {
                let dropped = if error.found {
                    error.consumed + 1
                } else {
                    self.buffer().len()
                };
                self.consume(dropped);
                Err(ReadError::Limit(error))
            }
            result => result,
        }
    }

    /// The next line without its end (`\n` or `\r\n`), or `None` at the end of the stream.
    ///
    /// # Errors
    /// As [`readline`](StreamReader::readline).
    ///
    /// # asyncio
    /// `async for line in reader`, where lines keep their ends.
    ///
    /// # Examples
    /// ```
    /// use loop_core::EventLoop;
    /// use loop_net::{ReadError, UnixStream, streams_over};
    /// use loop_tasks::LoopExt;
    /// let event_loop = EventLoop::new()?;
    /// event_loop.run_until_complete(async {
    ///     let (near, far) = UnixStream::pair()?;
    ///     let (mut reader, _writer) = streams_over(near)?;
    ///     far.write_all(b"one\r\n\ntwo").await?;
    ///     drop(far);
    ///     let mut lines = Vec::new();
    ///     while let Some(line) = reader.next_line().await? {
    ///         lines.push(String::from_utf8(line).unwrap());
    ///     }
    ///     assert_eq!(lines, ["one", "", "two"]);
    ///     Ok::<_, ReadError>(())
    /// })??;
    /// # event_loop.close()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub async fn next_line(&mut self) -> Result<Option<Vec<u8>>, ReadError> {
        let mut line = self.readline().await?;
        if line.is_empty() {
            return Ok(None);
        }
        if line.ends_with(b"\n") {
            line.pop();
            if line.ends_with(b"\r") {
                line.pop();
            }
        }
        Ok(Some(line))
    }

    /// Reads up to and with the separator.
    ///
    /// # Errors
    /// [`ReadError::Incomplete`] with what there was, if the stream ends first; [`ReadError::Limit`] if there are more
    /// bytes than the [limit](StreamReader::limit) before the separator, which stay in the buffer; what the
    /// connection says.
    ///
    /// # Panics
    /// If the separator is empty.
    ///
    /// # asyncio
    /// `reader.readuntil(separator)`.
    ///
    /// # Examples
    /// ```
    /// use loop_core::EventLoop;
    /// use loop_net::{ReadError, StreamOptions, UnixStream};
    /// use loop_tasks::LoopExt;
    /// let event_loop = EventLoop::new()?;
    /// event_loop.run_until_complete(async {
    ///     let (near, far) = UnixStream::pair()?;
    ///     let (mut reader, _writer) = StreamOptions::new().limit(8).streams_over(near)?;
    ///     far.write_all(b"head\r\n\r\n012345678\r\n\r\n").await?;
    ///     assert_eq!(reader.readuntil(b"\r\n\r\n").await?, b"head\r\n\r\n");
    ///     match reader.readuntil(b"\r\n\r\n").await.unwrap_err() {
    ///         ReadError::Limit(error) => assert!(error.found && error.consumed == 9),
    ///         other => return Err(other),
    ///     }
    ///     assert_eq!(reader.buffer(), b"012345678\r\n\r\n"); // it is all there still
    ///     Ok::<_, ReadError>(())
    /// })??;
    /// # event_loop.close()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub async fn readuntil(&mut self, separator: &[u8]) -> Result<Vec<u8>, ReadError> {
        self.readuntil_any(&[separator]).await
    }

    /// Reads up to and with the separator that ends first.
    ///
    /// # Errors
    /// As [`readuntil`](StreamReader::readuntil).
    ///
    /// # Panics
    /// If there is no separator, or an empty one.
    ///
    /// # asyncio
    /// `reader.readuntil((b"\r", b"\n"))`.
    ///
    /// # Examples
    /// ```
    /// use loop_core::EventLoop;
    /// use loop_net::{ReadError, UnixStream, streams_over};
    /// use loop_tasks::LoopExt;
    /// let event_loop = EventLoop::new()?;
    /// event_loop.run_until_complete(async {
    ///     let (near, far) = UnixStream::pair()?;
    ///     let (mut reader, _writer) = streams_over(near)?;
    ///     far.write_all(b"a;b\nc").await?;
    ///     assert_eq!(reader.readuntil_any(&[b"\n", b";"]).await?, b"a;");
    ///     assert_eq!(reader.readuntil_any(&[b"\n", b";"]).await?, b"b\n");
    ///     Ok::<_, ReadError>(())
    /// })??;
    /// # event_loop.close()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub async fn readuntil_any(&mut self, separators: &[&[u8]]) -> Result<Vec<u8>, ReadError> {
        let shortest = separators.iter().map(|separator| separator.len()).min();
        let longest = separators.iter().map(|separator| separator.len()).max();
        let (Some(shortest @ 1..), Some(longest)) = (shortest, longest) else {
            panic!("separators have to have at least one byte");
        };
        // Everything before this was searched.
        let mut offset = 0;
        loop {
            let buffered = self.buffer().len();
            if buffered >= offset + shortest {
                if let Some((start, end)) = first_end(self.buffer(), offset, separators) {
                    if start > self.limit {
                        return Err(overrun(start, true));
                    }
                    return Ok(self.take(end));
                }
                offset = (buffered + 1).saturating_sub(longest);
                if offset > self.limit {
                    return Err(overrun(offset, false));
                }
            }
            if !self.fill().await? {
                return Err(self.incomplete(None));
            }
        }
    }
}

/// The place of the separator that ends first, from `offset` on.
fn first_end(bytes: &[u8], offset: usize, separators: &[&[u8]]) -> Option<(usize, usize)> {
    let mut found: Option<(usize, usize)> = None;
    for separator in separators {
        // One that ends later than what was found need not be looked for.
        let bytes = &bytes[..found.map_or(bytes.len(), |(_, end)| end)];
        if let Some(start) = find(bytes, offset, separator) {
            let end = start + separator.len();
            if found.is_none_or(|(_, first)| end < first) {
                found = Some((start, end));
            }
        }
    }
    found
}

fn find(bytes: &[u8], offset: usize, separator: &[u8]) -> Option<usize> {
    let (first, rest) = separator.split_first()?;
    let mut from = offset;
    loop {
        let place = from + bytes.get(from..)?.iter().position(|byte| byte == first)?;
        if bytes[place + 1..].starts_with(rest) {
            return Some(place);
        }
        from = place + 1;
    }
}

fn overrun(consumed: usize, found: bool) -> ReadError {
    ReadError::Limit(LimitOverrun { consumed, found })
}
