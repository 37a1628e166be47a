//! CRC-32 of ISO-HDLC (polynomial `0xEDB8_8320`, reflected), as zip and PNG have it.

/// The checksum of `bytes`.
#[cfg(not(any(target_os = "none", target_os = "unknown")))]
pub fn crc32(bytes: &[u8]) -> u32 {
    crc32fast::hash(bytes)
}

/// The checksum of `bytes`, by a table of 1 KiB: bare machines have no room for more.
#[cfg(any(target_os = "none", target_os = "unknown"))]
pub fn crc32(bytes: &[u8]) -> u32 {
    small(bytes)
}

#[cfg(any(test, target_os = "none", target_os = "unknown"))]
fn small(bytes: &[u8]) -> u32 {
    static SMALL: crc::Crc<u32, crc::Table<1>> = crc::Crc::<u32, crc::Table<1>>::new(&crc::CRC_32_ISO_HDLC);
    SMALL.checksum(bytes)
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
}
