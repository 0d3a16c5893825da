//! nginx with `grpc_pass`, which checks nothing. All limits that would end connections or touch
//! the disk are off.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::shared::child::Child;

/// Starts it on a free port.
pub(crate) fn start(upstream: SocketAddr) -> (Child, SocketAddr) {
    let folder = tempfile::tempdir().unwrap();
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let file = folder.path().join("nginx.conf");
    std::fs::write(&file, configuration(folder.path(), address, upstream)).unwrap();
    let started = Command::new("nginx")
        .arg("-c")
        .arg(&file)
        .args(["-p".as_ref(), folder.path().as_os_str()])
        .args(["-e", "stderr"])
        .stdin(Stdio::null())
        .spawn();
    let process = match started {
        Ok(process) => Child::new(process, Some(folder)),
        Err(e) => panic!(
            "nginx cannot be started ({e}). The benchmark compares with it: install it, on \
             Debian and Ubuntu with `apt-get install nginx-light`"
        ),
    };
    let until = Instant::now() + Duration::from_secs(10);
    while TcpStream::connect(address).is_err() {
        assert!(Instant::now() < until, "nginx does not listen; its log is above");
        thread::sleep(Duration::from_millis(20));
    }
    (process, address)
}

fn configuration(folder: &Path, address: SocketAddr, upstream: SocketAddr) -> String {
    let folder = folder.display();
    // As many as the gate has threads.
    let workers = thread::available_parallelism().unwrap();
    format!(
        "daemon off;
        worker_processes {workers};
        pid {folder}/pid;
        error_log stderr error;
        events {{ worker_connections 4096; }}
        http {{
            access_log off;
            client_body_temp_path {folder}/body;
            proxy_temp_path {folder}/proxy;
            fastcgi_temp_path {folder}/fastcgi;
            uwsgi_temp_path {folder}/uwsgi;
            scgi_temp_path {folder}/scgi;
            client_max_body_size 0;
            keepalive_requests 1000000000;
            keepalive_timeout 1h;
            upstream milvus {{
                server {upstream};
                keepalive 128;
                keepalive_requests 1000000000;
                keepalive_timeout 1h;
            }}
            server {{
                listen {address} http2;
                location / {{ grpc_pass grpc://milvus; }}
            }}
        }}\n"
    )
}
