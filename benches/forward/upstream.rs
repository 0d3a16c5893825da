//! The upstream: takes whatever it is sent and answers fixed bytes.

use std::net::SocketAddr;
use std::thread;

use bytes::Bytes;
use h2::RecvStream;
use h2::server::SendResponse;
use http::{HeaderMap, HeaderValue, Request, Response};
use tokio::net::{TcpListener, TcpStream};

use crate::KIB;
use crate::shared::load;

/// Starts it in a thread of its own.
pub(crate) fn start() -> SocketAddr {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || load::on_this_thread(serve(listener)));
    address
}

async fn serve(listener: std::net::TcpListener) {
    let listener = TcpListener::from_std(listener).unwrap();
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        tokio::spawn(async move {
            // Those who are measured close connections as they like.
            let _ = connection(stream).await;
        });
    }
}

async fn connection(stream: TcpStream) -> Result<(), h2::Error> {
    stream.set_nodelay(true).unwrap();
    let mut connection = h2::server::Builder::new()
        .initial_window_size(load::WINDOW)
        .initial_connection_window_size(4 * load::WINDOW)
        .handshake(stream)
        .await?;
    while let Some(call) = connection.accept().await {
        let (request, respond) = call?;
        tokio::spawn(async move {
            let _ = answer(request, respond).await;
        });
    }
    Ok(())
}

async fn answer(
    request: Request<RecvStream>,
    mut respond: SendResponse<Bytes>,
) -> Result<(), h2::Error> {
    let (head, mut body) = request.into_parts();
    while let Some(data) = body.data().await {
        body.flow_control().release_capacity(data?.len())?;
    }
    let mut response = Response::new(());
    let headers = response.headers_mut();
    headers.insert("content-type", HeaderValue::from_static("application/grpc"));
    let mut stream = respond.send_response(response, false)?;
    stream.send_data(message(head.uri.path()), false)?;
    let status = ("grpc-status".parse().unwrap(), HeaderValue::from_static("0"));
    stream.send_trailers(HeaderMap::from_iter([status]))
}

fn message(path: &str) -> Bytes {
    /// Zeroes, after the head of a frame.
    static ANSWER: [u8; 5 + KIB] = {
        let mut frame = [0; 5 + KIB];
        let [.., high, low] = KIB.to_be_bytes();
        (frame[3], frame[4]) = (high, low);
        frame
    };
    match path.rsplit('/').next() {
        Some("Query") => Bytes::from_static(&ANSWER),
        // Serving.
        Some("Check") => Bytes::from_static(&[0, 0, 0, 0, 2, 8, 1]),
        _ => Bytes::from_static(&[0; 5]),
    }
}
