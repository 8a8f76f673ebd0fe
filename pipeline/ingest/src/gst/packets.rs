//! Lost RTP packets, by their sequence numbers, seen where packets become pictures: what a jitter buffer could still put in
//! order is in order here, and what comes too late the depayloader throws away.

use super::ledger::Loss;

/// Packets that come again or late by no more than this are thrown away; an older one is a sender's restart
/// (GStreamer's `max-reorder`).
const OLD: i16 = 100;

/// What matters of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Packet {
    pub(super) source: u32,
    pub(super) sequence: u16,
    /// The time that its picture will have.
    pub(super) pts: u64,
    /// It is its picture's last.
    pub(super) marker: bool,
}

/// What a packet says of those that did not come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Seen {
    InOrder,
    /// It will be thrown away.
    Old,
    Lost(Loss),
    /// Another sender; whether the last picture of the one before was whole.
    Restarted(Option<Loss>, Loss),
}

/// The packets of one stream.
#[derive(Debug, Default)]
pub(super) struct Packets {
    last: Option<Packet>,
    /// Pictures go on behind their last packet: the sender's markers mean something else.
    markers_lie: bool,
}

impl Packets {
    pub(super) fn see(&mut self, packet: Packet) -> Seen {
        let Some(last) = self.last.replace(packet) else {
            return Seen::InOrder;
        };
        let ended = last.marker && !self.markers_lie;
        if last.source != packet.source {
            let tail = (!ended).then_some(Loss {
                from: last.pts,
                to: last.pts,
                whole: false,
            });
            let between = Loss {
                from: packet.pts,
                to: packet.pts,
                whole: true,
            };
            return Seen::Restarted(tail, between);
        }
        match packet.sequence.wrapping_sub(last.sequence).cast_signed() {
            1 => {
                self.markers_lie |= last.marker && last.pts == packet.pts;
                Seen::InOrder
            }
            late if (-OLD..=0).contains(&late) => {
                self.last = Some(last);
                Seen::Old
            }
            _ => {
                let (a, b) = (last.pts, packet.pts);
                // the picture that had ended is whole
                let a = if ended && a < b { a + 1 } else { a };
                Seen::Lost(Loss {
                    from: a.min(b),
                    to: a.max(b),
                    whole: false,
                })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(sequence: u16, picture: u64, marker: bool) -> Packet {
        Packet {
            source: 7,
            sequence,
            pts: picture * 100,
            marker,
        }
    }

    fn loss(from: u64, to: u64) -> Seen {
        Seen::Lost(Loss {
            from,
            to,
            whole: false,
        })
    }

    #[test]
    fn a_gap_hits_the_pictures_to_its_sides_that_are_not_whole() {
        let mut packets = Packets::default();
        let mut see = |sequence, picture, marker| packets.see(packet(sequence, picture, marker));
        assert_eq!(see(65_534, 1, false), Seen::InOrder);
        assert_eq!(see(65_535, 1, true), Seen::InOrder);
        assert_eq!(see(0, 2, false), Seen::InOrder);
        assert_eq!(see(2, 2, true), loss(200, 200));
        assert_eq!(see(4, 3, true), loss(201, 300), "the one before had ended");
        assert_eq!(see(5, 4, false), Seen::InOrder);
        assert_eq!(see(7, 5, false), loss(400, 500), "its end is lost");
        assert_eq!(see(1_000, 5, true), loss(500, 500));
    }

    #[test]
    fn packets_again_or_late_are_no_further_loss() {
        let mut packets = Packets::default();
        let mut see = |sequence| packets.see(packet(sequence, u64::from(sequence / 4), false));
        assert_eq!(
            [see(9), see(9), see(10)],
            [Seen::InOrder, Seen::Old, Seen::InOrder]
        );
        assert!(matches!(see(12), Seen::Lost(_)));
        assert_eq!(
            [see(11), see(12), see(13)],
            [Seen::Old, Seen::Old, Seen::InOrder]
        );
        assert!(
            matches!(see(60_000), Seen::Lost(_)),
            "a sender that begins anew"
        );
    }

    #[test]
    fn another_sender_ends_what_was_under_way_and_harms_no_key_picture() {
        let mut packets = Packets::default();
        packets.see(packet(1, 1, true));
        let other = |source, sequence, marker| Packet {
            source,
            ..packet(sequence, 5, marker)
        };
        let between = Loss {
            from: 500,
            to: 500,
            whole: true,
        };
        assert_eq!(
            packets.see(other(8, 77, false)),
            Seen::Restarted(None, between)
        );
        let tail = Loss {
            whole: false,
            ..between
        };
        assert_eq!(
            packets.see(other(9, 1, true)),
            Seen::Restarted(Some(tail), between)
        );
    }

    #[test]
    fn markers_that_do_not_end_pictures_are_not_believed() {
        let mut packets = Packets::default();
        packets.see(packet(1, 1, true));
        packets.see(packet(2, 1, true));
        assert_eq!(packets.see(packet(4, 2, true)), loss(100, 200));
    }
}
