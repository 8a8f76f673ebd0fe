//! Frames: `u32` length (little endian), a postcard message, and what follows it (pixels).

use crate::WireError;
use serde::{Serialize, de::DeserializeOwned};
use std::io::{self, IoSlice, Read, Write};
use std::time::{Duration, Instant};

/// Longest frame a console may send, bytes.
pub const TO_STATION: usize = 64 << 10;
/// Longest frame a station may send, bytes: a picture of 1280 x 1024 in colour fits.
pub const TO_CONSOLE: usize = 4 << 20;
/// A frame that has begun must be whole after so long.
pub const PATIENCE: Duration = Duration::from_secs(5);

/// Writes a message and its tail as one frame.
///
/// # Errors
/// [`WireError::Io`], also when the other side does not read for longer than the socket's write timeout.
pub fn write(to: &mut impl Write, message: &impl Serialize, tail: &[u8]) -> Result<(), WireError> {
    write_encoded(to, &encode(message)?, tail)
}

/// The bytes of a message, to be written to several consoles.
///
/// # Errors
/// None of our messages fails to encode; the error is there for the type's sake.
pub fn encode(message: &impl Serialize) -> Result<Vec<u8>, WireError> {
    postcard::to_stdvec(message).map_err(|source| WireError::Garbage { length: 0, source })
}

/// Writes an encoded message and its tail.
///
/// # Errors
/// As [`write`].
pub fn write_encoded(to: &mut impl Write, message: &[u8], tail: &[u8]) -> Result<(), WireError> {
    let length = message.len() + tail.len();
    let header = u32::try_from(length)
        .ok()
        .filter(|_| length <= TO_CONSOLE)
        .ok_or(WireError::TooLong {
            most: TO_CONSOLE,
            found: length,
        })?
        .to_le_bytes();
    let mut parts = [
        IoSlice::new(&header),
        IoSlice::new(message),
        IoSlice::new(tail),
    ];
    let mut left = &mut parts[..];
    IoSlice::advance_slices(&mut left, 0);
    while !left.is_empty() {
        match to.write_vectored(left) {
            Ok(0) => return Err(io::Error::from(io::ErrorKind::WriteZero).into()),
            Ok(n) => IoSlice::advance_slices(&mut left, n),
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e.into()),
        }
    }
    Ok(())
}

/// Reads one frame of at most `most` bytes: the message, and `buffer` from the returned offset on is its tail.
///
/// # Errors
/// The frame is too long, is no message, or is not whole within [`PATIENCE`] (with a read timeout on the socket).
pub fn read<M: DeserializeOwned>(
    from: &mut impl Read,
    most: usize,
    buffer: &mut Vec<u8>,
) -> Result<(M, usize), WireError> {
    let mut header = [0; 4];
    from.read_exact(&mut header[..1])?;
    let until = Instant::now() + PATIENCE;
    fill(from, &mut header[1..], until)?;
    let found = u32::from_le_bytes(header) as usize;
    if found > most {
        return Err(WireError::TooLong { most, found });
    }
    buffer.resize(found, 0);
    fill(from, buffer, until)?;
    let garbage = |source| WireError::Garbage {
        length: found,
        source,
    };
    let (message, tail) = postcard::take_from_bytes::<M>(buffer).map_err(garbage)?;
    let offset = found - tail.len();
    Ok((message, offset))
}

/// Like `read_exact`, but a sender that drips bytes comes to its end.
fn fill(from: &mut impl Read, mut buffer: &mut [u8], until: Instant) -> Result<(), WireError> {
    while !buffer.is_empty() {
        match from.read(buffer) {
            Ok(0) => return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into()),
            Ok(n) => buffer = &mut buffer[n..],
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e.into()),
        }
        if !buffer.is_empty() && Instant::now() > until {
            return Err(io::Error::from(io::ErrorKind::TimedOut).into());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Ask, PreviewRequest, ToStation};
    use proptest::prelude::*;

    #[test]
    fn a_message_and_its_pixels_come_back() {
        let wishes = vec![PreviewRequest {
            camera: 3,
            width: 320,
            height: 180,
        }];
        let message = ToStation::Watch(wishes);
        let mut bytes = Vec::new();
        write(&mut bytes, &message, b"pixels").unwrap();
        let mut buffer = Vec::new();
        let (back, tail) =
            read::<ToStation>(&mut bytes.as_slice(), TO_STATION, &mut buffer).unwrap();
        assert_eq!((back, &buffer[tail..]), (message, &b"pixels"[..]));
    }

    #[test]
    fn a_length_without_bound_is_refused_before_it_is_allocated() {
        let mut buffer = Vec::new();
        let bytes = [u32::MAX.to_le_bytes().as_slice(), b"x"].concat();
        let refused = read::<ToStation>(&mut bytes.as_slice(), TO_STATION, &mut buffer);
        assert!(
            matches!(refused, Err(WireError::TooLong { found, .. }) if found == u32::MAX as usize)
        );
        assert_eq!(buffer.capacity(), 0);
    }

    #[test]
    fn nothing_longer_than_the_bound_is_sent() {
        let sent = write(&mut io::sink(), &ToStation::Alive, &vec![0; TO_CONSOLE]);
        assert!(matches!(sent, Err(WireError::TooLong { .. })));
    }

    proptest! {
        #[test]
        fn garbage_is_an_error_or_a_message_never_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let frame = [(bytes.len() as u32).to_le_bytes().as_slice(), &bytes].concat();
            let mut buffer = Vec::new();
            if let Ok((message, tail)) = read::<ToStation>(&mut frame.as_slice(), TO_STATION, &mut buffer) {
                prop_assert!(tail <= bytes.len());
                let _: Option<Ask> = match message { ToStation::Ask { ask, .. } => Some(ask), _ => None };
            }
        }

        #[test]
        fn a_frame_cut_anywhere_is_an_error(cut in 0usize..12) {
            let mut bytes = Vec::new();
            let hello = ToStation::hello("a console");
            write(&mut bytes, &hello, &[]).unwrap();
            prop_assume!(cut < bytes.len());
            let mut buffer = Vec::new();
            prop_assert!(read::<ToStation>(&mut &bytes[..cut], TO_STATION, &mut buffer).is_err());
        }
    }
}
