//! What open transactions have queued.

use std::collections::HashMap;

/// Above so many keys in a queue the module gives up telling which.
const MOST_QUEUED: usize = 4096;

/// What transactions have queued. `K` is a key's name.
///
/// Servers from 7.2 on say which client sends a command; 7.0 does not. There, all clients are taken for one that may
/// have several transactions open: a key stays queued until none is. That can fail only if a client sends `EXEC` without
/// `MULTI` while another has a transaction open, and is noticed when that one executes: see [`OutOfStep`].
#[derive(Debug)]
pub struct Transactions<K> {
    open: HashMap<u64, Queue<K>>,
}

#[derive(Clone, Debug)]
struct Queue<K> {
    transactions: usize,
    queued: Queued<K>,
}

/// What transactions may change when they execute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Queued<K> {
    /// These keys.
    pub keys: Vec<K>,
    /// And any others.
    pub anything: bool,
}

/// More was executed than was known to be open.
#[derive(Debug, PartialEq, Eq)]
pub struct OutOfStep;

/// Stands for a client that the server does not identify.
pub const ANYBODY: u64 = 0;

impl<K> Default for Transactions<K> {
    fn default() -> Self {
        Self { open: HashMap::new() }
    }
}

impl<K> Default for Queued<K> {
    fn default() -> Self {
        Self { keys: Vec::new(), anything: false }
    }
}

impl<K: Clone> Transactions<K> {
    /// The client opens a transaction.
    pub fn begin(&mut self, client: u64) {
        let queue = self.open.entry(client).or_insert(Queue { transactions: 0, queued: Queued::default() });
        queue.transactions = if client == ANYBODY { queue.transactions + 1 } else { 1 };
    }

    /// Queues a key if the client may have a transaction open. The command may run at once all the same: `MULTI` may have
    /// been refused.
    pub fn queue(&mut self, client: u64, key: &K) {
        let Some(queue) = self.open.get_mut(&client) else { return };
        if queue.queued.keys.len() < MOST_QUEUED {
            queue.queued.keys.push(key.clone());
        } else {
            queue.queued = Queued { keys: Vec::new(), anything: true };
        }
    }

    /// The same for a command that may change any key.
    pub fn queue_anything(&mut self, client: u64) {
        if let Some(queue) = self.open.get_mut(&client) {
            queue.queued.anything = true;
        }
    }

    /// The client executes its transaction.
    ///
    /// # Errors
    /// [`OutOfStep`] if clients cannot be told apart and none is known to have one open.
    pub fn execute(&mut self, client: u64) -> Result<Queued<K>, OutOfStep> {
        match self.end(client) {
            None if client == ANYBODY => Err(OutOfStep),
            queued => Ok(queued.unwrap_or_default()),
        }
    }

    /// The client drops its transaction. With clients that cannot be told apart nothing is dropped.
    pub fn discard(&mut self, client: u64) -> Queued<K> {
        let queued = self.end(client).unwrap_or_default();
        if client == ANYBODY { queued } else { Queued::default() }
    }

    /// What a transaction that ends has queued; as long as others may be open, it stays queued too.
    fn end(&mut self, client: u64) -> Option<Queued<K>> {
        let queue = self.open.get_mut(&client)?;
        queue.transactions -= 1;
        if queue.transactions > 0 {
            return Some(queue.queued.clone());
        }
        self.open.remove(&client).map(|queue| queue.queued)
    }

    /// Whether clients that cannot be told apart have queued more than can be kept.
    pub fn is_overrun(&self) -> bool {
        self.open.get(&ANYBODY).is_some_and(|queue| queue.queued.anything)
    }

    /// Forgets clients that are gone; `is_there` says which are not.
    pub fn retain(&mut self, is_there: impl Fn(u64) -> bool) {
        self.open.retain(|client, _| *client == ANYBODY || is_there(*client));
    }

    /// Whether no transaction is open.
    pub fn is_empty(&self) -> bool {
        self.open.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clients_transaction_is_its_own() {
        let mut transactions = Transactions::default();
        transactions.queue(7, &"before");
        transactions.begin(7);
        transactions.begin(7);
        transactions.queue(7, &"a");
        transactions.queue(8, &"b");
        assert_eq!(transactions.execute(8), Ok(Queued::default()), "EXEC without MULTI");
        transactions.queue_anything(7);
        transactions.queue_anything(8);
        assert_eq!(transactions.execute(7), Ok(Queued { keys: vec!["a"], anything: true }));
        assert_eq!(transactions.execute(7), Ok(Queued::default()));
        transactions.begin(7);
        transactions.queue(7, &"d");
        assert_eq!(transactions.discard(7), Queued::default());
        assert_eq!(transactions.execute(7), Ok(Queued::default()));
        transactions.begin(9);
        transactions.retain(|client| client != 9);
        assert!(transactions.is_empty());
    }

    #[test]
    fn a_queue_that_grows_too_long_stands_for_anything() {
        let mut transactions = Transactions::default();
        transactions.begin(7);
        (0..=MOST_QUEUED).for_each(|key| transactions.queue(7, &key));
        assert!(!transactions.is_overrun());
        assert_eq!(transactions.execute(7).map(|queued| queued.anything), Ok(true));
        transactions.begin(ANYBODY);
        (0..=MOST_QUEUED).for_each(|key| transactions.queue(ANYBODY, &key));
        assert!(transactions.is_overrun());
    }

    #[test]
    fn clients_that_cannot_be_told_apart_share_a_queue_until_none_is_open() {
        let mut transactions = Transactions::default();
        let keys = |queued: Queued<i32>| queued.keys;
        transactions.begin(ANYBODY);
        transactions.queue(ANYBODY, &1);
        transactions.begin(ANYBODY);
        transactions.queue(ANYBODY, &2);
        assert_eq!(transactions.execute(ANYBODY).map(keys), Ok(vec![1, 2]));
        transactions.queue(ANYBODY, &3);
        assert_eq!(keys(transactions.discard(ANYBODY)), vec![1, 2, 3], "another may have executed in its place");
        assert_eq!(transactions.execute(ANYBODY), Err(OutOfStep));
    }
}
