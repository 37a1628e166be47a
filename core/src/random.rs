//! Counter-based random numbers (Philox4x32-10: Salmon et al., SC 2011): every draw is a pure function of
//! `(seed, step, purpose, index)`, so a run does not depend on thread count, batch split, backend or history.

/// What a stream of numbers is for; streams of different purposes are independent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
pub enum Purpose {
    /// Parameter initialisation (`detail`: parameter number).
    Weights = 1,
    /// Initial states `Y0`.
    InitialState = 2,
    /// Langevin noise (`detail`: step of the descent).
    Langevin = 3,
    /// Per-position step-size jitter.
    Jitter = 4,
    /// Number of descent steps of a training step.
    Steps = 5,
    /// Order of the training data.
    Data = 6,
    /// Which sequences of the replay buffer are continued or overwritten.
    Replay = 7,
    /// Sampling of generated tokens.
    Sampling = 8,
    /// Tests and benchmarks.
    Test = 9,
    /// Metropolis tests (`detail`: step of the descent).
    Acceptance = 10,
    /// Starting vectors of eigenvalue iterations (`detail`: step of the descent).
    Curvature = 11,
    /// Puzzles drawn by number, and symmetric copies of them.
    Puzzle = 12,
    /// Damage done to a text (`detail`: which of several decisions).
    Damage = 13,
    /// First values of adapters (`step`: number of the array).
    Adapters = 14,
    /// Tokens of noise that energies are told from (`detail`: which of several).
    Noise = 15,
}

/// One stream: elements are indexed by a 64-bit counter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stream {
    /// Seed of the run.
    pub seed: u64,
    /// Training step (or another coordinate of the run), 32 bits used.
    pub step: u32,
    /// What the numbers are for.
    pub purpose: Purpose,
    /// A further coordinate of the purpose, e.g. which descent step.
    pub detail: u16,
}

impl Stream {
    /// A stream with `detail` 0.
    pub fn new(seed: u64, step: u32, purpose: Purpose) -> Self {
        Self { seed, step, purpose, detail: 0 }
    }

    /// The same stream with another detail coordinate.
    pub fn detail(self, detail: u16) -> Self {
        Self { detail, ..self }
    }

    /// Philox key: the seed.
    pub fn key(&self) -> [u32; 2] {
        [self.seed as u32, (self.seed >> 32) as u32]
    }

    /// Upper two counter words.
    pub fn high(&self) -> [u32; 2] {
        [self.step, u32::from(self.purpose as u16) | u32::from(self.detail) << 16]
    }

    /// The four 32-bit words of block `block`.
    pub fn block(&self, block: u64) -> [u32; 4] {
        let [h0, h1] = self.high();
        philox(self.key(), [block as u32, (block >> 32) as u32, h0, h1])
    }

    /// Word `index` of the stream.
    pub fn word(&self, index: u64) -> u32 {
        self.block(index / 4)[(index % 4) as usize]
    }

    /// Uniform in `[0, 1)` with 32 bits.
    pub fn uniform(&self, index: u64) -> f64 {
        f64::from(self.word(index)) * (1.0 / 4_294_967_296.0)
    }

    /// Uniform integer in `0..bound` (`bound >= 1`; bias below `bound / 2^64`).
    pub fn below(&self, index: u64, bound: u64) -> u64 {
        let b = self.block(index);
        let wide = u64::from(b[0]) | u64::from(b[1]) << 32;
        ((u128::from(wide) * u128::from(bound)) >> 64) as u64
    }

    /// Standard normal (Box-Muller on words 0,1 for even and 2,3 for odd halves of a block).
    pub fn normal(&self, index: u64) -> f64 {
        let b = self.block(index / 4);
        let pair = (index % 4 / 2 * 2) as usize;
        let u1 = (f64::from(b[pair]) + 1.0) * (1.0 / 4_294_967_296.0);
        let angle = 2.0 * core::f64::consts::PI * f64::from(b[pair + 1]) * (1.0 / 4_294_967_296.0);
        let r = libm::sqrt(-2.0 * libm::log(u1));
        if index.is_multiple_of(2) { r * libm::cos(angle) } else { r * libm::sin(angle) }
    }
}

/// Ten rounds of Philox4x32.
pub fn philox(key: [u32; 2], counter: [u32; 4]) -> [u32; 4] {
    let [mut k0, mut k1] = key;
    let mut c = counter;
    for _ in 0..10 {
        let a = u64::from(c[0]) * 0xD251_1F53;
        let b = u64::from(c[2]) * 0xCD9E_8D57;
        c = [(b >> 32) as u32 ^ c[1] ^ k0, b as u32, (a >> 32) as u32 ^ c[3] ^ k1, a as u32];
        k0 = k0.wrapping_add(0x9E37_79B9);
        k1 = k1.wrapping_add(0xBB67_AE85);
    }
    c
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn philox_matches_the_published_vectors() {
        assert_eq!(philox([0, 0], [0; 4]), [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]);
        assert_eq!(philox([u32::MAX; 2], [u32::MAX; 4]), [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]);
        let digits = philox([0xa409_3822, 0x299f_31d0], [0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344]);
        assert_eq!(digits, [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1]);
    }

    #[test]
    fn normals_have_the_moments_of_a_normal() {
        let s = Stream::new(7, 3, Purpose::Test);
        let n = 20_000;
        let (mut m1, mut m2) = (0.0, 0.0);
        for i in 0..n {
            let x = s.normal(i);
            m1 += x / n as f64;
            m2 += x * x / n as f64;
        }
        assert!(m1.abs() < 0.03 && (m2 - 1.0).abs() < 0.05, "{m1} {m2}");
    }
}
