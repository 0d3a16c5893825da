//! Answers of the upstream while they go on to their readers. All answers on a connection share its
//! window, so those whose readers stand still are given up before they fill it.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use h2::RecvStream;
use http_body::Frame;

/// A reader who took nothing between two looks, though there was something, is too slow.
const LOOK: Duration = Duration::from_secs(30);
/// Answers that are noted before those that have ended are looked for.
const FEW: usize = 64;

/// The answers under way on one connection.
#[derive(Debug, Default)]
pub(super) struct Answers(Mutex<Noted>);

#[derive(Debug, Default)]
struct Noted {
    answers: Vec<Weak<Taken>>,
    /// As soon as there are so many, those that have ended are forgotten.
    many: usize,
}

/// What is taken of one answer. None once it was given up.
#[derive(Debug)]
struct Taken(Mutex<Option<Progress>>);

#[derive(Debug)]
struct Progress {
    body: RecvStream,
    taken_since_look: bool,
}

impl Answers {
    /// The body of an answer on the connection.
    pub(super) fn body(&self, body: RecvStream) -> Answering {
        let progress = Progress { body, taken_since_look: true };
        let taken = Arc::new(Taken(Mutex::new(Some(progress))));
        let mut noted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if noted.answers.len() >= noted.many {
            noted.answers.retain(|answer| answer.strong_count() > 0);
            noted.many = FEW.max(2 * noted.answers.len());
        }
        noted.answers.push(Arc::downgrade(&taken));
        Answering { taken, data_ended: false }
    }

    /// Gives up what nobody reads, for ever.
    pub(super) async fn watch(&self) {
        loop {
            tokio::time::sleep(LOOK).await;
            self.look();
        }
    }

    fn look(&self) {
        let answers = self.0.lock().unwrap_or_else(PoisonError::into_inner).answers.clone();
        for taken in answers.iter().filter_map(Weak::upgrade) {
            let mut progress = taken.0.lock().unwrap_or_else(PoisonError::into_inner);
            let still = progress.as_mut().is_some_and(|progress| {
                let waits = progress.body.flow_control().used_capacity() > 0;
                waits && !std::mem::take(&mut progress.taken_since_look)
            });
            if still {
                // The upstream is told, and the window is free again.
                *progress = None;
            }
        }
    }
}

/// The body of an answer. The upstream may send more when something was taken.
pub(super) struct Answering {
    taken: Arc<Taken>,
    data_ended: bool,
}

impl http_body::Body for Answering {
    type Data = Bytes;
    type Error = h2::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, h2::Error>>> {
        let Self { taken, data_ended } = self.get_mut();
        let mut progress = taken.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(Progress { body, taken_since_look }) = progress.as_mut() else {
            return Poll::Ready(Some(Err(h2::Reason::CANCEL.into())));
        };
        if !*data_ended {
            match ready!(body.poll_data(cx)) {
                Some(Ok(data)) => {
                    *taken_since_look = true;
                    let released = body.flow_control().release_capacity(data.len());
                    return Poll::Ready(Some(released.map(|()| Frame::data(data))));
                }
                Some(Err(e)) => return Poll::Ready(Some(Err(e))),
                None => *data_ended = true,
            }
        }
        body.poll_trailers(cx).map(|trailers| Some(trailers.transpose()?.map(Frame::trailers)))
    }

    fn is_end_stream(&self) -> bool {
        let progress = self.taken.0.lock().unwrap_or_else(PoisonError::into_inner);
        progress.as_ref().is_some_and(|progress| progress.body.is_end_stream())
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;
    use tokio::io::DuplexStream;

    use super::*;

    const SIZE: usize = 60 << 10;

    /// An upstream that answers every call with `SIZE` bytes.
    async fn serve(stream: DuplexStream) {
        let mut connection = h2::server::handshake(stream).await.unwrap();
        while let Some(call) = connection.accept().await {
            let (_, mut respond) = call.unwrap();
            let mut sending = respond.send_response(http::Response::new(()), false).unwrap();
            sending.send_data(Bytes::from(vec![7; SIZE]), true).unwrap();
        }
    }

    async fn connect() -> h2::client::SendRequest<Bytes> {
        let (near, far) = tokio::io::duplex(SIZE);
        tokio::spawn(serve(far));
        let (sender, connection) = h2::client::Builder::new()
            .initial_connection_window_size(16 * u32::try_from(SIZE).unwrap())
            .handshake(near)
            .await
            .unwrap();
        tokio::spawn(connection);
        sender
    }

    /// An answer of which something has come.
    async fn call(sender: &h2::client::SendRequest<Bytes>, answers: &Answers) -> Answering {
        let mut sender = sender.clone().ready().await.unwrap();
        let request = http::Request::get("http://upstream/").body(()).unwrap();
        let (answer, _) = sender.send_request(request, true).unwrap();
        let mut body = answer.await.unwrap().into_body();
        let waiting = async {
            while body.flow_control().used_capacity() == 0 {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), waiting).await.unwrap();
        answers.body(body)
    }

    async fn read(body: Answering) -> Result<usize, h2::Error> {
        body.collect().await.map(|collected| collected.to_bytes().len())
    }

    #[tokio::test]
    async fn readers_who_take_nothing_are_given_up_and_others_go_on() {
        let sender = connect().await;
        let answers = Answers::default();
        let mut slow = call(&sender, &answers).await;
        let idle = call(&sender, &answers).await;
        answers.look();
        // Whoever takes something, however little, is waited for.
        assert!(slow.frame().await.unwrap().is_ok());
        answers.look();
        assert!(slow.frame().await.unwrap().is_ok());
        assert!(read(idle).await.is_err());
        assert_eq!(read(call(&sender, &answers).await).await.unwrap(), SIZE);
        answers.look();
        answers.look();
        assert!(slow.frame().await.unwrap().is_err());
    }

    #[tokio::test]
    async fn answers_that_have_ended_are_forgotten() {
        let sender = connect().await;
        let answers = Answers::default();
        for _ in 0..3 * FEW {
            read(call(&sender, &answers).await).await.unwrap();
        }
        assert!(answers.0.lock().unwrap().answers.len() <= FEW);
    }
}
