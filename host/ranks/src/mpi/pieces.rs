//! Exchanges of any size in pieces of a size that MPI can count.

/// Bytes of all parts of an exchange together, at most; counts of MPI are `int`.
pub const LIMIT: usize = 1 << 28;

/// An exchange of every rank with every other, in pieces of at most `limit` bytes for all ranks together.
pub fn exchange<E>(
    world: usize,
    send: &[u8],
    into: &mut [u8],
    limit: usize,
    mut call: impl FnMut(&[u8], &mut [u8]) -> Result<(), E>,
) -> Result<(), E> {
    let part = send.len() / world;
    if send.len() <= limit {
        return call(send, into);
    }
    for (start, size) in pieces(part, limit / world) {
        let out: Vec<u8> = send.chunks_exact(part).flat_map(|part| &part[start..start + size]).copied().collect();
        let mut came = vec![0; out.len()];
        call(&out, &mut came)?;
        spread(&came, into, part, start);
    }
    Ok(())
}

/// What all ranks bring, in pieces of at most `limit` bytes for all ranks together.
pub fn gather<E>(
    world: usize,
    mine: &[u8],
    all: &mut [u8],
    limit: usize,
    mut call: impl FnMut(&[u8], &mut [u8]) -> Result<(), E>,
) -> Result<(), E> {
    if all.len() <= limit {
        return call(mine, all);
    }
    for (start, size) in pieces(mine.len(), limit / world) {
        let mut came = vec![0; size * world];
        call(&mine[start..start + size], &mut came)?;
        spread(&came, all, mine.len(), start);
    }
    Ok(())
}

/// Beginnings and sizes of the pieces of a part.
fn pieces(part: usize, size: usize) -> impl Iterator<Item = (usize, usize)> {
    let size = size.max(1);
    (0..part).step_by(size).map(move |start| (start, size.min(part - start)))
}

/// Puts a piece of every part at its place.
fn spread(came: &[u8], parts: &mut [u8], part: usize, start: usize) {
    let size = came.len() / (parts.len() / part);
    for (part, piece) in parts.chunks_exact_mut(part).zip(came.chunks_exact(size)) {
        part[start..start + size].copy_from_slice(piece);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Collective as _, threads};

    #[test]
    fn pieces_make_the_whole() {
        for (world, part, limit) in [(1, 5, 2), (2, 7, 6), (3, 4, 1), (3, 10, 9), (4, 0, 0), (4, 3, 100)] {
            threads(world, |rank| {
                let own = rank.place().rank;
                let send: Vec<u8> = (0..world * part).map(|at| (at * 7 + own * 31) as u8).collect();
                let (mut whole, mut pieced) = (vec![0; send.len()], vec![0; send.len()]);
                rank.exchange(&send, &mut whole).unwrap();
                exchange(world, &send, &mut pieced, limit, |send, into| rank.exchange(send, into)).unwrap();
                assert_eq!(pieced, whole);
                rank.gather(&send[..part], &mut whole).unwrap();
                gather(world, &send[..part], &mut pieced, limit, |mine, all| rank.gather(mine, all)).unwrap();
                assert_eq!(pieced, whole);
            });
        }
    }
}
