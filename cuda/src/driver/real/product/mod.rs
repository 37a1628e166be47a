//! Matrix products by cublasLt.
//!
//! cublasLt counts by columns: a row-major matrix (r,c) with stride s is to it the transpose, (c,r) with leading dimension
//! s. So `C = op(A) op(B)` is computed as `C^T = op(B)^T op(A)^T`: its left operand is our B and its right one our A,
//! and where ours is transposed theirs is, because both views turn:
//!
//! | layout | B in memory | their left        | A in memory | their right       |
//! |--------|-------------|-------------------|-------------|-------------------|
//! | NN     | (k,n)       | (n,k) as it is    | (m,k)       | (k,m) as it is    |
//! | NT     | (n,k)       | (k,n) transposed  | (m,k)       | (k,m) as it is    |
//! | TN     | (k,n)       | (n,k) as it is    | (k,m)       | (m,k) transposed  |
//!
//! Sums are single precision, and a product that is split over k adds its parts in single precision in a fixed order.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::ffi::c_void;
use std::rc::Rc;

use cudarc::cublaslt::result::{self as lt, CublasError};
use cudarc::cublaslt::sys;
use ebt_core::compute::Layout;

use super::context::Context;
use crate::driver::{Operand, Product};
use crate::kind::Kind;

/// Alignments beyond this are of no use to any algorithm.
const ALIGNED: u32 = 256;

/// Everything that the choice of an algorithm depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Key {
    layout: u8,
    sizes: [usize; 3],
    kinds: [Kind; 3],
    strides: [usize; 3],
    /// Bytes that the addresses are multiples of.
    alignments: [u32; 3],
    accumulate: bool,
    tf32: bool,
}

impl Key {
    fn of(p: &Product, tf32: bool) -> Self {
        let operands = [p.a, p.b, p.c];
        Self {
            layout: p.layout as u8,
            sizes: [p.m, p.n, p.k],
            kinds: operands.map(|x| x.kind),
            strides: operands.map(|x| x.stride),
            alignments: operands.map(alignment),
            accumulate: p.accumulate,
            // only single-precision operands have a choice
            tf32: tf32 && !p.exact && p.a.kind == Kind::F32,
        }
    }
}

/// Largest power of two, up to [`ALIGNED`], that divides an address.
fn alignment(x: Operand) -> u32 {
    1 << x.address.trailing_zeros().min(ALIGNED.trailing_zeros())
}

/// Rows, columns and strides in memory of a, b and c, checked.
fn check(p: &Product) -> Result<(), String> {
    if p.m == 0 || p.n == 0 || p.k == 0 {
        return Err(String::from("no size may be zero"));
    }
    let (a, b) = match p.layout {
        Layout::NN => (p.k, p.n),
        Layout::NT => (p.k, p.k),
        Layout::TN => (p.m, p.n),
    };
    for (name, operand, columns) in [("a", p.a, a), ("b", p.b, b), ("c", p.c, p.n)] {
        if operand.stride < columns {
            return Err(format!("rows of {name} are {columns} long and {} apart", operand.stride));
        }
        if operand.address == 0 || !operand.address.is_multiple_of(operand.kind.bytes() as u64) {
            return Err(format!("{name} has the address {:#x}", operand.address));
        }
    }
    if p.a.kind != p.b.kind {
        return Err(format!("operands are {} and {}, they must be of one type", p.a.kind.name(), p.b.kind.name()));
    }
    if p.c.kind != Kind::F32 && p.c.kind != p.a.kind {
        return Err(format!("a {} result of {} operands", p.c.kind.name(), p.a.kind.name()));
    }
    Ok(())
}

/// A product for errors.
fn describe(p: &Product) -> String {
    let Product { layout, m, n, k, .. } = p;
    let [a, b, c] = [p.a, p.b, p.c].map(|x| x.kind.name());
    format!("product {layout:?} of m {m}, n {n}, k {k} ({a} {b} -> {c})")
}

/// Descriptors and algorithm of one kind of product.
#[derive(Debug)]
struct PlannedProduct {
    description: Description,
    /// Their left and right operand and the result.
    layouts: [MatrixLayout; 3],
    algorithm: sys::cublasLtMatmulAlgo_t,
    workspace: usize,
}

#[derive(Debug)]
struct Description(sys::cublasLtMatmulDesc_t);
#[derive(Debug)]
struct MatrixLayout(sys::cublasLtMatrixLayout_t);
struct Preference(sys::cublasLtMatmulPreference_t);

impl Drop for Description {
    fn drop(&mut self) {
        // SAFETY: made once, destroyed once
        let _ = unsafe { lt::destroy_matmul_desc(self.0) };
    }
}
impl Drop for MatrixLayout {
    fn drop(&mut self) {
        // SAFETY: made once, destroyed once
        let _ = unsafe { lt::destroy_matrix_layout(self.0) };
    }
}
impl Drop for Preference {
    fn drop(&mut self) {
        // SAFETY: made once, destroyed once
        let _ = unsafe { lt::destroy_matmul_pref(self.0) };
    }
}

impl Description {
    fn set<T>(&self, what: sys::cublasLtMatmulDescAttributes_t, value: &T) -> Result<(), CublasError> {
        // SAFETY: `value` is of the attribute's type, as the callers below have it
        unsafe { lt::set_matmul_desc_attribute(self.0, what, std::ptr::from_ref(value).cast(), size_of::<T>()) }
    }
}

impl Preference {
    fn set<T>(&self, what: sys::cublasLtMatmulPreferenceAttributes_t, value: &T) -> Result<(), CublasError> {
        // SAFETY: `value` is of the attribute's type, as the callers below have it
        unsafe { lt::set_matmul_pref_attribute(self.0, what, std::ptr::from_ref(value).cast(), size_of::<T>()) }
    }
}

fn data_type(kind: Kind) -> sys::cudaDataType {
    match kind {
        Kind::F32 => sys::cudaDataType::CUDA_R_32F,
        Kind::Bf16 => sys::cudaDataType::CUDA_R_16BF,
        Kind::F16 => sys::cudaDataType::CUDA_R_16F,
    }
}

/// cublasLt with the algorithms chosen so far.
#[derive(Debug)]
pub(super) struct Products {
    context: Rc<Context>,
    handle: sys::cublasLtHandle_t,
    /// Whether single-precision products may round their operands to TF32.
    tf32: bool,
    /// Address and bytes of the memory to work in.
    workspace: Cell<(u64, usize)>,
    plans: RefCell<HashMap<Key, Rc<PlannedProduct>>>,
}

impl Products {
    pub(super) fn new(context: &Rc<Context>, tf32: bool) -> Result<Self, String> {
        context.bind()?;
        let handle = lt::create_handle().map_err(|e| format!("cublasLt does not start on {}: {e}", context.name))?;
        let (workspace, plans) = (Cell::new((0, 0)), RefCell::default());
        Ok(Self { context: context.clone(), handle, tf32, workspace, plans })
    }

    pub(super) fn set_workspace(&self, address: u64, bytes: usize) {
        self.workspace.set((address, bytes));
        // plans were made for the memory there was
        self.plans.borrow_mut().clear();
    }

    /// Starts a product.
    pub(super) fn run(&self, p: &Product) -> Result<(), String> {
        check(p).map_err(|why| format!("{}: {why}", describe(p)))?;
        self.context.bind()?;
        let key = Key::of(p, self.tf32);
        let known = self.plans.borrow().get(&key).cloned();
        let plan = match known {
            Some(plan) => plan,
            None => {
                let plan = self.plan(&key, p.layout).map_err(|e| {
                    let strides = key.strides;
                    format!("{}: cublasLt has no algorithm for it, strides {strides:?} ({e})", describe(p))
                })?;
                self.plans.borrow_mut().entry(key).or_insert(Rc::new(plan)).clone()
            }
        };
        let beta = if p.accumulate { 1.0f32 } else { 0.0 };
        let [left, right, out] = [&plan.layouts[0], &plan.layouts[1], &plan.layouts[2]];
        let c = p.c.address as *mut c_void;
        // SAFETY: the descriptors live in the plan; the addresses are device memory of these shapes by the contract of
        // `Driver::product`; the workspace is ours alone and products follow each other on the stream
        unsafe {
            lt::matmul(
                self.handle,
                plan.description.0,
                (&raw const p.alpha).cast(),
                (&raw const beta).cast(),
                p.b.address as *const c_void,
                left.0,
                p.a.address as *const c_void,
                right.0,
                c,
                out.0,
                c,
                out.0,
                &raw const plan.algorithm,
                self.workspace.get().0 as *mut c_void,
                plan.workspace,
                self.context.stream.cast(),
            )
        }
        .map_err(|e| format!("{}: {e}", describe(p)))
    }

    fn plan(&self, key: &Key, layout: Layout) -> Result<PlannedProduct, CublasError> {
        use sys::cublasLtMatmulDescAttributes_t as Attribute;
        use sys::cublasLtMatmulPreferenceAttributes_t as Wish;

        let compute = match key.tf32 {
            true => sys::cublasComputeType_t::CUBLAS_COMPUTE_32F_FAST_TF32,
            false => sys::cublasComputeType_t::CUBLAS_COMPUTE_32F,
        };
        let description = Description(lt::create_matmul_desc(compute, sys::cudaDataType::CUDA_R_32F)?);
        // `cublasOperation_t`: 0 as it is, 1 transposed
        let turned = |is: bool| i32::from(is);
        description.set(Attribute::CUBLASLT_MATMUL_DESC_TRANSA, &turned(layout == Layout::NT))?;
        description.set(Attribute::CUBLASLT_MATMUL_DESC_TRANSB, &turned(layout == Layout::TN))?;

        let [m, n, k] = key.sizes.map(|size| size as u64);
        let (left, right) = match layout {
            Layout::NN => ((n, k), (k, m)),
            Layout::NT => ((k, n), (k, m)),
            Layout::TN => ((n, k), (m, k)),
        };
        let matrix = |which: usize, (rows, columns): (u64, u64)| {
            lt::create_matrix_layout(data_type(key.kinds[which]), rows, columns, key.strides[which] as i64)
                .map(MatrixLayout)
        };
        let layouts = [matrix(1, left)?, matrix(0, right)?, matrix(2, (n, m))?];

        let preference = Preference(lt::create_matmul_pref()?);
        preference.set(Wish::CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, &self.workspace.get().1)?;
        let reduction = sys::cublasLtReductionScheme_t::CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE as u32;
        preference.set(Wish::CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK, &reduction)?;
        let [a, b, c] = key.alignments;
        preference.set(Wish::CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, &b)?;
        preference.set(Wish::CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES, &a)?;
        preference.set(Wish::CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, &c)?;
        preference.set(Wish::CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES, &c)?;
        let [left, right, out] = [layouts[0].0, layouts[1].0, layouts[2].0];
        // SAFETY: all descriptors exist
        let chosen =
            unsafe { lt::get_matmul_algo_heuristic(self.handle, description.0, left, right, out, out, preference.0) }?;
        Ok(PlannedProduct { description, layouts, algorithm: chosen.algo, workspace: chosen.workspaceSize })
    }
}

impl Drop for Products {
    fn drop(&mut self) {
        // waits for products that still run
        if self.context.synchronize().is_ok() {
            // SAFETY: made once, destroyed once
            let _ = unsafe { lt::destroy_handle(self.handle) };
        }
    }
}

#[cfg(test)]
mod tests;
