//! Streams as `futures-io`'s, with `futures-util`'s helpers on top.

use std::time::Duration;

use futures_util::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, copy};
use loop_core::EventLoop;
use loop_net::UnixStream;
use loop_tasks::{LoopExt, create_task, timeout};

#[test]
fn helpers_of_others_work_on_streams() {
    let event_loop = EventLoop::new().unwrap();
    let main = timeout(Duration::from_secs(60), async {
        let (near, far) = UnixStream::pair().unwrap();
        // An echo that somebody else wrote: read and write at once, by reference.
        let echo = create_task(async move {
            let (mut reader, mut writer) = (&far, &far);
            let copied = copy(&mut reader, &mut writer).await.unwrap();
            writer.close().await.unwrap();
            copied
        });
        let (reader, mut writer) = near.into_split();
        let writing = create_task(async move {
            for number in 0..2000 {
                let line = format!("line {number}\n");
                AsyncWriteExt::write_all(&mut writer, line.as_bytes())
                    .await
                    .unwrap();
            }
            writer.close().await.unwrap();
        });
        let mut reader = BufReader::new(reader);
        let mut line = String::new();
        for number in 0..2000 {
            line.clear();
            reader.read_line(&mut line).await.unwrap();
            assert_eq!(line, format!("line {number}\n"));
        }
        let mut rest = Vec::new();
        AsyncReadExt::read_to_end(&mut reader, &mut rest)
            .await
            .unwrap();
        assert_eq!(rest, b"");
        writing.await.unwrap();
        assert_eq!(echo.await.unwrap(), 2000 * 6 + 10 + 180 + 2700 + 4000);
    });
    event_loop
        .run_until_complete(main)
        .unwrap()
        .expect("it hangs");
    event_loop.close().unwrap();
}
