//! tungstenite's websockets over streams of this loop, its server and its client unchanged.

use async_tungstenite::tungstenite::Message;
use async_tungstenite::tungstenite::protocol::{CloseFrame, frame::coding::CloseCode};
use async_tungstenite::{accept_async, client_async};
use futures_util::StreamExt;
use loop_net::{TcpListener, TcpStream};
use loop_tasks::create_task;

use crate::program::content;
use crate::run;

/// Sends back what comes until the client says goodbye; says how many messages it was.
async fn echo(stream: TcpStream) -> usize {
    let mut socket = accept_async(stream).await.unwrap();
    let mut count = 0;
    while let Some(message) = socket.next().await {
        let message = message.unwrap();
        if message.is_text() || message.is_binary() {
            socket.send(message).await.unwrap();
            count += 1;
        }
    }
    count
}

#[test]
fn messages_come_back_over_many_websockets() {
    run(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let clients: Vec<_> = (0..20usize)
            .map(|number| {
                create_task(async move {
                    let stream = TcpStream::connect(address).await.unwrap();
                    let url = format!("ws://{address}/{number}");
                    let (mut socket, answer) = client_async(url, stream).await.unwrap();
                    assert_eq!(answer.status(), 101);
                    for turn in 0..30 {
                        // In a debug build the mask costs more than the wire: one large one is enough.
                        let length = if turn == 7 { 300_000 } else { turn * number };
                        let sent = Message::binary(content(length));
                        socket.send(sent.clone()).await.unwrap();
                        assert!(socket.next().await.unwrap().unwrap() == sent);
                        let text = Message::text(format!("{turn} of {number}"));
                        socket.send(text.clone()).await.unwrap();
                        assert_eq!(socket.next().await.unwrap().unwrap(), text);
                    }
                    socket.send(Message::Ping("alive?".into())).await.unwrap();
                    let pong = socket.next().await.unwrap().unwrap();
                    assert_eq!(pong, Message::Pong("alive?".into()));
                    let goodbye = CloseFrame {
                        code: CloseCode::Normal,
                        reason: "done".into(),
                    };
                    socket.close(Some(goodbye.clone())).await.unwrap();
                    let end = socket.next().await.unwrap().unwrap();
                    assert_eq!(end, Message::Close(Some(goodbye)));
                    assert!(socket.next().await.is_none());
                })
            })
            .collect();
        let mut servers = Vec::new();
        for _ in 0..clients.len() {
            let (stream, _) = listener.accept().await.unwrap();
            servers.push(create_task(echo(stream)));
        }
        for client in clients {
            client.await.unwrap();
        }
        for server in servers {
            assert_eq!(server.await.unwrap(), 60);
        }
    });
}

/// One task reads while another one writes, neither waiting for the other.
#[test]
fn a_websocket_carries_both_directions_at_once() {
    run(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let near = TcpStream::connect(address).await.unwrap();
        let (far, _) = listener.accept().await.unwrap();
        let far = create_task(echo(far));
        let (socket, _) = client_async("ws://here/", near).await.unwrap();
        let (mut writer, mut reader) = socket.split();
        let writing = create_task(async move {
            for number in 0..2000 {
                let text = Message::text(format!("message {number}"));
                writer.send(text).await.unwrap();
            }
            writer
        });
        for number in 0..2000 {
            let message = reader.next().await.unwrap().unwrap();
            assert_eq!(message, Message::text(format!("message {number}")));
        }
        let mut writer = writing.await.unwrap();
        writer.close(None).await.unwrap();
        while reader.next().await.is_some_and(|message| message.is_ok()) {}
        assert_eq!(far.await.unwrap(), 2000);
    });
}
