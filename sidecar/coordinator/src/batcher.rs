//! Batches without a timer: a batch is what queued up while the one before it was worked on.

use std::future::Future;

use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

/// The batcher is gone; a request gets no reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the batcher has ended")]
pub struct Ended;

struct Waiting<Req, Res> {
    request: Req,
    reply: oneshot::Sender<Res>,
}

/// Collects requests into batches and replies to each.
///
/// The work goes on to its end when a caller stops waiting. The task ends when the last handle is dropped and the queue is empty.
#[derive(Debug)]
pub struct Batcher<Req, Res> {
    queue: mpsc::Sender<Waiting<Req, Res>>,
}

impl<Req, Res> Clone for Batcher<Req, Res> {
    fn clone(&self) -> Self {
        Self {
            queue: self.queue.clone(),
        }
    }
}

/// How much goes into a batch.
#[derive(Debug, Clone, Copy)]
pub struct Bounds<Req> {
    /// How many requests a batch holds at most.
    pub requests: usize,
    /// The weight at which a batch is full; its last request may lift it over that.
    pub weight: usize,
    /// What a request weighs.
    pub weigh: fn(&Req) -> usize,
}

impl<Req> Bounds<Req> {
    /// Bounds the requests only.
    pub fn of_requests(requests: usize) -> Self {
        Self {
            requests,
            weight: 1,
            weigh: |_| 0,
        }
    }
}

/// Waits for a request and adds those that wait behind it, until the batch is full; returns nothing when there will be none any more.
async fn collect<Req, Res>(
    queued: &mut mpsc::Receiver<Waiting<Req, Res>>,
    bounds: &Bounds<Req>,
) -> Option<Vec<Waiting<Req, Res>>> {
    let mut next = queued.recv().await?;
    let mut batch = Vec::with_capacity(bounds.requests.min(queued.len() + 1));
    let mut weight = 0;
    loop {
        weight += (bounds.weigh)(&next.request);
        batch.push(next);
        if batch.len() >= bounds.requests || weight >= bounds.weight {
            return Some(batch);
        }
        match queued.try_recv() {
            Ok(waiting) => next = waiting,
            Err(_) => return Some(batch),
        }
    }
}

impl<Req: Send + 'static, Res: Send + 'static> Batcher<Req, Res> {
    /// Starts a batcher with batches within `bounds`; `work` returns the replies to a batch in its order.
    ///
    /// The returned task is to be awaited by the owner; it ends with the last handle.
    pub fn start<F, Fut>(bounds: Bounds<Req>, mut work: F) -> (Self, JoinHandle<()>)
    where
        F: FnMut(Vec<Req>) -> Fut + Send + 'static,
        Fut: Future<Output = Vec<Res>> + Send,
    {
        let (queue, mut queued) = mpsc::channel::<Waiting<Req, Res>>(bounds.requests * 2);
        let task = tokio::spawn(async move {
            while let Some(batch) = collect(&mut queued, &bounds).await {
                let (requests, replies): (Vec<_>, Vec<_>) = batch
                    .into_iter()
                    .map(|waiting| (waiting.request, waiting.reply))
                    .unzip();
                for (reply, result) in replies.into_iter().zip(work(requests).await) {
                    // A caller that went away does not need its reply.
                    let _ = reply.send(result);
                }
            }
        });
        (Self { queue }, task)
    }

    /// Waits for the reply to a request.
    ///
    /// # Errors
    /// [`Ended`] when the batcher is gone; whether the request was worked on is unknown then.
    pub async fn ask(&self, request: Req) -> Result<Res, Ended> {
        let (reply, replied) = oneshot::channel();
        self.queue
            .send(Waiting { request, reply })
            .await
            .map_err(|_| Ended)?;
        replied.await.map_err(|_| Ended)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use tokio::sync::Semaphore;

    use super::*;

    #[tokio::test]
    async fn what_queues_while_a_batch_is_worked_on_is_the_next_batch() {
        let sizes = Arc::new(Mutex::new(Vec::new()));
        let gate = Arc::new(Semaphore::new(0));
        let (seen, door) = (Arc::clone(&sizes), Arc::clone(&gate));
        let bounds = Bounds::of_requests(16);
        let (batcher, task) = Batcher::start(bounds, move |batch: Vec<u32>| {
            let (seen, door) = (Arc::clone(&seen), Arc::clone(&door));
            async move {
                seen.lock().unwrap().push(batch.len());
                door.acquire().await.unwrap().forget();
                batch.into_iter().map(|n| n * 2).collect()
            }
        });
        let mut first = Box::pin(batcher.ask(1));
        assert!(futures::poll!(&mut first).is_pending());
        while sizes.lock().unwrap().is_empty() {
            tokio::task::yield_now().await;
        }
        let mut rest: Vec<_> = (2..5).map(|n| Box::pin(batcher.ask(n))).collect();
        for ask in &mut rest {
            assert!(futures::poll!(ask).is_pending());
        }
        gate.add_permits(2);
        assert_eq!(first.await, Ok(2));
        assert_eq!(futures::future::join_all(rest).await, [Ok(4), Ok(6), Ok(8)]);
        assert_eq!(*sizes.lock().unwrap(), [1, 3]);
        drop(batcher);
        task.await.unwrap();
    }
    #[tokio::test]
    async fn a_batch_is_full_with_its_count_or_its_weight() {
        let (sender, mut queued) = mpsc::channel(16);
        for request in [1, 1, 1, 1, 5, 9, 1] {
            let (reply, _) = oneshot::channel::<()>();
            sender.send(Waiting { request, reply }).await.unwrap();
        }
        drop(sender);
        let bounds = Bounds {
            requests: 3,
            weight: 6,
            weigh: |request: &usize| *request,
        };
        let mut sizes = Vec::new();
        while let Some(batch) = collect(&mut queued, &bounds).await {
            sizes.push(batch.len());
        }
        assert_eq!(sizes, [3, 2, 1, 1]);
    }
}
