//! A client of HTTP/1.1 that does nothing by itself.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};

use serde_json::Value;

/// A connection.
pub struct Client {
    stream: BufReader<TcpStream>,
}

/// The head of an answer.
#[derive(Clone, Debug)]
pub struct Head {
    pub status: u16,
    lines: Vec<String>,
}

/// An answer.
#[derive(Clone, Debug)]
pub struct Answer {
    pub head: Head,
    pub body: Vec<u8>,
}

impl Head {
    pub fn header(&self, name: &str) -> Option<&str> {
        let of = |line: &&String| line.split_once(':').is_some_and(|(n, _)| n.eq_ignore_ascii_case(name));
        self.lines.iter().find(of).and_then(|line| line.split_once(':')).map(|(_, value)| value.trim())
    }
}

impl Answer {
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    /// The JSON of an answer that succeeded.
    pub fn good(&self) -> Value {
        assert_eq!(self.head.status, 200, "{}", self.text());
        self.json()
    }

    /// Status, field and sentence of an answer that is an error object.
    pub fn refusal(&self) -> (u16, Option<String>, String) {
        let error = &self.json()["error"];
        assert!(error["type"].is_string() && error.get("code").is_some(), "{error}");
        (self.head.status, error["param"].as_str().map(String::from), error["message"].as_str().unwrap().to_owned())
    }

    /// The objects of an answer in events, which must end with `[DONE]`.
    pub fn events(&self) -> Vec<Value> {
        assert_eq!(self.head.status, 200, "{}", self.text());
        assert_eq!(self.head.header("content-type"), Some("text/event-stream"));
        let mut lines: Vec<&str> = self.text().split("\n\n").collect();
        assert_eq!((lines.pop(), lines.pop()), (Some(""), Some("data: [DONE]")));
        lines.iter().map(|line| serde_json::from_str(line.strip_prefix("data: ").unwrap()).unwrap()).collect()
    }
}

impl Client {
    pub fn new(address: SocketAddr) -> Self {
        Self { stream: BufReader::new(TcpStream::connect(address).unwrap()) }
    }

    /// Sends bytes as they are; false where the other side does not take them.
    pub fn raw(&mut self, bytes: &[u8]) -> bool {
        self.stream.get_mut().write_all(bytes).is_ok()
    }

    /// Sends nothing more.
    pub fn end(&mut self) {
        // the other side may have ended already
        let _ = self.stream.get_mut().shutdown(Shutdown::Write);
    }

    /// Sends a request.
    pub fn send(&mut self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> bool {
        let mut head = format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n", body.len());
        for (name, value) in headers {
            head += &format!("{name}: {value}\r\n");
        }
        self.raw(&[format!("{head}\r\n").as_bytes(), body].concat())
    }

    /// Sends JSON to be continued.
    pub fn ask(&mut self, request: &Value) {
        assert!(self.send("POST", "/v1/completions", &JSON, request.to_string().as_bytes()));
    }

    /// The next line; none at the end.
    pub fn line(&mut self) -> Option<String> {
        let mut line = Vec::new();
        let count = self.stream.read_until(b'\n', &mut line).ok()?;
        (count > 0).then(|| String::from_utf8_lossy(&line).trim_end_matches(['\r', '\n']).to_owned())
    }

    pub fn head(&mut self) -> Option<Head> {
        let status = self.line()?.split(' ').nth(1)?.parse().ok()?;
        let lines = std::iter::from_fn(|| self.line().filter(|line| !line.is_empty())).collect();
        Some(Head { status, lines })
    }

    /// A whole answer; none where the connection ends before.
    pub fn answer(&mut self) -> Option<Answer> {
        let head = self.head()?;
        let mut body = Vec::new();
        if head.header("transfer-encoding") == Some("chunked") {
            loop {
                let size = usize::from_str_radix(&self.line()?, 16).ok()?;
                let start = body.len();
                body.resize(start + size, 0);
                self.stream.read_exact(&mut body[start..]).ok()?;
                self.line()?;
                if size == 0 {
                    break;
                }
            }
        } else {
            body.resize(head.header("content-length").map_or(0, |length| length.parse().unwrap()), 0);
            self.stream.read_exact(&mut body).ok()?;
        }
        Some(Answer { head, body })
    }
}

/// The header of a body.
pub const JSON: [(&str, &str); 1] = [("Content-Type", "application/json; charset=utf-8")];
