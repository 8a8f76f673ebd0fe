//! The simulated line: drawn boards, belt, encoder, gate, faults and the truth book.
