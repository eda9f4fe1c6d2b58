//! Threads that make calls when they are told to, one at a time. They are started when they are
//! needed and may be ended at any time; actor 0 is the thread that asks.

use std::sync::mpsc::{Sender, channel};
use std::thread::JoinHandle;

use super::ACTORS;

/// A pointer on its way between threads.
#[derive(Clone, Copy)]
pub(crate) struct Pointer(pub(crate) *mut u8);

// SAFETY: the block behind it is used by one thread at a time, the one that was told to.
unsafe impl Send for Pointer {}

impl Pointer {
    /// The pointer, in the thread that it was sent to.
    pub(crate) fn get(self) -> *mut u8 {
        self.0
    }

    /// What `call` makes of it.
    ///
    /// # Safety
    /// That of `call`.
    pub(crate) unsafe fn pass(self, call: impl FnOnce(*mut u8) -> *mut u8) -> Self {
        Self(call(self.0))
    }
}

type Job = Box<dyn FnOnce() + Send>;

/// A thread that does what it is sent.
struct Actor {
    jobs: Sender<Job>,
    thread: JoinHandle<()>,
}

impl Actor {
    fn start() -> Self {
        let (jobs, inbox) = channel::<Job>();
        let thread = std::thread::spawn(move || inbox.into_iter().for_each(|job| job()));
        Self { jobs, thread }
    }
}

/// The threads that there are.
#[derive(Default)]
pub(crate) struct Actors([Option<Actor>; ACTORS]);

impl Actors {
    /// What `work` returns, done by thread `number`.
    pub(crate) fn call<R: Send + 'static>(
        &mut self,
        number: usize,
        work: impl FnOnce() -> R + Send + 'static,
    ) -> R {
        if number == 0 {
            return work();
        }
        let actor = self.0[number].get_or_insert_with(Actor::start);
        let (answer, answered) = channel();
        // An answer that nobody waits for can't be: the caller waits here.
        let job = move || drop(answer.send(work()));
        actor.jobs.send(Box::new(job)).expect("the thread waits for jobs");
        answered.recv().expect("the thread did the job")
    }

    /// Ends thread `number`, if it is there and not the caller's own.
    pub(crate) fn end(&mut self, number: usize) {
        if let Some(Actor { jobs, thread }) = self.0[number].take() {
            drop(jobs);
            thread.join().expect("the thread ended by itself");
        }
    }
}

impl Drop for Actors {
    fn drop(&mut self) {
        (1..ACTORS).for_each(|number| self.end(number));
    }
}
