//! How fast a backlog drains, and what a result costs the uplink's thread:
//! `cargo run --release -p sightline-uplink --example drain -- mqtt://127.0.0.1:1883 [RESULTS] [BYTES] [RATE_PER_S]`
//!
//! Without a rate everything is handed over before the broker is asked; with one, results come paced as on a line.

use sightline_configs::station::{Identity, Mqtt};
use sightline_domain::SystemClock;
use sightline_uplink::{Uplink, UplinkSettings};
use std::sync::Arc;
use std::time::{Duration, Instant};

fn main() {
    let mut arguments = std::env::args().skip(1);
    let broker = arguments
        .next()
        .expect("the broker, e.g. mqtt://127.0.0.1:1883");
    let mut number = |default: u64| {
        arguments
            .next()
            .map_or(default, |n| n.parse().expect("a number"))
    };
    let (results, bytes, rate) = (number(50_000), number(1_500), number(0));
    let level = |s: &str| s.to_string();
    let identity = Identity {
        enterprise: level("bench"),
        site: level("bench"),
        area: level("bench"),
        line: level("bench"),
        cell: level("bench"),
        name: level("drain"),
    };
    let mqtt = Mqtt {
        outbox: results as usize,
        ..Mqtt::to(&broker)
    };
    let clock = Arc::new(SystemClock::default());
    let uplink = Uplink::start(UplinkSettings::new(identity, mqtt, clock));
    let uplink = uplink.expect("the uplink starts");
    let padding = "x".repeat((bytes as usize).saturating_sub(60));
    let start = Instant::now();
    for seq in 1..=results {
        if let Some(due) = (rate > 0).then(|| Duration::from_secs_f64(seq as f64 / rate as f64)) {
            std::thread::sleep(due.saturating_sub(start.elapsed()));
        }
        let json = format!("{{\"seq\":{seq},\"padding\":\"{padding}\",\"replayed\":false}}");
        uplink.submit(seq, json).expect("room");
    }
    while uplink.counters().acknowledged < results {
        std::thread::sleep(Duration::from_millis(1));
    }
    let took = start.elapsed();
    let cpu = thread_cpu_us("sl-uplink");
    println!(
        "{results} results of {bytes} bytes in {:.2} s: {:.0} a second, {:.1} us of the uplink thread's processor time each",
        took.as_secs_f64(),
        results as f64 / took.as_secs_f64(),
        cpu as f64 / results as f64
    );
}

/// Processor time of a thread of this process, from the scheduler's own nanoseconds.
fn thread_cpu_us(name: &str) -> u64 {
    let tasks = std::fs::read_dir("/proc/self/task").expect("procfs");
    let of = |task: std::path::PathBuf| {
        let comm = std::fs::read_to_string(task.join("comm")).ok()?;
        let stat = std::fs::read_to_string(task.join("schedstat")).ok()?;
        let ns = stat.split_whitespace().next()?.parse::<u64>().ok()?;
        (comm.trim() == name).then_some(ns / 1_000)
    };
    tasks.filter_map(|t| of(t.ok()?.path())).sum()
}
