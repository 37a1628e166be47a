//! Numbers in print, without `core::fmt`.

/// A space and eight digits.
pub fn hexadecimal(word: u32, out: &mut dyn FnMut(&[u8])) {
    let digit = |shift: u32| match (word >> shift & 15) as u8 {
        d @ 0..=9 => b'0' + d,
        d => b'a' + (d - 10),
    };
    out(&[b' ', digit(28), digit(24), digit(20), digit(16), digit(12), digit(8), digit(4), digit(0)]);
}

/// What something is called and how many bytes it takes, as a line.
pub fn size(name: &[u8], bytes: usize, out: &mut dyn FnMut(&[u8])) {
    out(b"size ");
    out(name);
    decimal(bytes, out);
}

/// A space, a number and a line end.
pub fn decimal(number: usize, out: &mut dyn FnMut(&[u8])) {
    let mut digits = [b' '; 21];
    let mut rest = number;
    for place in digits.iter_mut().rev() {
        *place = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    out(b" ");
    let blanks = digits.iter().take_while(|&&d| d == b' ').count();
    out(digits.get(blanks..).unwrap_or_default());
    out(b"\n");
}
