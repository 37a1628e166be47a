//! Requests that wait for a session, in the order in which they came; no more than there is room for.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use prometheus_client::metrics::gauge::Gauge;
use tokio::sync::mpsc::Sender;

use super::answer::Event;
use super::request::Completion;

/// A request and where its answer goes.
#[derive(Debug)]
pub struct Job {
    /// What is asked for.
    pub request: Completion,
    /// The client; closed once it has left.
    pub client: Sender<Event>,
    /// When it must be done.
    pub deadline: Instant,
}

/// The requests that wait.
#[derive(Debug)]
pub struct Queue {
    waiting: Mutex<Waiting>,
    changed: Condvar,
    most: usize,
    /// Shows how many there are.
    gauge: Gauge,
    /// Whether those that are computed must end at once.
    ends: AtomicBool,
}

#[derive(Debug, Default)]
struct Waiting {
    jobs: VecDeque<Job>,
    /// Workers that wait for a request.
    idle: usize,
    closed: bool,
}

impl Queue {
    /// A queue of at most `most` requests beside those that a free session takes at once.
    pub fn new(most: usize, gauge: Gauge) -> Self {
        Self { waiting: Mutex::default(), changed: Condvar::new(), most, gauge, ends: AtomicBool::new(false) }
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        // no panic leaves it half changed
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn show(&self, waiting: &Waiting) {
        self.gauge.set(i64::try_from(waiting.jobs.len()).unwrap_or(i64::MAX));
    }

    /// Adds a request. Those whose clients have left make room.
    ///
    /// # Errors
    ///
    /// The request itself, where the queue is full or closed.
    pub fn push(&self, job: Job) -> Result<(), Box<Job>> {
        let mut waiting = self.lock();
        if waiting.jobs.len() >= self.most + waiting.idle {
            waiting.jobs.retain(|job| !job.client.is_closed());
        }
        if waiting.closed || waiting.jobs.len() >= self.most + waiting.idle {
            self.show(&waiting);
            return Err(Box::new(job));
        }
        waiting.jobs.push_back(job);
        self.show(&waiting);
        self.changed.notify_one();
        Ok(())
    }

    /// The next request, once there is one whose client is still there; none when the queue is closed and empty.
    pub fn next(&self) -> Option<Job> {
        let mut waiting = self.lock();
        loop {
            while let Some(job) = waiting.jobs.pop_front() {
                self.show(&waiting);
                if !job.client.is_closed() {
                    return Some(job);
                }
            }
            if waiting.closed {
                return None;
            }
            waiting.idle += 1;
            waiting = self.changed.wait(waiting).unwrap_or_else(PoisonError::into_inner);
            waiting.idle -= 1;
        }
    }

    /// Takes no more requests.
    pub fn close(&self) {
        self.lock().closed = true;
        self.changed.notify_all();
    }

    /// Makes what is computed end at once.
    pub fn end(&self) {
        self.ends.store(true, Ordering::Relaxed);
        self.close();
    }

    /// Whether what is computed must end at once.
    pub fn is_ending(&self) -> bool {
        self.ends.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ebt::Settings;
    use tokio::sync::mpsc::{Receiver, channel};

    fn job(n: usize) -> (Job, Receiver<Event>) {
        let (client, answers) = channel(1);
        let request = Completion {
            prompts: Vec::new(),
            n,
            tokens: 0,
            settings: Settings::default(),
            extents: ebt::SessionOptions::default(),
            rule: None,
            alternatives: None,
            stops: Vec::new(),
            echo: false,
            certificate: false,
            stream: None,
        };
        (Job { request, client, deadline: Instant::now() }, answers)
    }

    #[test]
    fn requests_leave_in_order_and_those_who_left_make_room() {
        let gauge = Gauge::default();
        let queue = Queue::new(2, gauge.clone());
        let (jobs, mut clients): (Vec<_>, Vec<_>) = (1..=4).map(job).unzip();
        let mut jobs = jobs.into_iter();
        let mut push = || queue.push(jobs.next().unwrap());
        assert!(push().is_ok() && push().is_ok());
        assert_eq!((push().map_err(|job| job.request.n), gauge.get()), (Err(3), 2));
        clients.remove(0);
        assert!(push().is_ok());
        assert_eq!(queue.next().map(|job| job.request.n), Some(2));
        queue.close();
        assert_eq!((queue.next().map(|job| job.request.n), gauge.get()), (Some(4), 0));
        assert!(queue.next().is_none() && queue.push(job(5).0).is_err() && !queue.is_ending());
        queue.end();
        assert!(queue.is_ending());
    }
}
