//! Every interleaving of the ledger's threads, under loom. The channel inside is not loom's: each of its steps is
//! one indivisible step here, which is what it promises.

use crate::{
    Closed, SendError, bounded, bounded_weighed,
    ledger::{Ledger, Patience, Refusal},
    sync::{Arc, Mutex},
};
use loom::thread;

#[test]
fn bytes_in_the_queue_never_pass_the_bound() {
    loom::model(|| {
        let ledger = Arc::new(Ledger::new(8, Some(10)));
        let threads: Vec<_> = [6, 5]
            .into_iter()
            .map(|weight| {
                let ledger = Arc::clone(&ledger);
                thread::spawn(move || {
                    let booking = Ledger::book(&ledger, weight, Patience::Wait).unwrap();
                    ledger.entered();
                    assert!(ledger.books().bytes <= 10, "both were let in");
                    drop(booking);
                })
            })
            .collect();
        for thread in threads {
            thread.join().unwrap();
        }
        assert_eq!((ledger.books().bytes, ledger.books().len), (0, 0));
    });
}

#[test]
fn a_sender_that_waits_for_bytes_is_woken_by_the_release() {
    loom::model(|| {
        let ledger = Arc::new(Ledger::new(8, Some(10)));
        let first = Ledger::book(&ledger, 10, Patience::Wait).unwrap();
        let second = {
            let ledger = Arc::clone(&ledger);
            thread::spawn(move || Ledger::book(&ledger, 10, Patience::Wait).map(drop))
        };
        drop(first);
        assert_eq!(second.join().unwrap(), Ok(()));
    });
}

#[test]
fn a_sender_that_waits_hears_that_the_last_receiver_is_gone() {
    loom::model(|| {
        let ledger = Arc::new(Ledger::new(8, Some(10)));
        let held = Ledger::book(&ledger, 10, Patience::Wait).unwrap();
        ledger.entered();
        let waiting = {
            let ledger = Arc::clone(&ledger);
            thread::spawn(move || Ledger::book(&ledger, 1, Patience::Wait).map(drop))
        };
        ledger.receiver_added();
        let other = {
            let ledger = Arc::clone(&ledger);
            thread::spawn(move || ledger.receiver_gone(|| {}))
        };
        ledger.receiver_gone(|| {});
        assert_eq!(waiting.join().unwrap(), Err(Refusal::Closed));
        other.join().unwrap();
        drop(held);
    });
}

#[test]
fn what_is_sent_refused_and_received_adds_up() {
    loom::model(|| {
        let (tx, rx) = bounded_weighed("q", 2, 10, |item: &usize| *item);
        let senders: Vec<_> = [7_usize, 6]
            .into_iter()
            .map(|item| {
                let tx = tx.clone();
                thread::spawn(move || match tx.try_send(item) {
                    Ok(()) => (1_u64, 0_u64),
                    Err(SendError::Full(back)) => {
                        assert_eq!(back, item);
                        (0, 1)
                    }
                    Err(SendError::Closed(_)) => panic!("the receiver lives"),
                })
            })
            .collect();
        let mut received = u64::from(rx.try_recv().is_some());
        let (mut sent, mut refused) = (0, 0);
        for sender in senders {
            let (s, r) = sender.join().unwrap();
            sent += s;
            refused += r;
        }
        received += rx.drain().count() as u64;
        let snapshot = rx.gauge().snapshot();
        assert_eq!((snapshot.sent, snapshot.refused), (sent, refused));
        assert_eq!((sent, sent + refused), (received, 2));
        assert_eq!((snapshot.len, snapshot.bytes), (0, 0));
    });
}

#[test]
fn what_enters_while_the_queue_closes_is_discarded_too() {
    loom::model(|| {
        let ledger = Arc::new(Ledger::new(8, Some(10)));
        // stands for the channel, with a step between being booked and being in it
        let channel = Arc::new(Mutex::new(Vec::new()));
        let sender = {
            let (ledger, channel) = (Arc::clone(&ledger), Arc::clone(&channel));
            thread::spawn(move || {
                if let Ok(booking) = Ledger::book(&ledger, 1, Patience::Try) {
                    channel.lock().unwrap().push(booking);
                    ledger.entered();
                }
            })
        };
        ledger.receiver_gone(|| channel.lock().unwrap().clear());
        sender.join().unwrap();
        assert!(channel.lock().unwrap().is_empty(), "it stayed behind");
        assert_eq!(ledger.books().len, 0);
    });
}

#[test]
fn closing_under_a_send_loses_no_item_and_no_byte() {
    loom::model(|| {
        let token = std::sync::Arc::new(());
        let (tx, rx) = bounded_weighed("q", 4, 10, |_: &std::sync::Arc<()>| 8);
        let gauge = tx.gauge();
        tx.try_send(std::sync::Arc::clone(&token)).unwrap();
        let sender = {
            let item = std::sync::Arc::clone(&token);
            thread::spawn(move || match tx.send(item) {
                Ok(()) => {}
                Err(Closed(item)) => drop(item),
            })
        };
        drop(rx);
        sender.join().unwrap();
        assert_eq!((gauge.snapshot().bytes, gauge.snapshot().len), (0, 0));
        assert_eq!(
            std::sync::Arc::strong_count(&token),
            1,
            "an item stayed behind"
        );
    });
}

#[test]
fn senders_blocked_on_items_all_get_through() {
    loom::model(|| {
        let (tx, rx) = bounded("q", 1);
        let sender = {
            let tx = tx.clone();
            thread::spawn(move || tx.send(1).unwrap())
        };
        let mut got = 0;
        tx.try_send(2)
            .unwrap_or_else(|refused| got += refused.into_inner());
        while got < 3 {
            match rx.try_recv() {
                Some(item) => got += item,
                None => thread::yield_now(),
            }
        }
        sender.join().unwrap();
        assert_eq!(rx.gauge().snapshot().len, 0);
    });
}
