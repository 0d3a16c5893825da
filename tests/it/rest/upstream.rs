//! A Milvus that is none: REST that notes what reaches it, and gRPC that knows two databases and
//! one alias.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use milvus_rbac::rpc::proto::common::{KeyValuePair, Status};
use milvus_rbac::rpc::proto::service::milvus_service_server::{MilvusService, MilvusServiceServer};
use milvus_rbac::rpc::proto::service::*;
use tonic::transport::server::TcpIncoming;
use tonic::{Request, Response};

/// A request as it reached the upstream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Reached {
    pub(super) path: String,
    /// Header lines in lower case up to the colon.
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: String,
}

impl Reached {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(key, _)| key == name);
        found.map(|(_, value)| value.as_str())
    }
}

/// A REST upstream.
#[derive(Debug, Clone)]
pub(crate) struct Rest {
    pub(crate) url: String,
    reached: Arc<Mutex<Vec<Reached>>>,
    told: Arc<Mutex<Option<&'static str>>>,
}

const DESCRIBED: &str = r#"{"code":0,"data":{"aliases":["a1"],"collectionID":9007199254740993,"indexes":[{"indexName":"i1"}],"load":"LoadStateLoaded"},"message":""}"#;

impl Rest {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let rest = Self { url, reached: Arc::default(), told: Arc::default() };
        let served = rest.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                answer(stream.unwrap(), &served);
            }
        });
        rest
    }

    /// Answers this from now on, but to the routes that have answers of their own.
    pub(super) fn answer(&self, told: &'static str) {
        *self.told.lock().unwrap() = Some(told);
    }

    /// What has come since this was last asked.
    pub(super) fn take(&self) -> Vec<Reached> {
        std::mem::take(&mut *self.reached.lock().unwrap())
    }

    /// The one request that has come.
    pub(super) fn one(&self) -> Reached {
        let [one] = <[Reached; 1]>::try_from(self.take()).unwrap();
        one
    }
}

fn answer(mut stream: TcpStream, rest: &Rest) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut line = String::new();
    reader.read_line(&mut line).unwrap();
    let path = line.split(' ').nth(1).unwrap().to_owned();
    assert!(line.starts_with("POST ") && line.ends_with(" HTTP/1.1\r\n"), "{line}");
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        let Some((key, value)) = line.trim_end().split_once(": ") else { break };
        headers.push((key.to_ascii_lowercase(), value.to_owned()));
    }
    let mut reached = Reached { path, headers, body: String::new() };
    let length = reached.header("content-length").unwrap().parse().unwrap();
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    reached.body = String::from_utf8(body).unwrap();
    let body = match reached.path.as_str() {
        "/v2/vectordb/collections/list" => r#"{"code":0,"data":["c1","c2","c3"]}"#,
        "/v2/vectordb/collections/describe" => DESCRIBED,
        "/v2/vectordb/collections/flush" => "not JSON",
        _ => rest.told.lock().unwrap().unwrap_or(r#"{"data":{ },"code":0}"#),
    };
    rest.reached.lock().unwrap().push(reached);
    let length = body.len();
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {length}\r\nX-Theirs: 1\r\nConnection: close, X-Hop\r\nX-Hop: 1\r\n\r\n"
    );
    stream.write_all(format!("{head}{body}").as_bytes()).unwrap();
}

/// What a gRPC upstream was asked for, with its metadata.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Called {
    pub(super) name: &'static str,
    pub(super) database: String,
    pub(super) dbname: Option<String>,
    pub(super) authorization: Option<String>,
}

/// A gRPC upstream.
#[derive(Debug, Clone, Default)]
pub(super) struct Grpc {
    called: Arc<Mutex<Vec<Called>>>,
    /// The collection that `a1` stands for.
    pub(super) alias: Arc<Mutex<String>>,
}

impl Grpc {
    /// Starts one; its URL comes with it.
    pub(super) fn start() -> (Self, String) {
        let grpc = Self::default();
        let served = grpc.clone();
        let (send, url) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.unwrap().block_on(async {
                let incoming = TcpIncoming::bind("127.0.0.1:0".parse().unwrap()).unwrap();
                send.send(format!("http://{}", incoming.local_addr().unwrap())).unwrap();
                let server = tonic::transport::Server::builder();
                let service = MilvusServiceServer::new(served);
                server.clone().add_service(service).serve_with_incoming(incoming).await.unwrap();
            });
        });
        (grpc, url.recv().unwrap())
    }

    pub(super) fn take(&self) -> Vec<Called> {
        std::mem::take(&mut *self.called.lock().unwrap())
    }

    fn note<T>(&self, name: &'static str, database: &str, request: &Request<T>) {
        let text = |key: &str| Some(request.metadata().get(key)?.to_str().unwrap().to_owned());
        self.called.lock().unwrap().push(Called {
            name,
            database: database.to_owned(),
            dbname: text("dbname"),
            authorization: text("authorization"),
        });
    }
}

#[tonic::async_trait]
impl MilvusService for Grpc {
    async fn list_databases(
        &self,
        request: Request<ListDatabasesRequest>,
    ) -> Result<Response<ListDatabasesResponse>, tonic::Status> {
        self.note("ListDatabases", "", &request);
        let db_names = vec!["db1".to_owned(), "default".to_owned()];
        let (db_ids, created_timestamp) = (vec![1, 2], vec![3, 4]);
        let answer = ListDatabasesResponse { db_names, db_ids, created_timestamp, status: None };
        Ok(Response::new(answer))
    }

    async fn describe_database(
        &self,
        request: Request<DescribeDatabaseRequest>,
    ) -> Result<Response<DescribeDatabaseResponse>, tonic::Status> {
        self.note("DescribeDatabase", &request.get_ref().db_name, &request);
        let properties = vec![KeyValuePair { key: "k".to_owned(), value: "v".to_owned() }];
        let db_name = request.into_inner().db_name;
        let answer =
            DescribeDatabaseResponse { db_name, db_id: 7, properties, ..Default::default() };
        Ok(Response::new(answer))
    }

    async fn create_database(
        &self,
        request: Request<CreateDatabaseRequest>,
    ) -> Result<Response<Status>, tonic::Status> {
        self.note("CreateDatabase", &request.get_ref().db_name, &request);
        let status = match request.get_ref().db_name.as_str() {
            "full" => Status { code: 801, reason: "too many".to_owned(), ..Default::default() },
            // As versions before 2.3 tell it.
            "old" => Status { error_code: 1, reason: "no".to_owned(), ..Default::default() },
            _ => Status::default(),
        };
        Ok(Response::new(status))
    }

    async fn describe_alias(
        &self,
        request: Request<DescribeAliasRequest>,
    ) -> Result<Response<DescribeAliasResponse>, tonic::Status> {
        let collection = self.alias.lock().unwrap().clone();
        let answer = if request.into_inner().alias == "a1" {
            DescribeAliasResponse { collection, ..Default::default() }
        } else {
            let status = Some(Status { code: 1600, ..Default::default() });
            DescribeAliasResponse { status, ..Default::default() }
        };
        Ok(Response::new(answer))
    }
}
