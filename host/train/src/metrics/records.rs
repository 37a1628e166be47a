//! What a file of events holds: the messages of TensorFlow's `event.proto` and `summary.proto` that a run needs, and the framing of
//! TFRecord around each.

use crc::{CRC_32_ISCSI, Crc};
use prost::{Message, Oneof};

/// Something at a step.
#[derive(Clone, PartialEq, Message)]
pub struct Event {
    /// Seconds since 1970.
    #[prost(double, tag = "1")]
    pub wall_time: f64,
    #[prost(int64, tag = "2")]
    pub step: i64,
    #[prost(oneof = "What", tags = "3, 5, 7")]
    pub what: Option<What>,
}

#[derive(Clone, PartialEq, Oneof)]
pub enum What {
    #[prost(string, tag = "3")]
    FileVersion(String),
    #[prost(message, tag = "5")]
    Summary(Summary),
    #[prost(message, tag = "7")]
    Session(SessionLog),
}

#[derive(Clone, PartialEq, Message)]
pub struct SessionLog {
    /// 1: the program starts at the step of the event, and what was recorded of it and later steps does not count.
    #[prost(int32, tag = "1")]
    pub status: i32,
}

#[derive(Clone, PartialEq, Message)]
pub struct Summary {
    #[prost(message, repeated, tag = "1")]
    pub value: Vec<Value>,
}

#[derive(Clone, PartialEq, Message)]
pub struct Value {
    #[prost(string, tag = "1")]
    pub tag: String,
    #[prost(message, optional, tag = "9")]
    pub metadata: Option<Metadata>,
    #[prost(oneof = "Of", tags = "2, 5, 8")]
    pub of: Option<Of>,
}

#[derive(Clone, PartialEq, Oneof)]
pub enum Of {
    #[prost(float, tag = "2")]
    Scalar(f32),
    #[prost(message, tag = "5")]
    Histogram(Histogram),
    #[prost(message, tag = "8")]
    Tensor(Tensor),
}

#[derive(Clone, PartialEq, Message)]
pub struct Metadata {
    #[prost(message, optional, tag = "1")]
    pub plugin: Option<Plugin>,
}

#[derive(Clone, PartialEq, Message)]
pub struct Plugin {
    #[prost(string, tag = "1")]
    pub name: String,
}

/// Text, where `dtype` is 7 (strings) and there is no shape.
#[derive(Clone, PartialEq, Message)]
pub struct Tensor {
    #[prost(int32, tag = "1")]
    pub dtype: i32,
    #[prost(message, optional, tag = "2")]
    pub shape: Option<Shape>,
    #[prost(bytes = "vec", repeated, tag = "8")]
    pub strings: Vec<Vec<u8>>,
}

/// The shape of a scalar.
#[derive(Clone, PartialEq, Message)]
pub struct Shape {}

/// Counts of numbers: `bucket[i]` of them lie above `limit[i - 1]` and up to `limit[i]`.
#[derive(Clone, PartialEq, Message)]
pub struct Histogram {
    #[prost(double, tag = "1")]
    pub min: f64,
    #[prost(double, tag = "2")]
    pub max: f64,
    #[prost(double, tag = "3")]
    pub count: f64,
    #[prost(double, tag = "4")]
    pub sum: f64,
    #[prost(double, tag = "5")]
    pub squares: f64,
    #[prost(double, repeated, tag = "6")]
    pub limit: Vec<f64>,
    #[prost(double, repeated, tag = "7")]
    pub bucket: Vec<f64>,
}

/// Buckets of a histogram.
const BUCKETS: usize = 40;

impl Histogram {
    /// Of finite numbers, in buckets of equal width.
    pub fn of(values: &[f32]) -> Self {
        let values: Vec<f64> = values.iter().map(|&x| f64::from(x)).filter(|x| x.is_finite()).collect();
        let min = values.iter().copied().fold(f64::INFINITY, f64::min);
        let max = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        if values.is_empty() {
            return Self::default();
        }
        let width = (max - min) / BUCKETS as f64;
        let mut bucket = vec![0.0; BUCKETS];
        for x in &values {
            // the number of whole widths below, so that a limit belongs to the bucket under it
            let at = ((x - min) / width).ceil().max(1.0) as usize - 1;
            bucket[at.min(BUCKETS - 1)] += 1.0;
        }
        Self {
            min,
            max,
            count: values.len() as f64,
            sum: values.iter().sum(),
            squares: values.iter().map(|x| x * x).sum(),
            limit: (1..=BUCKETS).map(|i| if i == BUCKETS { max } else { min + width * i as f64 }).collect(),
            bucket,
        }
    }
}

/// CRC-32C, rotated and shifted as TFRecord has it.
fn masked(bytes: &[u8]) -> [u8; 4] {
    static CASTAGNOLI: Crc<u32> = Crc::<u32>::new(&CRC_32_ISCSI);
    CASTAGNOLI.checksum(bytes).rotate_right(15).wrapping_add(0xa282_ead8).to_le_bytes()
}

/// An event as it stands in a file: its length, the checksum of that, its bytes, their checksum.
pub fn framed(event: &Event) -> Vec<u8> {
    let bytes = event.encode_to_vec();
    let length = (bytes.len() as u64).to_le_bytes();
    [&length[..], &masked(&length), &bytes, &masked(&bytes)].concat()
}

/// The events of a file up to its end, or up to what a killed process left of its last one.
#[cfg(test)]
pub fn read(mut bytes: &[u8]) -> Vec<Event> {
    let mut events = Vec::new();
    while let Some((length, rest)) = bytes.split_first_chunk::<8>() {
        let count = u64::from_le_bytes(*length) as usize;
        if rest.len() < count + 8 {
            break;
        }
        assert_eq!(rest[..4], masked(length));
        let (event, rest) = rest[4..].split_at(count);
        assert_eq!(rest[..4], masked(event));
        events.push(Event::decode(event).unwrap());
        bytes = &rest[4..];
    }
    events
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_event_has_the_bytes_that_tensorboard_writes() {
        // tensorboard 2.21: EventFileWriter's first record
        let event = Event { wall_time: 1.0, step: 0, what: Some(What::FileVersion(String::from("brain.Event:2"))) };
        let bytes = framed(&event);
        assert_eq!(bytes.len(), 8 + 4 + 24 + 4);
        assert_eq!(bytes[..12], [24, 0, 0, 0, 0, 0, 0, 0, 0xa3, 0x7f, 0x4b, 0x22]);
        assert_eq!(bytes[12..36], *b"\x09\0\0\0\0\0\0\xf0\x3f\x1a\x0dbrain.Event:2");
        assert_eq!(read(&bytes), [event]);
    }

    proptest! {
        #[test]
        fn a_histogram_counts_every_number_once(values in prop::collection::vec(-1e3f32..1e3, 1..200)) {
            let found = Histogram::of(&values);
            prop_assert_eq!(found.bucket.iter().sum::<f64>(), values.len() as f64);
            prop_assert!(found.limit.windows(2).all(|two| two[0] <= two[1]));
            for (i, limit) in found.limit.iter().enumerate() {
                let below = values.iter().filter(|&&x| f64::from(x) <= *limit + 1e-9 * (1.0 + limit.abs())).count() as f64;
                prop_assert!(found.bucket[..=i].iter().sum::<f64>() <= below);
            }
            prop_assert!(f64::from(values[0]) >= found.min && f64::from(values[0]) <= found.max);
        }
    }
}
