//! Where pictures are decoded: threads of their own, and a budget for the memory that it takes.
//!
//! A decode on an async thread would hold up leases and progress; a hundred at once would fill the
//! memory. So whoever decodes first learns from the file's head what it will cost, waits until that
//! fits into the budget ([`PixelPool::reserve`]), and then works on one of a few threads
//! ([`PixelPool::run`]). First come, first served: a large picture waits until the smaller ones before
//! it are done, and the ones behind it wait for it, so that none starves.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytesize::ByteSize;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

/// What the budget is counted in, in bytes: a semaphore counts in 32 bits.
const UNIT: u64 = 64 * 1024;

/// A picture that does not fit into the whole budget.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "it needs {}, and all pictures together may take {} (worker.memory_budget)",
    ByteSize(*needed), ByteSize(*budget)
)]
pub struct NeverFits {
    /// Bytes.
    pub needed: u64,
    /// Bytes.
    pub budget: u64,
}

/// Threads for decoding, and their memory. Cheap to clone; clones share both.
#[derive(Clone, Debug)]
pub struct PixelPool {
    budget: u64,
    memory: Arc<Semaphore>,
    threads: (Arc<Semaphore>, usize),
    /// Bytes; the semaphore also counts as taken what it gathers for who is next.
    used: Arc<AtomicU64>,
    waiting: Arc<AtomicU64>,
}

/// Memory of the budget, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemoryUse {
    /// Reserved for decodes that run, or are about to.
    pub used: u64,
    /// The rest.
    pub free: u64,
    /// What those ask for who wait.
    pub waiting: u64,
}

impl PixelPool {
    /// So many bytes, and so many decodes at once; one at least.
    pub fn new(budget: u64, threads: usize) -> Self {
        let units = u32::try_from(budget / UNIT).unwrap_or(u32::MAX);
        Self {
            budget: u64::from(units) * UNIT,
            memory: Arc::new(Semaphore::new(units as usize)),
            threads: (Arc::new(Semaphore::new(threads.max(1))), threads.max(1)),
            used: Arc::default(),
            waiting: Arc::default(),
        }
    }

    /// Waits until so many bytes are free, after all who asked before. They are free again when the
    /// answer is dropped.
    ///
    /// # Errors
    ///
    /// [`NeverFits`], at once.
    pub async fn reserve(&self, bytes: u64) -> Result<Reservation, NeverFits> {
        let never = NeverFits { needed: bytes, budget: self.budget };
        let units = u32::try_from(bytes.div_ceil(UNIT)).map_err(|_| never)?;
        if bytes > self.budget {
            return Err(never);
        }
        let _waiting = Counted::new(&self.waiting, bytes);
        let permit = Arc::clone(&self.memory).acquire_many_owned(units).await;
        // The semaphore is never closed.
        let permit = permit.map_err(|_| never)?;
        Ok(Reservation { permit, used: Counted::new(&self.used, u64::from(units) * UNIT) })
    }

    /// Does work on one of the pool's threads. The reservation goes with it and comes back with its
    /// result. When nobody waits for the result any more, the work is told by its [`Stop`], and keeps
    /// thread and memory until it has really ended.
    ///
    /// # Errors
    ///
    /// The work panicked.
    pub async fn run<T: Send + 'static>(
        &self,
        reservation: Reservation,
        work: impl FnOnce(&Stop) -> T + Send + 'static,
    ) -> Result<(T, Reservation), tokio::task::JoinError> {
        let stop = Stop(CancellationToken::new());
        let _guard = stop.0.clone().drop_guard();
        // The semaphore is never closed.
        let thread = Arc::clone(&self.threads.0).acquire_owned().await.ok();
        let worked = tokio::task::spawn_blocking(move || {
            let _thread = thread;
            (work(&stop), reservation)
        });
        worked.await
    }

    /// Threads that work, and threads in all.
    pub fn threads(&self) -> (usize, usize) {
        let (threads, all) = &self.threads;
        (all - threads.available_permits(), *all)
    }

    /// How much of the budget is in use.
    pub fn memory(&self) -> MemoryUse {
        let used = self.used.load(Ordering::Relaxed);
        let waiting = self.waiting.load(Ordering::Relaxed);
        MemoryUse { used, free: self.budget.saturating_sub(used), waiting }
    }
}

/// Memory that was set aside for one picture.
#[derive(Debug)]
pub struct Reservation {
    permit: OwnedSemaphorePermit,
    used: Counted,
}

impl Reservation {
    /// Gives back all but so many bytes.
    pub fn shrink_to(&mut self, bytes: u64) {
        let keep = usize::try_from(bytes.div_ceil(UNIT)).unwrap_or(usize::MAX);
        let spare = self.permit.num_permits().saturating_sub(keep);
        drop(self.permit.split(spare));
        self.used.set(self.bytes());
    }

    /// What it holds.
    pub fn bytes(&self) -> u64 {
        self.permit.num_permits() as u64 * UNIT
    }
}

/// Tells work that nobody waits for its result any more.
#[derive(Clone, Debug)]
pub struct Stop(CancellationToken);

impl Stop {
    /// Whether to end at the next opportunity.
    pub fn asked(&self) -> bool {
        self.0.is_cancelled()
    }
}

/// A part of a sum, until it is dropped.
#[derive(Debug)]
struct Counted {
    sum: Arc<AtomicU64>,
    part: u64,
}

impl Counted {
    fn new(sum: &Arc<AtomicU64>, part: u64) -> Self {
        sum.fetch_add(part, Ordering::Relaxed);
        Self { sum: Arc::clone(sum), part }
    }

    fn set(&mut self, part: u64) {
        self.sum.fetch_add(part, Ordering::Relaxed);
        self.sum.fetch_sub(self.part, Ordering::Relaxed);
        self.part = part;
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.sum.fetch_sub(self.part, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::pin::pin;
    use std::sync::mpsc;
    use std::task::{Context, Poll, Waker};

    use super::*;

    const MIB: u64 = 1024 * 1024;

    fn is_ready<T>(future: std::pin::Pin<&mut impl Future<Output = T>>) -> bool {
        matches!(future.poll(&mut Context::from_waker(Waker::noop())), Poll::Ready(_))
    }

    #[tokio::test]
    async fn the_large_one_waits_for_all_and_all_wait_for_the_large_one() {
        let pool = PixelPool::new(100 * MIB, 4);
        let first = pool.reserve(60 * MIB).await.unwrap();
        let mut panorama = pin!(pool.reserve(100 * MIB));
        assert!(!is_ready(panorama.as_mut()));
        // It would fit, but the panorama would never get its turn.
        let mut small = pin!(pool.reserve(10 * MIB));
        assert!(!is_ready(small.as_mut()));
        assert_eq!(pool.memory(), MemoryUse { used: 60 * MIB, free: 40 * MIB, waiting: 110 * MIB });
        drop(first);
        let alone = panorama.await.unwrap();
        assert!(!is_ready(small.as_mut()));
        drop(alone);
        small.await.unwrap();
        assert_eq!(pool.memory(), MemoryUse { used: 0, free: 100 * MIB, waiting: 0 });
    }

    #[tokio::test]
    async fn what_would_never_fit_is_refused_at_once() {
        let pool = PixelPool::new(100 * MIB, 1);
        let _taken = pool.reserve(100 * MIB).await.unwrap();
        for needed in [100 * MIB + 1, u64::MAX] {
            let error = pool.reserve(needed).await.unwrap_err();
            assert_eq!(error, NeverFits { needed, budget: 100 * MIB });
        }
        let told = pool.reserve(600 * MIB).await.unwrap_err().to_string();
        assert!(told.contains("needs 600.0 MiB") && told.contains("100.0 MiB"), "{told}");
    }

    #[tokio::test]
    async fn who_gives_up_waiting_gives_way() {
        let pool = PixelPool::new(10 * MIB, 1);
        let taken = pool.reserve(6 * MIB).await.unwrap();
        {
            let mut large = pin!(pool.reserve(10 * MIB));
            assert!(!is_ready(large.as_mut()));
        }
        pool.reserve(4 * MIB).await.unwrap();
        drop(taken);
        assert_eq!(pool.memory(), MemoryUse { used: 0, free: 10 * MIB, waiting: 0 });
    }

    #[tokio::test]
    async fn work_that_was_cut_off_keeps_its_memory_until_it_ends() {
        let pool = PixelPool::new(10 * MIB, 1);
        let reservation = pool.reserve(8 * MIB).await.unwrap();
        let (began, begins) = tokio::sync::oneshot::channel();
        let (end, ends) = mpsc::channel::<()>();
        let (told, tells) = tokio::sync::oneshot::channel();
        let work = move |stop: &Stop| {
            began.send(()).unwrap();
            ends.recv().unwrap();
            told.send(stop.asked()).unwrap();
        };
        let cut_off = tokio::spawn({
            let pool = pool.clone();
            async move { pool.run(reservation, work).await }
        });
        begins.await.unwrap();
        assert_eq!(pool.threads(), (1, 1));
        cut_off.abort();
        assert!(cut_off.await.unwrap_err().is_cancelled());
        assert_eq!(pool.memory().used, 8 * MIB);
        let mut next = pin!(pool.reserve(10 * MIB));
        assert!(!is_ready(next.as_mut()));
        end.send(()).unwrap();
        assert!(tells.await.unwrap(), "it should have been told to stop");
        next.await.unwrap();
    }

    #[tokio::test]
    async fn a_panic_costs_neither_memory_nor_thread() {
        let pool = PixelPool::new(10 * MIB, 1);
        for _ in 0..3 {
            let reservation = pool.reserve(10 * MIB).await.unwrap();
            let error = pool.run(reservation, |_| panic!("a fault")).await.unwrap_err();
            assert!(error.is_panic());
        }
        assert_eq!((pool.memory().used, pool.threads()), (0, (0, 1)));
    }

    #[tokio::test]
    async fn what_is_not_needed_any_more_goes_to_the_next() {
        let pool = PixelPool::new(10 * MIB, 1);
        let reservation = pool.reserve(10 * MIB).await.unwrap();
        let mut next = pin!(pool.reserve(8 * MIB));
        assert!(!is_ready(next.as_mut()));
        let ((), mut reservation) = pool.run(reservation, |_| ()).await.unwrap();
        reservation.shrink_to(2 * MIB);
        assert_eq!(reservation.bytes(), 2 * MIB);
        next.await.unwrap();
        // Never more than there was.
        reservation.shrink_to(5 * MIB);
        assert_eq!(reservation.bytes(), 2 * MIB);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn no_more_work_at_once_than_there_are_threads() {
        let pool = PixelPool::new(100 * MIB, 2);
        let (now, most) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
        let works = (0..20).map(|_| {
            let (pool, now, most) = (pool.clone(), Arc::clone(&now), Arc::clone(&most));
            async move {
                let reservation = pool.reserve(MIB).await.unwrap();
                let work = move |_: &Stop| {
                    most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                    std::thread::yield_now();
                    now.fetch_sub(1, Ordering::SeqCst);
                };
                pool.run(reservation, work).await.unwrap();
            }
        });
        futures::future::join_all(works).await;
        assert!(most.load(Ordering::SeqCst) <= 2);
    }
}
