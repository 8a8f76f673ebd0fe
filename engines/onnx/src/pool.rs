//! The threads that one session works with beside the caller's: ONNX Runtime has them started here, so that they have a
//! name and can be told from all others.

use ort::environment::ThreadManager;
use sightline_threads::Team;
use std::thread::JoinHandle;

/// Starts a session's threads and keeps which they are.
#[derive(Clone, Default)]
pub(crate) struct Pool(pub Team);

impl ThreadManager for Pool {
    type Thread = JoinHandle<()>;

    fn create(&self, work: impl FnOnce() + Send + 'static) -> ort::Result<Self::Thread> {
        let team = self.0.clone();
        let body = move || {
            team.join();
            work();
        };
        let builder = std::thread::Builder::new().name("sl-onnx".into());
        builder
            .spawn(body)
            .map_err(|e| ort::Error::new(e.to_string()))
    }

    fn join(thread: Self::Thread) -> ort::Result<()> {
        let panicked = |_| ort::Error::new("a thread of the session panicked");
        thread.join().map_err(panicked)
    }
}
