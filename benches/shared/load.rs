//! The load: a fixed number of calls that are always under way, from one thread, since what it
//! takes of the machine is missing elsewhere.

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::{BufMut, Bytes, BytesMut};
use h2::client::SendRequest;
use http::{Method, Request, Version};
use prost::Message;
use tokio::net::TcpStream;

use super::child::Child;

/// HTTP/2's window for a stream, here and at the upstream.
pub(crate) const WINDOW: u32 = 1 << 20;
/// What is not counted at the beginning.
const WARM_UP: Duration = Duration::from_millis(300);

const STATUS: &str = "grpc-status";

/// How many calls are under way.
pub(crate) struct Load {
    pub(crate) connections: usize,
    pub(crate) in_flight: usize,
}

/// A call, ready to be sent many times.
pub(crate) struct Call {
    method: &'static str,
    login: String,
    frame: Bytes,
}

/// Calls that are made one after the other, and then again from the first.
pub(crate) struct Calls {
    calls: Vec<Call>,
    next: Cell<usize>,
}

impl Calls {
    pub(crate) fn new(calls: Vec<Call>) -> Self {
        Self { calls, next: Cell::new(0) }
    }

    fn next(&self) -> &Call {
        &self.calls[self.next.replace(self.next.get() + 1) % self.calls.len()]
    }
}

impl From<Call> for Calls {
    fn from(call: Call) -> Self {
        Self::new(vec![call])
    }
}

/// What was seen.
pub(crate) struct Figures {
    pub(crate) calls_per_second: f64,
    pub(crate) p50: Duration,
    pub(crate) p99: Duration,
    /// Processor time of what stands between, for each call.
    pub(crate) processor: Duration,
}

impl Call {
    /// A call of Milvus, whose message is made as large as `size`.
    pub(crate) fn new(
        method: &'static str,
        login: &str,
        message: &impl Message,
        size: usize,
    ) -> Self {
        Self { method, login: STANDARD.encode(login), frame: frame(message, size) }
    }

    fn request(&self, address: SocketAddr) -> Request<()> {
        Request::builder()
            .method(Method::POST)
            .version(Version::HTTP_2)
            .uri(format!("http://{address}/milvus.proto.milvus.MilvusService/{}", self.method))
            .header("content-type", "application/grpc")
            .header("te", "trailers")
            .header("user-agent", "grpc-bench/1.0")
            .header("authorization", &self.login)
            .body(())
            .unwrap()
    }

    /// Makes the call, which must succeed; returns the frame of the answer.
    pub(crate) async fn make(&self, connection: &Connection) -> Bytes {
        let (frame, status) = self.send(connection).await;
        assert_eq!(status, "0", "{}", self.method);
        frame
    }

    /// Makes the call; returns the frame and the status of the answer.
    pub(crate) async fn send(&self, connection: &Connection) -> (Bytes, String) {
        let mut sender = connection.sender.clone().ready().await.unwrap();
        let (answer, mut sending) =
            sender.send_request(self.request(connection.to), false).unwrap();
        sending.send_data(self.frame.clone(), true).unwrap();
        let (head, mut body) = answer.await.unwrap().into_parts();
        let mut frame = Bytes::new();
        while let Some(data) = body.data().await {
            let data = data.unwrap();
            body.flow_control().release_capacity(data.len()).unwrap();
            frame = if frame.is_empty() { data } else { [frame, data].concat().into() };
        }
        let trailers = body.trailers().await.unwrap().unwrap_or_default();
        let status = trailers.get(STATUS).or(head.headers.get(STATUS)).unwrap();
        (frame, status.to_str().unwrap().to_owned())
    }
}

/// A connection, from which many calls can be made at a time.
#[derive(Clone)]
pub(crate) struct Connection {
    sender: SendRequest<Bytes>,
    to: SocketAddr,
}

impl Connection {
    pub(crate) async fn open(to: SocketAddr) -> Self {
        let stream = TcpStream::connect(to).await.unwrap();
        stream.set_nodelay(true).unwrap();
        let (sender, connection) = h2::client::Builder::new()
            .initial_window_size(WINDOW)
            .initial_connection_window_size(4 * WINDOW)
            .handshake(stream)
            .await
            .unwrap();
        tokio::spawn(async move {
            // Its calls tell what is wrong.
            let _ = connection.await;
        });
        Self { sender, to }
    }
}

/// Runs to its end on this thread alone.
pub(crate) fn on_this_thread<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(work)
}

/// Makes one call after another for some time.
pub(crate) fn run(
    address: SocketAddr,
    process: Option<&Child>,
    load: &Load,
    calls: &Calls,
    time: Duration,
) -> Figures {
    let start = Instant::now() + WARM_UP;
    let end = start + time;
    let latencies = Rc::new(RefCell::new(Vec::new()));
    let worker = async |connection: Connection| {
        loop {
            let began = Instant::now();
            if began >= end {
                break;
            }
            let call = calls.next();
            call.make(&connection).await;
            let ended = Instant::now();
            if ended >= start && ended < end {
                latencies.borrow_mut().push(ended - began);
            }
        }
    };
    let processor = on_this_thread(async {
        let mut workers = Vec::new();
        for _ in 0..load.connections {
            let connection = Connection::open(address).await;
            workers.extend((0..load.in_flight).map(|_| worker(connection.clone())));
        }
        let used = async {
            tokio::time::sleep_until(start.into()).await;
            let before = process.map(Child::processor_time).unwrap_or_default();
            tokio::time::sleep_until(end.into()).await;
            process.map(Child::processor_time).unwrap_or_default().saturating_sub(before)
        };
        futures_util::join!(used, futures_util::future::join_all(workers)).0
    });
    let mut latencies = latencies.take();
    assert!(!latencies.is_empty(), "no call ended in {time:?}");
    latencies.sort_unstable();
    let count = latencies.len();
    let calls_per_second = count as f64 / time.as_secs_f64();
    Figures {
        calls_per_second,
        p50: latencies[count / 2],
        p99: latencies[count * 99 / 100],
        processor: processor.div_f64(count as f64),
    }
}

/// The frame of a message, with what no one knows added until it has that size.
fn frame(message: &impl Message, size: usize) -> Bytes {
    const UNKNOWN: u32 = 99;
    let mut encoded = message.encode_to_vec();
    // A key and a length take some bytes themselves.
    if let Some(more) = size.checked_sub(encoded.len() + 6) {
        prost::encoding::bytes::encode(UNKNOWN, &vec![b'x'; more], &mut encoded);
    }
    let mut frame = BytesMut::with_capacity(5 + encoded.len());
    frame.put_u8(0);
    frame.put_u32(u32::try_from(encoded.len()).unwrap());
    frame.put_slice(&encoded);
    frame.freeze()
}
