//! Which instructions multiply by stored matrices. All kernels give the same bits.

mod adjoint;
#[cfg(target_arch = "x86_64")]
mod avx2;
mod group;
mod portable;
mod prefetch;
mod product;
mod single;
mod tile;

use super::matrix::{Matrix, Row};
use super::storage::Storage;

/// Instructions to compute with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Isa {
    /// What the target of the compilation has; vectors where it has them.
    #[default]
    Portable,
    /// AVX2 and F16C of x86-64, on a CPU that was found to have them.
    Avx2(Avx2),
    /// AVX-512 (F and DQ) besides, for products of many rows.
    Avx512(Avx512),
}

/// Proof that the CPU has AVX2 and F16C; only [`Isa::all`] makes one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Avx2(());

/// Proof that the CPU has AVX-512 F and DQ besides; only [`Isa::all`] makes one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Avx512(Avx2);

/// Whether the CPU, or without the feature `std` the target of the compilation, has all of these.
macro_rules! has {
    ($($feature:tt),*) => {{
        #[cfg(all(target_arch = "x86_64", feature = "std"))]
        let has = $(std::is_x86_feature_detected!($feature))&&*;
        #[cfg(not(all(target_arch = "x86_64", feature = "std")))]
        let has = cfg!(all(target_arch = "x86_64", $(target_feature = $feature),*));
        has
    }};
}

impl Isa {
    /// The kernels of this CPU, the slowest first. Without the feature `std` only what the target of the compilation
    /// promises is known.
    pub fn all() -> impl DoubleEndedIterator<Item = Self> {
        let two = has!("avx2", "f16c").then_some(Avx2(()));
        let wide = two.filter(|_| has!("avx512f", "avx512dq")).map(Avx512);
        let kernels = [Some(Isa::Portable), two.map(Isa::Avx2), wide.map(Isa::Avx512)];
        kernels.into_iter().flatten()
    }

    /// The fastest kernel of this CPU.
    pub fn detect() -> Self {
        Self::all().next_back().unwrap_or_default()
    }

    /// The name in lower case, for messages and for [`Self::named`].
    pub fn name(self) -> &'static str {
        match self {
            Isa::Portable => "portable",
            Isa::Avx2(_) => "avx2",
            Isa::Avx512(_) => "avx512",
        }
    }

    /// The kernel of that name, if there is one and this CPU has it.
    pub fn named(name: &str) -> Option<Self> {
        Self::all().find(|kernel| kernel.name() == name)
    }
}

/// Which product, by the number of rows of `x`.
#[derive(Clone, Copy, Debug)]
pub(super) enum Product {
    /// `y = W x`.
    One,
    /// `y = x W^T`.
    Many,
    /// `y = x W`, one row.
    AdjointOne,
    /// `y = x W`.
    AdjointMany,
}

macro_rules! by_storage {
    ($kernels:path, $storage:expr, $product:ident, ($($argument:expr),*)) => {{
        use $kernels as kernels;
        match $storage {
            Storage::F32 => kernels::f32::$product($($argument),*),
            Storage::F16 => kernels::f16::$product($($argument),*),
            Storage::Bf16 => kernels::bf16::$product($($argument),*),
            Storage::Int8 => kernels::int8::$product($($argument),*),
            Storage::Int4 => kernels::int4::$product($($argument),*),
        }
    }};
}

macro_rules! by_product {
    ($kernels:ident, $w:expr, $product:expr, $x:expr, $y:expr) => {
        match $product {
            Product::One => by_storage!(single::$kernels, $w.storage, product_one, ($w, $x, $y)),
            Product::Many => by_storage!(product::$kernels, $w.storage, product_many, ($w, $x, $y)),
            Product::AdjointOne => by_storage!(single::$kernels, $w.storage, adjoint_one, ($w, $x, $y)),
            Product::AdjointMany => by_storage!(adjoint::$kernels, $w.storage, adjoint_many, ($w, $x, $y)),
        }
    };
}

/// The values of a row.
pub(super) fn decode(storage: Storage, row: &Row<'_>, y: &mut [f32]) {
    by_storage!(single::portable, storage, decode_row, (row, y))
}

/// Computes a product whose operands fit together.
pub(super) fn run(kernel: Isa, product: Product, w: &Matrix<'_>, x: &[f32], y: &mut [f32]) {
    match kernel {
        Isa::Portable => by_product!(portable, w, product, x, y),
        #[cfg(target_arch = "x86_64")]
        Isa::Avx2(proof) => on_avx2(proof, product, w, x, y),
        #[cfg(target_arch = "x86_64")]
        Isa::Avx512(proof) => on_avx512(proof, product, w, x, y),
        #[cfg(not(target_arch = "x86_64"))]
        Isa::Avx2(_) | Isa::Avx512(_) => by_product!(portable, w, product, x, y),
    }
}

#[cfg(target_arch = "x86_64")]
#[expect(unsafe_code, reason = "kernels for a CPU that was detected are called")]
fn on_avx2(_: Avx2, product: Product, w: &Matrix<'_>, x: &[f32], y: &mut [f32]) {
    // SAFETY: an `Avx2` exists only where the CPU, or the target of the compilation, has AVX2 and F16C.
    unsafe { by_product!(avx2, w, product, x, y) }
}

/// Whole tiles of rows as wide vectors, and what is left over too where it is half a tile.
#[cfg(target_arch = "x86_64")]
#[expect(unsafe_code, reason = "kernels for a CPU that was detected are called")]
fn on_avx512(Avx512(avx2): Avx512, product: Product, w: &Matrix<'_>, x: &[f32], y: &mut [f32]) {
    use tile::avx512::ROWS;
    let (from, to) = match product {
        Product::Many => (w.columns, w.rows),
        Product::AdjointMany => (w.rows, w.columns),
        _ => return on_avx2(avx2, product, w, x, y),
    };
    let n = x.len().checked_div(from).unwrap_or_default();
    let rest = n % ROWS;
    let wide = if rest < ROWS / 2 { n.saturating_sub(rest) } else { n };
    let (Some((x, x_rest)), Some((y, y_rest))) =
        (x.split_at_checked(wide.saturating_mul(from)), y.split_at_mut_checked(wide.saturating_mul(to)))
    else {
        return;
    };
    if !x.is_empty() {
        // SAFETY: an `Avx512` exists only where the CPU, or the target of the compilation, has AVX-512 F and DQ.
        unsafe {
            match product {
                Product::AdjointMany => by_storage!(adjoint::avx512, w.storage, adjoint_many, (w, x, y)),
                _ => by_storage!(product::avx512, w.storage, product_many, (w, x, y)),
            }
        }
    }
    if !x_rest.is_empty() {
        on_avx2(avx2, product, w, x_rest, y_rest);
    }
}
