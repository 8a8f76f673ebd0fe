//! What each thread does: wait, take, turn its state machine, hand on.

mod batch;
mod hiring;
mod judge;
mod judge_sender;
mod result;
mod running;
mod worker;
mod worker_load;

pub(crate) use batch::BatchThread;
pub(crate) use hiring::{Hiring, Workers};
pub(crate) use judge::JudgeThread;
pub(crate) use judge_sender::JudgeSender;
pub(crate) use result::{ResultInput, ResultThread, ResultsMade};
pub(crate) use running::Threads;
pub(crate) use worker::{Offered, WorkerCommand, WorkerThread, take};
pub(crate) use worker_load::WorkerLoad;

use std::time::Duration;

/// Items taken in one go before what is due by time is looked after.
const BURST: usize = 64;
/// A thread without anything to wait for looks around so often.
const LOOK_AROUND: Duration = Duration::from_millis(500);
/// The judge looks around more often: parts and views that need nothing of it yet are told without waking it.
const JUDGE_LOOKS: Duration = Duration::from_millis(50);
