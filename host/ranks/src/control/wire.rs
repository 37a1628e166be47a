//! Messages of the control channel: their length, what they are, and texts and bytes with their lengths, little endian.

use std::fmt;
use std::io::{self, Read, Write};

/// Bytes of the longest message.
pub const LONGEST: usize = 16 << 20;
/// Bytes of the longest message of somebody who has not yet said the secret.
pub const LONGEST_HELLO: usize = 4096;
/// What a greeting begins with: the protocol and its version.
const MAGIC: &str = "ebt-ranks 1";

/// A process, as people look for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peer {
    /// Its rank.
    pub rank: usize,
    /// Its machine.
    pub host: String,
    /// Its number there.
    pub pid: u32,
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "rank {} ({}, pid {})", self.rank, self.host, self.pid)
    }
}

/// The first words of a rank to rank 0.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hello {
    pub secret: String,
    /// The program and its version.
    pub version: String,
    pub world: usize,
    pub peer: Peer,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    Hello(Hello),
    /// All have arrived; this is rank 0.
    Welcome(Peer),
    /// Why there is no welcome.
    Refused(String),
    Value {
        name: String,
        bytes: Vec<u8>,
    },
    /// The sender is alive.
    Beat,
    /// Why the sender, or whom it speaks of, ends.
    LastWords(String),
    /// The sender has nothing more to say, and all is well.
    Leave,
}

/// Appends bytes with their length.
pub fn put(out: &mut Vec<u8>, bytes: &[u8]) {
    // what is longer than a message is refused before it is sent
    out.extend_from_slice(&(bytes.len() as u32).to_le_bytes());
    out.extend_from_slice(bytes);
}

/// Takes bytes with their length off the front; `None` if they are not all there.
pub fn take<'a>(from: &mut &'a [u8]) -> Option<&'a [u8]> {
    let (length, rest) = from.split_first_chunk()?;
    let (bytes, rest) = rest.split_at_checked(u32::from_le_bytes(*length) as usize)?;
    *from = rest;
    Some(bytes)
}

fn take_text(from: &mut &[u8]) -> Option<String> {
    String::from_utf8(take(from)?.to_vec()).ok()
}

fn take_number(from: &mut &[u8]) -> Option<u32> {
    let (number, rest) = from.split_first_chunk()?;
    *from = rest;
    Some(u32::from_le_bytes(*number))
}

fn put_peer(out: &mut Vec<u8>, peer: &Peer) {
    out.extend_from_slice(&(peer.rank as u32).to_le_bytes());
    out.extend_from_slice(&peer.pid.to_le_bytes());
    put(out, peer.host.as_bytes());
}

fn take_peer(from: &mut &[u8]) -> Option<Peer> {
    Some(Peer { rank: take_number(from)? as usize, pid: take_number(from)?, host: take_text(from)? })
}

impl Message {
    /// The message as it travels.
    ///
    /// # Errors
    ///
    /// More than [`LONGEST`] bytes.
    pub fn bytes(&self) -> io::Result<Vec<u8>> {
        let mut out = vec![0; 4];
        match self {
            Self::Hello(hello) => {
                out.push(0);
                [MAGIC, &hello.secret, &hello.version].iter().for_each(|text| put(&mut out, text.as_bytes()));
                out.extend_from_slice(&(hello.world as u32).to_le_bytes());
                put_peer(&mut out, &hello.peer);
            }
            Self::Welcome(peer) => {
                out.push(1);
                put_peer(&mut out, peer);
            }
            Self::Refused(why) => {
                out.push(2);
                put(&mut out, why.as_bytes());
            }
            Self::Value { name, bytes } => {
                out.push(3);
                put(&mut out, name.as_bytes());
                put(&mut out, bytes);
            }
            Self::Beat => out.push(4),
            Self::LastWords(why) => {
                out.push(5);
                put(&mut out, why.as_bytes());
            }
            Self::Leave => out.push(6),
        }
        let length = out.len() - 4;
        if length > LONGEST {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                format!("a message of {length} bytes is too long"),
            ));
        }
        out[..4].copy_from_slice(&(length as u32).to_le_bytes());
        Ok(out)
    }

    fn parse(bytes: &[u8]) -> Option<Self> {
        let (kind, mut rest) = bytes.split_first()?;
        let from = &mut rest;
        let message = match kind {
            0 if take(from)? == MAGIC.as_bytes() => Self::Hello(Hello {
                secret: take_text(from)?,
                version: take_text(from)?,
                world: take_number(from)? as usize,
                peer: take_peer(from)?,
            }),
            1 => Self::Welcome(take_peer(from)?),
            2 => Self::Refused(take_text(from)?),
            3 => Self::Value { name: take_text(from)?, bytes: take(from)?.to_vec() },
            4 => Self::Beat,
            5 => Self::LastWords(take_text(from)?),
            6 => Self::Leave,
            _ => return None,
        };
        rest.is_empty().then_some(message)
    }

    /// Sends the message.
    pub fn write(&self, mut to: impl Write) -> io::Result<()> {
        to.write_all(&self.bytes()?)
    }

    /// Receives the next message, of at most `longest` bytes.
    pub fn read(mut from: impl Read, longest: usize) -> io::Result<Self> {
        let mut length = [0; 4];
        from.read_exact(&mut length)?;
        let length = u32::from_le_bytes(length) as usize;
        let strange = || io::Error::new(io::ErrorKind::InvalidData, "no message of this program");
        if length > longest {
            return Err(strange());
        }
        let mut bytes = vec![0; length];
        from.read_exact(&mut bytes)?;
        Self::parse(&bytes).ok_or_else(strange)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn any_message() -> impl Strategy<Value = Message> {
        let peer = || (0_usize..99, "\\PC*", any::<u32>()).prop_map(|(rank, host, pid)| Peer { rank, host, pid });
        prop_oneof![
            ("\\PC*", "\\PC*", 0_usize..99, peer())
                .prop_map(|(secret, version, world, peer)| { Message::Hello(Hello { secret, version, world, peer }) }),
            peer().prop_map(Message::Welcome),
            "\\PC*".prop_map(Message::Refused),
            ("\\PC*", prop::collection::vec(any::<u8>(), 0..99))
                .prop_map(|(name, bytes)| Message::Value { name, bytes }),
            Just(Message::Beat),
            "\\PC*".prop_map(Message::LastWords),
            Just(Message::Leave),
        ]
    }

    proptest! {
        #[test]
        fn messages_arrive_as_they_were_and_nothing_else_is_one(
            message in any_message(),
            place in any::<prop::sample::Index>(),
            byte in any::<u8>(),
        ) {
            let mut bytes = message.bytes().unwrap();
            prop_assert_eq!(Message::read(&*bytes, LONGEST).unwrap(), message);
            prop_assert!(Message::read(&bytes[..place.index(bytes.len())], LONGEST).is_err());
            let at = place.index(bytes.len());
            bytes[at] = byte;
            let _ = Message::read(&*bytes, LONGEST);
        }
    }

    #[test]
    fn what_is_too_long_is_neither_sent_nor_received() {
        let long = Message::Value { name: String::new(), bytes: vec![0; LONGEST] };
        assert!(long.bytes().is_err());
        assert!(Message::read(&[255; 8][..], LONGEST).is_err());
        assert!(Message::read(&*Message::Refused("x".repeat(LONGEST_HELLO)).bytes().unwrap(), LONGEST_HELLO).is_err());
    }
}
