//! Which instructions multiply by stored matrices. All kernels give the same bits.

#[cfg(target_arch = "x86_64")]
mod avx2;
mod portable;
mod product;
mod tile;

use super::matrix::{Matrix, Row};
use super::storage::Storage;

/// Instructions to compute with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Kernel {
    /// What the target of the compilation has; vectors where it has them.
    #[default]
    Portable,
    /// AVX2 and F16C of x86-64, on a CPU that was found to have them.
    Avx2(Detected),
}

/// Proof that the CPU was asked; only [`Kernel::detect`] and [`Kernel::named`] make one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Detected(());

impl Kernel {
    /// The fastest kernel of this CPU. Without the feature `std` only what the target of the compilation promises is
    /// known.
    pub fn detect() -> Self {
        detected().map_or(Kernel::Portable, Kernel::Avx2)
    }

    /// Lower-case name.
    pub fn name(self) -> &'static str {
        match self {
            Kernel::Portable => "portable",
            Kernel::Avx2(_) => "avx2",
        }
    }

    /// The kernel of that name, if there is one and this CPU has it.
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "portable" => Some(Kernel::Portable),
            "avx2" => detected().map(Kernel::Avx2),
            _ => None,
        }
    }
}

#[cfg(all(target_arch = "x86_64", feature = "std"))]
fn detected() -> Option<Detected> {
    (std::is_x86_feature_detected!("avx2") && std::is_x86_feature_detected!("f16c")).then_some(Detected(()))
}

#[cfg(not(all(target_arch = "x86_64", feature = "std")))]
fn detected() -> Option<Detected> {
    cfg!(all(target_arch = "x86_64", target_feature = "avx2", target_feature = "f16c")).then_some(Detected(()))
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
    ($kernels:ident, $storage:expr, $product:ident, ($($argument:expr),*)) => {
        match $storage {
            Storage::F32 => product::$kernels::f32::$product($($argument),*),
            Storage::F16 => product::$kernels::f16::$product($($argument),*),
            Storage::Bf16 => product::$kernels::bf16::$product($($argument),*),
            Storage::Int8 => product::$kernels::int8::$product($($argument),*),
            Storage::Int4 => product::$kernels::int4::$product($($argument),*),
        }
    };
}

macro_rules! by_product {
    ($kernels:ident, $w:expr, $product:expr, $x:expr, $y:expr) => {
        match $product {
            Product::One => by_storage!($kernels, $w.storage, product_one, ($w, $x, $y)),
            Product::Many => by_storage!($kernels, $w.storage, product_many, ($w, $x, $y)),
            Product::AdjointOne => by_storage!($kernels, $w.storage, adjoint_one, ($w, $x, $y)),
            Product::AdjointMany => by_storage!($kernels, $w.storage, adjoint_many, ($w, $x, $y)),
        }
    };
}

/// The values of a row.
pub(super) fn decode(storage: Storage, row: &Row<'_>, y: &mut [f32]) {
    by_storage!(portable, storage, decode_row, (row, y))
}

/// Computes a product whose operands fit together.
pub(super) fn run(kernel: Kernel, product: Product, w: &Matrix<'_>, x: &[f32], y: &mut [f32]) {
    match kernel {
        Kernel::Portable => by_product!(portable, w, product, x, y),
        Kernel::Avx2(proof) => on_avx2(proof, product, w, x, y),
    }
}

#[cfg(target_arch = "x86_64")]
#[expect(unsafe_code, reason = "kernels for a CPU that was detected are called")]
fn on_avx2(_: Detected, product: Product, w: &Matrix<'_>, x: &[f32], y: &mut [f32]) {
    // SAFETY: a `Detected` exists only where the CPU, or the target of the compilation, has AVX2 and F16C.
    unsafe { by_product!(avx2, w, product, x, y) }
}

#[cfg(not(target_arch = "x86_64"))]
fn on_avx2(_: Detected, product: Product, w: &Matrix<'_>, x: &[f32], y: &mut [f32]) {
    by_product!(portable, w, product, x, y);
}
