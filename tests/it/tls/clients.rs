//! Certificates that clients have to show: who signed them, and until when they hold.

use std::time::SystemTime;

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn who_shows_nothing_or_a_wrong_certificate_stays_outside() {
    let (certificates, own, way) = scene();
    let others = Certificates::new();
    let server = Server::run(&mut mutual(&own, &certificates.ca()));
    let right = certificates.sign("right", &named("anybody", &[]));
    let foreign = others.sign("foreign", &named("anybody", &[]));
    let now = SystemTime::now();
    let mut late = named("late", &[]);
    (late.not_before, late.not_after) =
        ((now - Duration::from_secs(200)).into(), (now - Duration::from_secs(100)).into());
    let mut early = named("early", &[]);
    (early.not_before, early.not_after) =
        ((now + Duration::from_secs(100)).into(), (now + Duration::from_secs(200)).into());
    let (late, early) = (certificates.sign("late", &late), certificates.sign("early", &early));
    for version in [&version::TLS12, &version::TLS13] {
        let way = Way { version, ..way.clone() };
        let showing = |own| way.clone().showing(own);
        for (shown, alert) in [
            (way.clone(), "CertificateRequired"),
            (showing(&foreign), "UnknownCA"),
            (showing(&late), "CertificateExpired"),
            (showing(&early), "CertificateExpired"),
        ] {
            let refused = shown.knocks(&server, ROOT).await.unwrap_err();
            // Who writes on sees the end of the connection, and not why.
            let known = [alert, "broken pipe", "reset", "inactive stream"]
                .iter()
                .any(|text| refused.contains(text));
            assert!(known, "{alert}: {refused}");
            // Not even the health is told.
            if let Ok(line) = shown.open(&server).await {
                line.ends().await;
            }
        }
        // It opens the door, and says nothing of who calls.
        showing(&right).knocks(&server, ROOT).await.unwrap();
        let nobody = showing(&right).knocks(&server, None).await.unwrap_err();
        assert_eq!(nobody, "missing authorization in header");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_are_not_resumed_where_certificates_are_asked_for() {
    let (certificates, own, way) = scene();
    let ours = certificates.sign("ours", &named("ours", &[]));
    let mutual = Server::run(&mut mutual(&own, &certificates.ca()));
    let plain = Server::run(&mut secure(&own));
    use tokio_rustls::rustls::HandshakeKind::{Full, Resumed};
    for version in [&version::TLS12, &version::TLS13] {
        for (server, second) in [(&mutual, Full), (&plain, Resumed)] {
            let way = Way { version, ..way.clone() }.showing(&ours);
            let config = Arc::new(way.config());
            for expected in [Full, second] {
                let stream = over(config.clone(), server).await.unwrap();
                assert_eq!(stream.get_ref().1.handshake_kind(), Some(expected), "{version:?}");
                // Tickets come with the first answer.
                let (send, connection) = h2::client::handshake(stream).await.unwrap();
                let ended = tokio::spawn(async { connection.await.map_err(|e| e.to_string()) });
                let line = Line { send, certificate: CertificateDer::from(vec![]), ended };
                line.call(ROOT, &path("GetVersion"), &()).await.unwrap();
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_ends_with_its_certificate() {
    let (certificates, own, way) = scene();
    let server = Server::run(&mut mutual(&own, &certificates.ca()));
    let mut short = named("short", &[]);
    let expiry = SystemTime::now() + Duration::from_secs(4);
    short.not_after = expiry.into();
    let (short, long) =
        (certificates.sign("short", &short), certificates.sign("long", &named("long", &[])));
    let short = way.clone().showing(&short);
    let line = short.open(&server).await.unwrap();
    let other = way.showing(&long).open(&server).await.unwrap();
    line.call(ROOT, &path("GetVersion"), &()).await.unwrap();
    assert!(SystemTime::now() < expiry, "the machine is too slow for this test");
    line.ends().await;
    assert!(SystemTime::now() + Duration::from_secs(1) > expiry, "it ended before its time");
    short.knocks(&server, ROOT).await.unwrap_err();
    other.call(ROOT, &path("GetVersion"), &()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_not_trusted_any_more_is_sent_away_and_others_stay() {
    let (ours, own, way) = scene();
    let others = Certificates::new();
    let folder = TempDir::new().unwrap();
    let ca = folder.path().join("ca.pem");
    let both = [ours.ca(), others.ca()].map(|ca| std::fs::read_to_string(ca).unwrap());
    std::fs::write(&ca, both.concat()).unwrap();
    let server = Server::run(&mut mutual(&own, &ca));
    let stays = way.clone().showing(&ours.sign("stays", &named("stays", &[])));
    let goes = way.showing(&others.sign("goes", &named("goes", &[])));
    let (staying, going) = (stays.open(&server).await.unwrap(), goes.open(&server).await.unwrap());
    // A stream that never ends by itself, and a call under way, on each.
    let watch = "/grpc.health.v1.Health/Watch";
    let mut streams = Vec::new();
    for line in [&staying, &going] {
        let (answer, mut body) = line.begin(None, watch).await.unwrap();
        body.send_data(frame(&[]), true).unwrap();
        let mut stream = answer.await.unwrap().into_body();
        next(&mut stream).await.unwrap().unwrap();
        streams.push(stream);
    }
    let (answer, mut body) = going.begin(ROOT, &path("GetVersion")).await.unwrap();
    going.call(ROOT, &path("GetVersion"), &()).await.unwrap();
    std::fs::copy(ours.ca(), &ca).unwrap();
    until("newcomers are refused", async || goes.knocks(&server, ROOT).await.is_err()).await;
    // What was under way may finish, and nothing more begins.
    until("the end is told", async || going.call(ROOT, &path("GetVersion"), &()).await.is_err())
        .await;
    body.send_data(frame(&[]), true).unwrap();
    assert_eq!(told(answer).await.unwrap().code, Code::Ok);
    assert!(next(&mut streams.remove(1)).await.is_none_or(|data| data.is_err()));
    going.ends().await;
    staying.call(ROOT, &path("GetVersion"), &()).await.unwrap();
    stays.knocks(&server, ROOT).await.unwrap();
    crate::support::signal(server.pid(), "TERM");
    // The stream of those who stay has gone on all the while: it hears of the end.
    let stopping = next(&mut streams.remove(0)).await.unwrap().unwrap();
    assert_eq!(&stopping[..], frame(&[8, 2]));
}
