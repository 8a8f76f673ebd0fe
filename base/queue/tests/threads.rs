//! The queue between real threads.

use sightline_queue::{Closed, RecvTimeout, SendError, bounded, bounded_weighed};
use std::{
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

#[test]
fn full_in_items_is_refused_counted_and_handed_back() {
    let (tx, rx) = bounded("tap", 2);
    tx.try_send(1).unwrap();
    tx.try_send(2).unwrap();
    assert_eq!(tx.try_send(3), Err(SendError::Full(3)));
    assert_eq!(rx.recv(), Ok(1));
    tx.try_send(4).unwrap();
    let seen = rx.gauge().snapshot();
    assert_eq!(&*seen.name, "tap");
    assert_eq!((seen.capacity, seen.len, seen.high_water), (2, 2, 2));
    assert_eq!((seen.sent, seen.refused), (3, 1));
    assert_eq!((seen.bytes, seen.max_bytes), (0, None));
    assert_eq!(rx.drain().collect::<Vec<_>>(), [2, 4]);
    assert_eq!(tx.gauge().snapshot().len, 0);
}

#[test]
fn full_in_bytes_is_refused_and_a_giant_passes_alone() {
    let (tx, rx) = bounded_weighed("pictures", 8, 100, Vec::len);
    tx.try_send(vec![0_u8; 60]).unwrap();
    assert!(matches!(tx.try_send(vec![0; 41]), Err(SendError::Full(_))));
    tx.try_send(vec![0; 40]).unwrap();
    assert_eq!(tx.gauge().snapshot().bytes, 100);
    assert!(matches!(tx.try_send(vec![0; 500]), Err(SendError::Full(_))));
    assert_eq!(rx.drain().count(), 2);
    tx.try_send(vec![0; 500]).unwrap();
    assert!(matches!(tx.try_send(vec![0; 1]), Err(SendError::Full(_))));
    assert_eq!(rx.recv().unwrap().len(), 500);
    let seen = tx.gauge().snapshot();
    assert_eq!(
        (seen.bytes, seen.len, seen.sent, seen.refused),
        (0, 0, 3, 3)
    );
}

#[test]
fn a_blocked_send_goes_on_when_bytes_come_free() {
    let (tx, rx) = bounded_weighed("pictures", 8, 10, Vec::len);
    tx.send(vec![0_u8; 10]).unwrap();
    let sender = thread::spawn(move || tx.send(vec![0; 4]));
    assert_eq!(rx.recv().unwrap().len(), 10);
    assert_eq!(rx.recv().unwrap().len(), 4);
    sender.join().unwrap().unwrap();
    assert_eq!(rx.recv(), Err(Closed(())));
}

#[test]
fn closing_wakes_senders_blocked_on_items_and_on_bytes() {
    for (capacity, max_bytes) in [(1, 100), (8, 1)] {
        let (tx, rx) = bounded_weighed("q", capacity, max_bytes, |_: &u8| 1);
        let gauge = tx.gauge();
        tx.send(1).unwrap();
        let sender = thread::spawn(move || tx.send(2));
        thread::sleep(Duration::from_millis(20));
        drop(rx);
        assert_eq!(sender.join().unwrap(), Err(Closed(2)));
        assert_eq!((gauge.snapshot().bytes, gauge.snapshot().len), (0, 0));
    }
}

#[test]
fn the_last_receiver_drops_what_is_queued_even_while_senders_live() {
    let token = Arc::new(());
    let (tx, rx) = bounded("leases", 4);
    let other = rx.clone();
    tx.send(Arc::clone(&token)).unwrap();
    drop(rx);
    assert_eq!(Arc::strong_count(&token), 2);
    drop(other);
    assert_eq!(Arc::strong_count(&token), 1);
    assert!(matches!(tx.send(token), Err(Closed(_))));
}

#[test]
fn waiting_ends_by_time_or_by_close() {
    let (tx, rx) = bounded::<u8>("q", 1);
    let wait = Duration::from_millis(5);
    assert_eq!(rx.recv_timeout(wait), Err(RecvTimeout::Timeout));
    assert_eq!(rx.recv_deadline(Instant::now()), Err(RecvTimeout::Timeout));
    assert_eq!(rx.try_recv(), None);
    tx.send(7).unwrap();
    drop(tx);
    assert_eq!(rx.recv_timeout(wait), Ok(7));
    assert_eq!(rx.recv_timeout(wait), Err(RecvTimeout::Closed));
}

#[test]
fn select_keeps_the_books() {
    let (tx_a, a) = bounded_weighed("a", 2, 10, |_: &u8| 5);
    let (_tx_b, b) = bounded::<u8>("b", 2);
    tx_a.send(1).unwrap();
    let got = crossbeam_channel::select! {
        recv(a.raw()) -> queued => queued.unwrap().into_inner(),
        recv(b.raw()) -> queued => queued.unwrap().into_inner(),
    };
    assert_eq!(got, 1);
    assert_eq!(
        (tx_a.gauge().snapshot().len, tx_a.gauge().snapshot().bytes),
        (0, 0)
    );
}

#[test]
fn nothing_is_lost_between_many_senders_and_receivers() {
    const EACH: u64 = 20_000;
    let (tx, rx) = bounded_weighed("busy", 16, 64, |item: &u64| (*item % 9) as usize);
    let senders: Vec<_> = (0..3)
        .map(|_| {
            let tx = tx.clone();
            thread::spawn(move || (0..EACH).for_each(|i| tx.send(i).unwrap()))
        })
        .collect();
    let receivers: Vec<_> = (0..2)
        .map(|_| {
            let rx = rx.clone();
            thread::spawn(move || std::iter::from_fn(|| rx.recv().ok()).sum::<u64>())
        })
        .collect();
    let gauge = tx.gauge();
    drop((tx, rx));
    for sender in senders {
        sender.join().unwrap();
    }
    let sum: u64 = receivers.into_iter().map(|r| r.join().unwrap()).sum();
    assert_eq!(sum, 3 * (EACH * (EACH - 1) / 2));
    let seen = gauge.snapshot();
    assert_eq!((seen.sent, seen.bytes, seen.len), (3 * EACH, 0, 0));
    assert!((1..=16).contains(&seen.high_water));
}
