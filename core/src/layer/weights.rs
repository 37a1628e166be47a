//! The weights of a block: numbers of parameters, references to arrays, or views of a file.
//!
//! `W` is what stands for a matrix, `V` what stands for a vector.

/// Index of a parameter in every list.
pub type ParameterId = usize;

/// A weight, with its place in the lists of gradients.
#[derive(Debug)]
pub struct Weight<'a, L> {
    /// The matrix.
    pub value: &'a L,
    /// Its place.
    pub id: ParameterId,
}

impl<L> Clone for Weight<'_, L> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<L> Copy for Weight<'_, L> {}

/// Weights of a SwiGLU.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Swiglu<W> {
    /// `[w1; w3] (2F, D)`.
    pub w13: W,
    /// `w2 (D, F)`.
    pub w2: W,
}

impl<W> Swiglu<W> {
    fn map<'a, U>(&'a self, f: &mut impl FnMut(&'a W) -> U) -> Swiglu<U> {
        Swiglu { w13: f(&self.w13), w2: f(&self.w2) }
    }
}

/// Weights of a mixture of experts of width `h`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mixture<W, V = W> {
    /// Gate `(E, D)`.
    pub gate: W,
    /// Routing bias `(1, E)`, a state that is used for choosing only.
    pub bias: V,
    /// All routed experts, stacked: expert `e` has rows `e 2h ..` of `w13 (E 2h, D)` and `e D ..` of `w2 (E D, h)`.
    pub experts: Swiglu<W>,
    /// Shared experts side by side, one SwiGLU of width `n_shared h`.
    pub shared: Option<Swiglu<W>>,
}

/// Weights of a feed-forward layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FeedForward<W, V = W> {
    /// A single SwiGLU.
    Dense(Swiglu<W>),
    /// Mixture of experts.
    Mixture(Mixture<W, V>),
}

/// Weights of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Block<W, V = W> {
    /// `[wq; wk; wv] ((H+2K) d, D)`.
    pub qkv: W,
    /// `(D, H d)`.
    pub wo: W,
    /// Of the feed-forward.
    pub feed_forward: FeedForward<W, V>,
}

impl<W, V> Block<W, V> {
    /// Every matrix mapped by `f`, every vector by `g`.
    pub fn map<'a, U>(&'a self, mut f: impl FnMut(&'a W) -> U, g: impl FnOnce(&'a V) -> U) -> Block<U> {
        let (qkv, wo) = (f(&self.qkv), f(&self.wo));
        let feed_forward = match &self.feed_forward {
            FeedForward::Dense(w) => FeedForward::Dense(w.map(&mut f)),
            FeedForward::Mixture(Mixture { gate, bias, experts, shared }) => FeedForward::Mixture(Mixture {
                gate: f(gate),
                bias: g(bias),
                experts: experts.map(&mut f),
                shared: shared.as_ref().map(|w| w.map(&mut f)),
            }),
        };
        Block { qkv, wo, feed_forward }
    }
}
