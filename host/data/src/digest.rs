//! SHA-256 in hexadecimal digits.

use std::io::{self, ErrorKind, Read};

use hmac_sha256::Hash;

/// Bytes that are read at once.
const BLOCK: usize = 1 << 20;

/// The digest of bytes.
pub fn sha256(bytes: &[u8]) -> String {
    hexadecimal(Hash::hash(bytes))
}

/// The digest of all that is left to read.
///
/// # Errors
///
/// What reading returns.
pub fn sha256_of(reader: &mut impl Read) -> io::Result<String> {
    let (mut sum, mut block) = (Hash::new(), vec![0; BLOCK]);
    loop {
        match reader.read(&mut block) {
            Ok(0) => return Ok(hexadecimal(sum.finalize())),
            Ok(n) => sum.update(&block[..n]),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// The digits of a digest.
pub fn hexadecimal(digest: [u8; 32]) -> String {
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_are_those_of_the_standard() {
        // FIPS 180-4, the examples for one block and for none
        let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(sha256(b"abc"), abc);
        assert_eq!(sha256_of(&mut &b"abc"[..]).unwrap(), abc);
        assert_eq!(sha256(b""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
        let long = vec![7; 3 * BLOCK + 5];
        assert_eq!(sha256_of(&mut long.as_slice()).unwrap(), sha256(&long));
    }
}
