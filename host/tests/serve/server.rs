//! The program that serves, on a free port.

use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::process::{Child, ChildStderr, Command, ExitStatus, Stdio};
use std::thread::sleep;
use std::time::Duration;

use ebt_model::Dtype;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::client::{Answer, Client, JSON};
use super::support::{configs, model};

/// Runs until it is dropped.
pub struct Server {
    child: Child,
    errors: BufReader<ChildStderr>,
    pub address: SocketAddr,
    pub report: Value,
    /// Holds the model.
    _folder: TempDir,
}

/// The name of the small model.
pub const SMALL: &str = "small";

impl Server {
    /// Serves a model of a few thousand weights.
    pub fn small(arguments: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("small.ebt");
        model(&configs()[0], false).save(&path, Dtype::F32).unwrap();
        Self::of(folder, &[&["--model", path.to_str().unwrap()], arguments].concat(), &[])
    }

    /// Serves the model of the program.
    pub fn sample(arguments: &[&str], environment: &[(&str, &str)]) -> Self {
        Self::of(tempfile::tempdir().unwrap(), arguments, environment)
    }

    fn of(folder: TempDir, arguments: &[&str], environment: &[(&str, &str)]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ebt"));
        let bind = if arguments.contains(&"--bind") { vec![] } else { vec!["--bind", "127.0.0.1:0"] };
        command.arg("serve").args(bind).arg("--json").args(arguments).envs(environment.iter().copied());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let mut errors = BufReader::new(child.stderr.take().unwrap());
        let mut report: Value = serde_json::from_str(&line).unwrap_or_else(|_| {
            let mut told = String::new();
            errors.read_to_string(&mut told).unwrap();
            panic!("{arguments:?}: {told}")
        });
        let address: SocketAddr = report["address"].take().as_str().unwrap().parse().unwrap();
        Self { child, errors, address: SocketAddr::new([127, 0, 0, 1].into(), address.port()), report, _folder: folder }
    }

    pub fn client(&self) -> Client {
        Client::new(self.address)
    }

    pub fn get(&self, path: &str) -> Answer {
        let mut client = self.client();
        client.send("GET", path, &[], b"");
        client.answer().unwrap()
    }

    pub fn post(&self, path: &str, body: &Value) -> Answer {
        let mut client = self.client();
        client.send("POST", path, &JSON, body.to_string().as_bytes());
        client.answer().unwrap()
    }

    pub fn complete(&self, request: &Value) -> Answer {
        self.post("/v1/completions", request)
    }

    /// The ids of a text.
    pub fn ids(&self, text: &str) -> Value {
        self.post("/tokenize", &json!({ "prompt": text })).good()["tokens"].take()
    }

    /// A number of `/metrics` by its name and labels; 0 where it is not there.
    pub fn metric(&self, name: &str) -> f64 {
        let answer = self.get("/metrics");
        let value = |line: &str| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok();
        answer.text().lines().find_map(value).unwrap_or(0.0)
    }

    /// Waits until a number of `/metrics` is such.
    pub fn until(&self, name: &str, holds: impl Fn(f64) -> bool) {
        let mut value = f64::NAN;
        for _ in 0..6000 {
            value = self.metric(name);
            if holds(value) {
                return;
            }
            sleep(Duration::from_millis(10));
        }
        panic!("{name} is {value}");
    }

    /// A line of `/proc/PID/status` in kB.
    #[cfg(target_os = "linux")]
    pub fn kilobytes(&self, name: &str) -> u64 {
        let text = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        line.trim_matches([':', ' ', '\t', 'k', 'B']).parse().unwrap()
    }

    #[cfg(unix)]
    pub fn signal(&self, name: &str) {
        let sent = Command::new("kill").args(["-s", name, &self.child.id().to_string()]).status().unwrap();
        assert!(sent.success());
    }

    /// Waits for a program that was asked to end; what it told.
    pub fn end(mut self) -> (ExitStatus, String) {
        let mut told = String::new();
        self.errors.read_to_string(&mut told).unwrap();
        (self.child.wait().unwrap(), told)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // one that has ended by itself is no failure
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
