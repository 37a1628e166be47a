//! CRC-32 of ISO-HDLC (polynomial `0xEDB8_8320`, reflected), as zip and PNG have it.

/// The checksum of `bytes`.
#[cfg(feature = "std")]
pub fn crc32(bytes: &[u8]) -> u32 {
    crc32fast::hash(bytes)
}

/// The checksum of `bytes`.
#[cfg(not(feature = "std"))]
pub fn crc32(bytes: &[u8]) -> u32 {
    small(bytes)
}

/// A byte at a time over a table of 1 KiB: an index of one byte can never be outside, on any target.
#[cfg(any(test, not(feature = "std")))]
fn small(bytes: &[u8]) -> u32 {
    static TABLE: [u32; 256] = table();
    let step = |crc: u32, &byte: &u8| TABLE[usize::from(crc as u8 ^ byte)] ^ crc >> 8;
    !bytes.iter().fold(u32::MAX, step)
}

#[cfg(any(test, not(feature = "std")))]
const fn table() -> [u32; 256] {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let (mut crc, mut bit) = (byte as u32, 0);
        while bit < 8 {
            crc = (crc >> 1) ^ (if crc & 1 == 1 { 0xEDB8_8320 } else { 0 });
            bit += 1;
        }
        table[byte] = crc;
        byte += 1;
    }
    table
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn both_checksums_are_one(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            prop_assert_eq!(super::small(&bytes), super::crc32(&bytes));
        }
    }

    #[test]
    fn the_check_value_is_the_standard_one() {
        assert_eq!(super::small(b"123456789"), 0xCBF4_3926);
    }
}
