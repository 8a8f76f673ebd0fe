//! What the flow itself costs: a line over engines that take no time.
//!
//! `cargo run --release -p sightline-flow --example overhead [-- PARTS_PER_S [PARTS [CAMERAS [WORKERS [RAISED]]]]]`
//! prints one JSON object: latency from trigger to verdict with nothing in it but our own, and CPU per view of all the
//! flow's threads (the caller's own is taken off). RAISED 0 leaves the threads' priorities alone; 1, the default,
//! raises them as a station does (`threads.priority`), and the caller's like a camera's.

use rustix::time::{ClockId, clock_gettime};
use sightline_frames::{TapSink, Tapped, TriggerSink, View};
use sightline_threads::{Place, Urgency};
use std::time::Duration;

#[path = "../tests/rig/mod.rs"]
mod rig;
use rig::*;

struct Nowhere;

impl sightline_flow::ResultSink for Nowhere {
    fn submit(&mut self, _: sightline_domain::InspectionResult, _: Box<[u8]>) {}
}

fn cpu(clock: ClockId) -> Duration {
    let t = clock_gettime(clock);
    Duration::new(t.tv_sec as u64, t.tv_nsec as u32)
}

fn main() {
    let mut args = std::env::args().skip(1).map(|a| a.parse::<u64>());
    let mut next = |default| args.next().and_then(Result::ok).unwrap_or(default);
    let (rate, parts, cameras, workers) = (next(200), next(4_000), next(4), next(2));
    let raised = next(1) == 1;
    let plan = plan(1, cameras as usize, Duration::from_secs(5));
    let first = build(plan, workers as usize, 1, &script());
    let options = Options {
        slots: 16,
        settings: Box::new(move |s| s.raised = raised),
        ..Options::default()
    };
    let rig = Rig::with_sink(first, options, Box::new(Nowhere));
    let caller = Place {
        core: None,
        urgency: raised.then_some(Urgency::Compute),
    };
    caller
        .take()
        .expect("permission to raise threads (CAP_SYS_NICE), or RAISED 0");
    let spacing = Duration::from_secs(1) / rate.max(1) as u32;
    let run = |from: u64, count: u64| {
        for n in from..from + count {
            let at = rig.clock.now();
            rig.triggers.trigger(trigger(n, at)).expect("taken");
            for camera in 0..cameras as u16 {
                let pool = &rig.pools[usize::from(camera)];
                let picture = Picture::default();
                let Some(lease) = lease(pool, camera, n, rig.clock.now(), picture) else {
                    continue;
                };
                let view = View {
                    lease,
                    reference: None,
                };
                rig.tap.deliver(Tapped::View(view)).expect("room");
            }
            std::thread::sleep(spacing);
        }
    };
    run(1, rate);
    rig.flow.wait_results(rate, PATIENCE);
    rig.flow.reset_stages();
    let (all, own) = (cpu(ClockId::ProcessCPUTime), cpu(ClockId::ThreadCPUTime));
    run(1 + rate, parts);
    rig.flow.wait_results(rate + parts, PATIENCE);
    let spent = cpu(ClockId::ProcessCPUTime) - all - (cpu(ClockId::ThreadCPUTime) - own);
    let c = rig.flow.counters();
    let views = (parts * cameras) as f64;
    let show = |s: sightline_flow::StageSummary| {
        format!(
            r#"{{"p50":{},"p99":{},"p999":{},"max":{}}}"#,
            s.p50_us, s.p99_us, s.p999_us, s.max_us
        )
    };
    println!(
        r#"{{"parts":{},"ok":{},"cameras":{cameras},"workers":{workers},"parts_per_s":{rate},"raised":{raised},"trigger_to_verdict_us":{},"own_us":{},"cpu_us_per_view":{:.1}}}"#,
        c.stages.own.count,
        c.line.ok,
        show(c.stages.trigger_to_verdict),
        show(c.stages.own),
        spent.as_secs_f64() * 1e6 / views,
    );
}
