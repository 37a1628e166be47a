//! The layers of [`ebt_core::layer`] on lent memory: a [`Compute`](ebt_core::compute::Compute) whose arrays are places on a
//! tape, so that nothing is allocated and nothing is freed.
//!
//! On the way forward every block writes its arrays behind those of the block before, and begins with its input, which is
//! the output of that block. On the way back a block writes behind its own arrays, over those of the blocks that are
//! done. Places are counted from the beginning of a block, so blocks of one kind have the same ones. An array of `n` rows
//! holds values and, on [`Dual`](super::number::Dual), tangents behind them: a Hessian-vector product is the same pass on
//! twice as many numbers, every product with a packed matrix included.
//!
//! A pass on an empty tape computes nothing and says how long the tape has to be ([`Lent::peak`]).

mod context;
mod operations;

pub use context::{Context, measure};

use core::cell::Cell;
use core::marker::PhantomData;

use super::cache::{Cache, Seen};
use super::layer::attention::Shape;
use super::number::Number;
use super::slices::{copy, front};
use crate::packed::{Floats, Kernel, Matrix};

/// A weight or a vector of the model, or the observed keys.
#[derive(Clone, Copy, Debug)]
pub enum Leaf<'m> {
    /// A matrix.
    Matrix(Matrix<'m>),
    /// A vector.
    Vector(Floats<'m>),
    /// The rings of the cache.
    Memory,
}

impl<'m> Leaf<'m> {
    fn matrix(&self) -> Matrix<'m> {
        if let Self::Matrix(matrix) = self { *matrix } else { Matrix::EMPTY }
    }

    fn vector(&self) -> Floats<'m> {
        if let Self::Vector(vector) = self { *vector } else { Floats::default() }
    }
}

/// A matrix on the tape.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tensor {
    /// Where it begins, from the beginning of its block.
    pub start: usize,
    rows: usize,
    columns: usize,
}

/// Integers of a block.
#[derive(Clone, Copy, Debug, Default)]
pub struct Index {
    start: usize,
    len: usize,
}

/// Where a block begins: on the tape of numbers, and among the integers.
#[derive(Clone, Copy, Debug, Default)]
pub struct Place {
    /// Numbers before it.
    pub numbers: usize,
    /// Integers before it.
    pub words: usize,
}

impl Place {
    /// The place `length` behind.
    pub fn after(self, length: Self) -> Self {
        Self { numbers: self.numbers + length.numbers, words: self.words + length.words }
    }
}

/// What a pass is given.
#[derive(Debug)]
pub struct Memory<'s, 'a> {
    /// Numbers of all arrays.
    pub tape: &'s mut [f32],
    /// Routing.
    pub words: &'s mut [u32],
    /// Observed keys and values; none where the tape is measured.
    pub cache: Option<&'s mut Cache<'a>>,
    /// Cosines and sines of every row.
    pub turns: &'s [f32],
}

/// Which rows pass, and what they attend to.
#[derive(Clone, Copy, Debug)]
pub struct Rows<'s> {
    /// Geometry of attention.
    pub shape: Shape,
    /// Slots of a ring.
    pub slots: usize,
    /// What they see.
    pub seen: Seen<'s>,
    /// Observed stream whose keys they see.
    pub stream: usize,
    /// How products are computed.
    pub kernel: Kernel,
}

/// One pass of rows, of values or of values with tangents.
pub struct Lent<'s, 'a, N> {
    tape: Cell<&'s mut [f32]>,
    words: Cell<&'s mut [u32]>,
    base: Cell<Place>,
    top: Cell<Place>,
    peak: Cell<Place>,
    cache: Cell<Option<&'s mut Cache<'a>>>,
    turns: &'s [f32],
    rows: Rows<'s>,
    layer: Cell<usize>,
    number: PhantomData<N>,
}

/// `len` elements from `start` on; none where there are fewer.
fn part<T>(all: &[T], start: usize, len: usize) -> &[T] {
    all.get(start..).and_then(|rest| rest.get(..len)).unwrap_or_default()
}

fn split<T>(all: &mut [T], at: usize) -> (&mut [T], &mut [T]) {
    all.split_at_mut_checked(at).unwrap_or_default()
}

impl<'s, 'a, N: Number> Lent<'s, 'a, N> {
    /// A pass over `memory`.
    pub fn new(memory: Memory<'s, 'a>, rows: Rows<'s>) -> Self {
        let Memory { tape, words, cache, turns } = memory;
        Self {
            tape: Cell::new(tape),
            words: Cell::new(words),
            base: Cell::default(),
            top: Cell::default(),
            peak: Cell::default(),
            cache: Cell::new(cache),
            turns,
            rows,
            layer: Cell::new(0),
            number: PhantomData,
        }
    }

    /// Numbers and integers that a tape needs for what was computed.
    pub fn peak(&self) -> Place {
        self.peak.get()
    }

    /// Begins block `layer` at `base`, with its input `(n, width)`, which lies there.
    pub fn begin(&self, layer: usize, base: Place, width: usize) -> Tensor {
        self.layer.set(layer);
        self.base.set(base);
        self.top.set(Place::default());
        self.make(self.rows.shape.n, width, |_, _| ())
    }

    /// Begins the way back at the output `(n, width)` of the last block, whose inverse norm `r` ends what was computed.
    pub fn begin_head(&self, base: Place, width: usize, r: &Tensor) -> Tensor {
        let h = self.begin(0, base, width);
        self.top.set(Place { numbers: r.start + self.len(r.rows, 1), words: 0 });
        h
    }

    /// Length of the block until `end`, its output, with which the next one begins.
    pub fn length(&self, end: &Tensor) -> Place {
        Place { numbers: end.start, words: self.top.get().words }
    }

    /// Begins the way back through block `layer`, `length` long, at `base`, with the gradient `a` of its output, which
    /// moves behind it: the gradient's place lies further back.
    pub fn begin_back(&self, layer: usize, base: Place, length: Place, a: &Tensor) -> Tensor {
        let from = self.base.get().numbers + a.start;
        self.layer.set(layer);
        self.base.set(base);
        self.top.set(length);
        let to = base.numbers + length.numbers;
        let moved = self.make(a.rows, a.columns, |_, _| ());
        let len = self.len(a.rows, a.columns);
        let tape = self.tape.take();
        // it lies behind an array of its own size at least, the input of the block that it was computed by
        let (before, rest) = split(tape, from);
        copy(split(before, to).1, part(rest, 0, len));
        self.tape.set(tape);
        moved
    }

    /// Copies `a` over the input of its block.
    pub fn replace_input(&self, a: &Tensor) {
        self.modify(0, usize::MAX, |block| {
            let (input, rest) = split(block, a.start);
            copy(input, part(rest, 0, self.len(a.rows, a.columns)));
        });
    }

    /// The numbers of `a`, and spare ones: one a row.
    pub fn read(&self, a: &Tensor, f: impl FnOnce(&[f32], &mut [f32])) {
        self.run(0, self.len(a.rows, 1), |before, spare| f(self.get(before, a), spare));
    }

    /// The numbers of two arrays.
    pub fn read_both(&self, a: &Tensor, b: &Tensor, f: impl FnOnce(&[f32], &[f32])) {
        self.run(0, 0, |before, _| f(self.get(before, a), self.get(before, b)));
    }

    /// Changes the numbers of `a`.
    pub fn write(&self, a: &Tensor, f: impl FnOnce(&mut [f32])) {
        self.modify(a.start, self.len(a.rows, a.columns), f);
    }

    /// Every row the same vector.
    pub fn repeat(&self, vector: Floats<'_>, width: usize) -> Tensor {
        let n = self.rows.shape.n;
        self.make(n, width, |_, out| {
            for mut row in N::rows_mut(out, n, width) {
                N::update_with(&mut row, vector.iter().map(N::constant), |_, x| x);
            }
        })
    }

    /// The keys and values of observed rows go to the cache; rows hold `[.. | k | v]` from column `from` on.
    pub fn remember(&self, rows: &Tensor, from: usize) {
        self.with_cache(|cache| {
            let at = (self.rows.stream, self.layer.get());
            self.read(rows, |values, _| cache.store_rows(at, self.rows.seen, values, rows.columns, from));
        });
    }

    fn with_cache(&self, f: impl FnOnce(&mut Cache<'a>)) {
        if let Some(cache) = self.cache.take() {
            f(cache);
            self.cache.set(Some(cache));
        }
    }

    fn len(&self, rows: usize, columns: usize) -> usize {
        N::PARTS * rows * columns
    }

    fn get<'v>(&self, before: &'v [f32], a: &Tensor) -> &'v [f32] {
        part(before, a.start, self.len(a.rows, a.columns))
    }

    /// Writes `len + spare` numbers behind those of the block, of which `len` stay; returns where they start.
    fn run(&self, len: usize, spare: usize, f: impl FnOnce(&[f32], &mut [f32])) -> usize {
        let (Place { numbers: start, words }, base, peak) = (self.top.get(), self.base.get().numbers, self.peak.get());
        self.top.set(Place { numbers: start + len, words });
        self.peak.set(Place { numbers: peak.numbers.max(base + start + len + spare), ..peak });
        let tape = self.tape.take();
        let (before, rest) = split(split(tape, base).1, start);
        f(before, front(rest, len + spare));
        self.tape.set(tape);
        start
    }

    /// A new array.
    fn make(&self, rows: usize, columns: usize, f: impl FnOnce(&[f32], &mut [f32])) -> Tensor {
        Tensor { start: self.run(self.len(rows, columns), 0, f), rows, columns }
    }

    /// At most `len` numbers of the block from `start` on.
    fn modify(&self, start: usize, len: usize, f: impl FnOnce(&mut [f32])) {
        let tape = self.tape.take();
        let block = split(split(tape, self.base.get().numbers).1, start).1;
        let len = len.min(block.len());
        f(front(block, len));
        self.tape.set(tape);
    }

    fn words<R>(&self, a: &Index, f: impl FnOnce(&[u32]) -> R) -> R {
        let all = self.words.take();
        let result = f(part(all, self.base.get().words + a.start, a.len));
        self.words.set(all);
        result
    }

    /// New integers.
    fn make_words(&self, len: usize, f: impl FnOnce(&mut [u32])) -> Index {
        let (Place { numbers, words: start }, base, peak) = (self.top.get(), self.base.get().words, self.peak.get());
        self.top.set(Place { numbers, words: start + len });
        self.peak.set(Place { words: peak.words.max(base + start + len), ..peak });
        let all = self.words.take();
        f(front(split(all, base + start).1, len));
        self.words.set(all);
        Index { start, len }
    }
}
