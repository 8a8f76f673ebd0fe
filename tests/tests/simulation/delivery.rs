//! From the sink to the MES: commits, rounds of the uplink, the broker's answers.

use crate::holes::Hole;
use crate::troubles::Kind;
use crate::world::{Happening, World};
use rand::RngExt;
use std::time::Duration;

/// Results in flight at most.
const WINDOW: usize = 16;
/// After a refusal no result is sent for so long.
const HOLD: Duration = Duration::from_secs(1);

impl World {
    /// One try of the journal to commit.
    ///
    /// # Errors
    /// Invariant 4: a result is neither stored nor waiting nor lost and counted.
    pub fn commit(&mut self) -> Result<(), String> {
        let told = self.told_in_run;
        let Some(station) = &mut self.station else {
            return Ok(());
        };
        station.commits.turn();
        let (progress, queue) = (station.journal.progress(), station.journal.queue());
        self.trace
            .note("commit", &(progress.committed_to, progress.acknowledged_to));
        self.committed_to = self.committed_to.max(progress.committed_to);
        let settled = progress.stuck.is_none() && queue.len == 0;
        if settled && progress.committed + progress.lost != told {
            return Err(format!(
                "4, counters are conserved: {told} results were handed to the journal, {} are committed and {} lost",
                progress.committed, progress.lost
            ));
        }
        Ok(())
    }

    /// The connection is gone.
    pub fn cut(&mut self) {
        self.connection += 1;
        self.in_flight = 0;
        self.connected = false;
        if let Some(station) = &mut self.station {
            station.uplink.disconnected();
        }
    }

    /// One round of the uplink.
    ///
    /// # Errors
    /// Invariants 5 and 6, at the MES.
    pub fn send(&mut self) -> Result<(), String> {
        let (now, instant) = (self.now(), self.instant());
        let away = self.is(Kind::BrokerAway);
        if self.connected && away {
            self.cut();
        }
        let Some(station) = &mut self.station else {
            return Ok(());
        };
        station.uplink.turn(instant);
        if away {
            return Ok(());
        }
        if !self.connected {
            self.connected = true;
            station.uplink.connected();
        }
        while self.in_flight < WINDOW && now >= self.hold_until {
            let next = self.station.as_mut().and_then(|s| s.uplink.next_result());
            let Some(item) = next else { break };
            self.in_flight += 1;
            self.answer_later(item.seq, &item.json)?;
        }
        self.send_said();
        Ok(())
    }

    fn answer_later(&mut self, seq: u64, json: &bytes::Bytes) -> Result<(), String> {
        let no = self.is(Kind::BrokerRefuses) && self.dice.random_bool(0.5);
        self.refused_any |= no;
        if !no {
            self.mes.deliver(seq, json, !self.refused_any)?;
        }
        let connection = self.connection;
        if self.is(Kind::AnswersLost) && self.dice.random_bool(0.3) {
            self.in_ms(200, Happening::Cut(connection));
            return Ok(());
        }
        let after = self.dice.random_range(1..40);
        self.in_ms(
            after,
            Happening::Answer {
                connection,
                seq,
                yes: !no,
            },
        );
        Ok(())
    }

    /// The broker's answer to a result.
    pub fn answer(&mut self, connection: u64, seq: u64, yes: bool) {
        if connection != self.connection {
            return;
        }
        let Some(station) = &mut self.station else {
            return;
        };
        if !yes {
            station.uplink.refused();
            self.connection += 1;
            self.in_flight = 0;
            self.hold_until = self.now() + HOLD;
            return;
        }
        self.in_flight = self.in_flight.saturating_sub(1);
        if self.hole == Some(Hole::AnswersForAll) {
            for before in seq.saturating_sub(WINDOW as u64)..seq {
                station.uplink.acknowledged(before);
            }
        }
        station.uplink.acknowledged(seq);
    }

    fn send_said(&mut self) {
        let instant = self.instant();
        loop {
            let next = self
                .station
                .as_mut()
                .and_then(|s| s.uplink.next_said(instant));
            let Some((id, topic, _)) = next else {
                return;
            };
            let (connection, yes) = (self.connection, !self.is(Kind::BrokerRefuses));
            let answer = Happening::SaidAnswer {
                connection,
                id,
                topic,
                yes,
            };
            self.in_ms(5, answer);
        }
    }

    /// The broker's answer to a message beside the results.
    pub fn said_answer(&mut self, connection: u64, id: u64, topic: &str, yes: bool) {
        let instant = self.instant();
        if connection != self.connection {
            // a hold of results does not touch it, and a cut has it sent again
            return;
        }
        if let Some(station) = &mut self.station {
            match yes {
                true => station.uplink.said_taken(id, topic),
                false => station.uplink.said_refused(id, topic, instant),
            }
        }
    }

    /// What is left is delivered at once, by a broker that takes everything.
    pub fn deliver_rest(&mut self) -> Result<(), String> {
        self.clock.advance(Duration::from_millis(20));
        let instant = self.instant();
        let (in_order, mes) = (!self.refused_any, &mut self.mes);
        let Some(station) = &mut self.station else {
            return Ok(());
        };
        station.commits.turn();
        station.uplink.connected();
        station.uplink.turn(instant);
        station.uplink.refused();
        while let Some(item) = station.uplink.next_result() {
            mes.deliver(item.seq, &item.json, in_order)?;
            station.uplink.acknowledged(item.seq);
        }
        Ok(())
    }
}
