//! The cheapest way to write a text as tokens.
//!
//! Every token has a cost `c`; the encoding of a segment of `n` bytes is the path from 0 to `n` over the lattice of all
//! tokens with the least total cost, found forwards (Viterbi 1967, as in Kudo 2018, arXiv 1804.10959):
//!
//! ```text
//! best(0) = 0,   best(e) = min over tokens t that end at e of  best(e - |t|) + c(t)
//! ```
//!
//! Of equally cheap tokens that end at the same place the longest wins. Costs are whole numbers, so that sums are exact
//! and every implementation finds the same path.
//!
//! The only memory is the output: `out[e - 1]` holds the last token of the best path to `e` until the path is read
//! backwards; a ring holds `best` for as many places as the longest token is long.

use super::trie::Trie;
use super::words::Halves;

/// The longest token, in bytes; a power of two larger than it is the size of the ring.
pub const LONGEST_TOKEN: usize = 63;
const RING: usize = LONGEST_TOKEN + 1;
/// The cost of a place that no path reaches; the cost of a path is always less.
const NEVER: u64 = u64::MAX;

/// Tokens with their costs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lattice<'a> {
    pub(crate) trie: Trie<'a>,
    pub(crate) costs: Halves<'a>,
}

impl Lattice<'_> {
    /// Writes the cheapest path over `bytes` to the start of `out`, which holds at least as many places; returns the
    /// number of tokens, or `None` if no path exists or a length is wrong (a damaged table).
    pub(crate) fn encode(&self, bytes: &[u8], out: &mut [u32], length: impl Fn(u32) -> usize) -> Option<usize> {
        let n = bytes.len();
        let out = out.get_mut(..n)?;
        self.search(bytes, out)?;
        backwards(out, length)
    }

    /// Leaves in `out[e - 1]` the last token of the best path to `e`.
    #[inline]
    fn search(&self, bytes: &[u8], out: &mut [u32]) -> Option<()> {
        let root = self.trie.root();
        let mut best = [NEVER; RING];
        best[0] = 0;
        for start in 0..bytes.len() {
            let here = core::mem::replace(&mut best[start % RING], NEVER);
            if here == NEVER {
                continue;
            }
            let mut node = root;
            let reach = bytes.get(start..)?.iter().zip(out.get_mut(start..)?).take(LONGEST_TOKEN);
            for (ahead, (&byte, last)) in reach.enumerate() {
                let Some(next) = self.trie.child(node, byte) else { break };
                node = next;
                if let Some(token) = self.trie.token(node) {
                    let cost = here + u64::from(self.costs.get(token)?);
                    let end = &mut best[(start + ahead + 1) % RING];
                    if cost < *end {
                        *end = cost;
                        *last = token;
                    }
                }
            }
        }
        (best[bytes.len() % RING] != NEVER).then_some(())
    }
}

/// Turns last tokens into the path: read from the end, packed at the end of `out`, moved to its start. A token takes a
/// byte at least, so the place written is never before one still to be read.
fn backwards(out: &mut [u32], length: impl Fn(u32) -> usize) -> Option<usize> {
    let (mut end, mut write) = (out.len(), out.len());
    while let Some(last) = end.checked_sub(1) {
        let token = *out.get(last)?;
        write = write.checked_sub(1)?;
        *out.get_mut(write)? = token;
        end = end.checked_sub(length(token).max(1))?;
    }
    let count = out.len() - write;
    for i in 0..count {
        let token = *out.get(write + i)?;
        *out.get_mut(i)? = token;
    }
    Some(count)
}
