//! The kernels of attention as the host sees them: geometry, tiles, shared memory. The numbers are those of
//! `kernels/attention.cuh` and `kernels/attention_products.cuh`.

use crate::op::relations::CLASSES;
use crate::{Kind, Matrix};
use ebt_core::compute::Attention;
use ebt_core::error::Error;

/// Widths of heads that kernels exist for; a narrower head is padded with zeros in shared memory.
const WIDTHS: [usize; 6] = [16, 32, 48, 64, 128, 256];
/// Rows of a block for every warp of it.
const WARP_ROWS: usize = 16;

/// One of the passes over pairs of queries and keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pass {
    Forward,
    BackwardQueries,
    BackwardKeys,
    ForwardTangent,
    TangentQueries,
    TangentKeys,
    JointForward,
    JointBackwardQueries,
    JointBackwardKeys,
    JointForwardTangent,
    JointTangentQueries,
    JointTangentKeys,
}

impl Pass {
    #[cfg(test)]
    const ALL: [Self; 12] = [
        Self::Forward,
        Self::BackwardQueries,
        Self::BackwardKeys,
        Self::ForwardTangent,
        Self::TangentQueries,
        Self::TangentKeys,
        Self::JointForward,
        Self::JointBackwardQueries,
        Self::JointBackwardKeys,
        Self::JointForwardTangent,
        Self::JointTangentQueries,
        Self::JointTangentKeys,
    ];

    /// Passes of attention among all positions, forward and backward.
    pub(super) const JOINT: [Self; 3] = [Self::JointForward, Self::JointBackwardQueries, Self::JointBackwardKeys];
    /// Passes of their tangents.
    pub(super) const JOINT_TANGENT: [Self; 3] =
        [Self::JointForwardTangent, Self::JointTangentQueries, Self::JointTangentKeys];

    /// Whether a block keeps keys and walks over queries.
    pub(super) fn is_over_queries(self) -> bool {
        matches!(self.columns_as(), Self::BackwardKeys | Self::TangentKeys)
    }

    /// Tiles of rows that a block keeps, and tiles that it reads at every step.
    fn tiles(self) -> (usize, usize) {
        match self {
            Self::Forward | Self::JointForward => (1, 2),
            Self::BackwardQueries | Self::ForwardTangent | Self::BackwardKeys => (2, 2),
            Self::JointBackwardQueries | Self::JointBackwardKeys => (2, 2),
            Self::TangentQueries => (4, 2),
            Self::TangentKeys | Self::JointForwardTangent => (2, 4),
            Self::JointTangentQueries | Self::JointTangentKeys => (4, 4),
        }
    }

    /// The pass of two streams that reads as many rows at every step.
    fn columns_as(self) -> Self {
        match self {
            Self::JointForward => Self::Forward,
            Self::JointBackwardQueries => Self::BackwardQueries,
            Self::JointBackwardKeys => Self::BackwardKeys,
            Self::JointForwardTangent | Self::JointTangentQueries => Self::TangentQueries,
            Self::JointTangentKeys => Self::TangentKeys,
            same => same,
        }
    }

    /// Rows of a tile that is read at every step.
    fn columns(self, kind: Kind, width: usize) -> usize {
        if kind == Kind::F32 {
            return match width {
                129.. => 8,
                65.. => 16,
                _ if self.columns_as() == Self::TangentKeys => 16,
                _ => 32,
            };
        }
        match self.columns_as() {
            Self::Forward if width > 128 => 32,
            Self::Forward => 64,
            Self::BackwardQueries | Self::ForwardTangent if width <= 64 => 64,
            Self::TangentKeys => 16,
            Self::TangentQueries if width > 64 => 16,
            _ if width > 128 => 16,
            _ => 32,
        }
    }

    /// Dynamic shared memory of a block in bytes.
    fn shared(self, kind: Kind, width: usize, warps: usize, stages: usize) -> usize {
        let (kept, read) = self.tiles();
        let (rows, columns) = (warps * WARP_ROWS, self.columns(kind, width));
        let pitch = width * kind.bytes() + 16;
        let tiles = (kept * rows + read * columns * stages) * pitch;
        let scratch = if kind == Kind::F32 { rows * (columns + 4) * 4 } else { 0 };
        let numbers = if self.is_over_queries() { stages * columns * 20 } else { 0 };
        tiles + scratch + numbers
    }

    /// The largest block, with tiles copied ahead if possible, whose shared memory is within `limit`, which holds sums
    /// for `classes` classes at most.
    fn plan(self, kind: Kind, width: usize, limit: usize, classes: usize) -> Option<BlockPlan> {
        let fewer = |classes: &usize| (*classes > 1).then(|| classes.div_ceil(2));
        let tries = || [(4, 2), (4, 1), (2, 2), (2, 1), (1, 2), (1, 1)].into_iter();
        std::iter::successors(Some(classes.min(CLASSES)), fewer).find_map(|classes| {
            tries().find_map(|(warps, stages)| {
                let shared = self.shared(kind, width, warps, stages) + classes * warps * 128;
                (shared <= limit).then_some(BlockPlan { warps, stages, shared, classes })
            })
        })
    }

    /// Whether there is a kernel for heads `width` wide on a device whose blocks have at most `limit` bytes of shared
    /// memory.
    pub(super) fn exists(self, kind: Kind, width: usize, limit: usize) -> bool {
        padded(width).is_some_and(|width| self.plan(kind, width, limit, 1).is_some())
    }

    /// Kernel file and kernel for heads padded to `width`.
    fn kernel(self, width: usize) -> (&'static str, &'static str) {
        macro_rules! of_width {
            ($($width:literal),*) => {
                match width {
                    $($width => match self {
                        Self::Forward => (concat!("attention_", $width), concat!("attention_forward_", $width)),
                        Self::BackwardQueries =>
                            (concat!("attention_", $width), concat!("attention_backward_queries_", $width)),
                        Self::BackwardKeys =>
                            (concat!("attention_", $width), concat!("attention_backward_keys_", $width)),
                        Self::ForwardTangent =>
                            (concat!("attention_tangent_", $width), concat!("attention_forward_tangent_", $width)),
                        Self::TangentQueries =>
                            (concat!("attention_tangent_", $width), concat!("attention_tangent_queries_", $width)),
                        Self::TangentKeys =>
                            (concat!("attention_tangent_", $width), concat!("attention_tangent_keys_", $width)),
                        Self::JointForward => (concat!("joint_", $width), concat!("joint_forward_", $width)),
                        Self::JointBackwardQueries =>
                            (concat!("joint_", $width), concat!("joint_backward_queries_", $width)),
                        Self::JointBackwardKeys =>
                            (concat!("joint_", $width), concat!("joint_backward_keys_", $width)),
                        Self::JointForwardTangent =>
                            (concat!("joint_tangent_", $width), concat!("joint_forward_tangent_", $width)),
                        Self::JointTangentQueries =>
                            (concat!("joint_tangent_", $width), concat!("joint_tangent_queries_", $width)),
                        Self::JointTangentKeys =>
                            (concat!("joint_tangent_", $width), concat!("joint_tangent_keys_", $width)),
                    },)*
                    _ => ("", ""),
                }
            };
        }
        of_width!(16, 32, 48, 64, 128, 256)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct BlockPlan {
    warps: usize,
    stages: usize,
    shared: usize,
    classes: usize,
}

/// A launch of a pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Launch {
    pub(super) family: &'static str,
    pub(super) name: &'static str,
    pub(super) blocks: usize,
    pub(super) threads: u32,
    pub(super) shared: usize,
    /// Blocks along a sequence.
    pub(super) tiles: usize,
    /// Classes of relations of a block, where it sums by class.
    pub(super) classes: usize,
    /// The kernel's first argument.
    pub(super) words: [u64; 7],
}

/// What all passes of one attention have in common.
#[derive(Clone, Copy, Debug)]
pub(super) struct Geometry {
    pub(super) shape: Attention,
    /// Memory slots that a query sees.
    pub(super) slots: usize,
    pub(super) kind: Kind,
    /// Address of the first visible indices, or 0.
    pub(super) starts: u64,
    /// Elements that a move may carry.
    pub(super) vector: usize,
}

/// Elements of one move that suits rows of heads `width` wide in all matrices of `stream` (storage type `kind`): 16
/// bytes, 2 or 1. Pairs of single-precision numbers must be possible in `slot` too.
pub(super) fn vector(kind: Kind, width: usize, stream: &[&Matrix], slot: Option<&Matrix>) -> usize {
    let bytes = kind.bytes();
    let suits = |count: usize| {
        let aligned = |m: &Matrix, bytes: usize| m.address().is_multiple_of(bytes as u64);
        width.is_multiple_of(count)
            && stream.iter().all(|m| aligned(m, count * bytes))
            && slot.is_none_or(|m| aligned(m, 8))
    };
    [16 / bytes, 2].into_iter().find(|count| suits(*count)).unwrap_or(1)
}

/// Width that heads are padded to, if there is one.
fn padded(width: usize) -> Option<usize> {
    WIDTHS.into_iter().find(|w| width <= *w)
}

impl Geometry {
    /// The kernels' `struct Attention`.
    pub(super) fn words(&self, tiles: usize, stages: usize) -> [u64; 7] {
        let s = self.shape;
        // sizes were checked against what 31 bits hold (`fits`)
        let pair = |low: usize, high: usize| low as u64 | (high as u64) << 32;
        let scale = 1.0 / (s.head_dim as f64).sqrt();
        let bits = |x: f64| u64::from((x as f32).to_bits());
        [
            self.starts,
            pair(s.context, s.heads),
            pair(s.kv_heads, s.heads / s.kv_heads),
            pair(s.head_dim, self.slots),
            pair(tiles, self.vector),
            stages as u64 | bits(scale) << 32,
            bits(scale * std::f64::consts::LOG2_E),
        ]
    }

    /// The launch of a pass, which sums by `classes` classes, on a device whose blocks have at most `limit` bytes of
    /// shared memory.
    pub(super) fn launch(&self, pass: Pass, limit: usize, classes: usize) -> Result<Launch, Error> {
        let s = self.shape;
        let width = padded(s.head_dim);
        let plan = width.and_then(|w| Some((w, pass.plan(self.kind, w, limit, classes)?)));
        let Some((width, plan)) = plan else {
            let what = format!("{pass:?} of attention with heads {} wide in {}", s.head_dim, self.kind.name());
            let message = format!("{what} does not fit in {limit} bytes of shared memory");
            return Err(Error::Device(message));
        };
        let tiles = s.context.div_ceil(plan.warps * WARP_ROWS);
        let heads = if pass.is_over_queries() { s.kv_heads * width.div_ceil(128) } else { s.heads };
        let (family, name) = pass.kernel(width);
        Ok(Launch {
            family,
            name,
            blocks: tiles * heads * s.batch,
            threads: 32 * plan.warps as u32,
            shared: plan.shared,
            tiles,
            classes: plan.classes,
            words: self.words(tiles, plan.stages),
        })
    }
}

/// What is wrong with a geometry, if anything.
pub(super) fn fault(shape: Attention) -> Option<String> {
    let Attention { batch, context, heads, kv_heads, head_dim, window } = shape;
    if [batch, context, heads, kv_heads, head_dim, window].contains(&0) {
        return Some("every size must be at least 1".into());
    }
    if !heads.is_multiple_of(kv_heads) {
        return Some(format!("{heads} query heads cannot share {kv_heads} key heads evenly"));
    }
    if head_dim > 256 {
        return Some(format!("heads are {head_dim} wide, at most 256 is possible"));
    }
    let most = (i32::MAX as usize) / 4;
    let columns = kv_heads.checked_mul(2).and_then(|k| k.checked_add(heads)?.checked_mul(head_dim));
    let rows = batch.checked_mul(context);
    if rows.is_none_or(|n| n > most) || columns.is_none_or(|c| c > most) {
        return Some(format!("{batch} sequences of {context} positions with {heads} heads are too many"));
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::toolchain::kernels::source;

    #[test]
    fn every_pass_has_its_kernel() {
        for width in WIDTHS {
            for pass in Pass::ALL {
                let (family, name) = pass.kernel(width);
                let text = source(family).unwrap();
                assert!(text.contains(&format!("\nKERNEL(128, {name})(")), "{name}");
            }
        }
    }

    #[test]
    fn every_pass_fits_large_devices_and_first_order_small_ones() {
        for kind in [Kind::F32, Kind::Bf16, Kind::F16] {
            for width in WIDTHS {
                for pass in Pass::ALL {
                    let plan = |limit| pass.plan(kind, width, limit, 0);
                    assert!(plan(232_448).is_some(), "{pass:?} {kind:?} {width}");
                    let second = matches!(pass, Pass::ForwardTangent | Pass::TangentQueries | Pass::TangentKeys);
                    let joint = Pass::JOINT_TANGENT.contains(&pass);
                    let wide =
                        kind == Kind::F32 && (second && width == 256 || joint && width > 64) || joint && width == 256;
                    assert!(plan(65_536).is_some() || wide, "{pass:?} {kind:?} {width}");
                    if width <= 64 && !joint || (width == 128 && kind != Kind::F32 && !joint) {
                        let best = plan(232_448).unwrap();
                        assert_eq!((best.warps, best.stages), (4, 2), "{pass:?} {kind:?} {width}");
                    }
                }
            }
        }
    }

    #[test]
    fn shared_memory_is_what_the_layout_takes() {
        // 64 rows of queries; keys and values of 64, twice; 72 elements of 2 bytes a row
        assert_eq!(Pass::Forward.shared(Kind::Bf16, 64, 4, 2), (64 + 4 * 64) * 144);
        // keys, values; queries, dout of 32, twice, and for each query four numbers and a bound; 36 floats a row of scratch
        let tiles = (2 * 32 + 4 * 32) * 272;
        assert_eq!(Pass::BackwardKeys.shared(Kind::F32, 64, 2, 2), tiles + 32 * 36 * 4 + 2 * 32 * 20);
    }

    #[test]
    fn sums_by_class_take_a_number_a_thread_and_class_and_shrink_where_room_is_short() {
        for pass in [Pass::JointBackwardQueries, Pass::JointTangentQueries] {
            for (kind, width) in [(Kind::Bf16, 16), (Kind::F32, 64), (Kind::F32, 256)] {
                for classes in [1, 8, 33, 161] {
                    let plan = pass.plan(kind, width, 232_448, classes).unwrap();
                    assert_eq!(plan.classes, classes.min(CLASSES), "{pass:?} {kind:?} {width}");
                    let sums = 4 * 32 * plan.warps * plan.classes;
                    assert_eq!(plan.shared, pass.shared(kind, width, plan.warps, plan.stages) + sums);
                }
            }
        }
        let least = Pass::JointTangentQueries.shared(Kind::F32, 256, 1, 1);
        let plan = |room| Pass::JointTangentQueries.plan(Kind::F32, 256, least + room, 161).map(|p| p.classes);
        assert_eq!([plan(128 * 64), plan(128 * 20), plan(128), plan(127)], [Some(64), Some(16), Some(1), None]);
    }

    #[test]
    fn impossible_geometries_are_named() {
        let good = Attention { batch: 2, context: 8, heads: 4, kv_heads: 2, head_dim: 42, window: 3 };
        assert_eq!(fault(good), None);
        assert!(fault(Attention { kv_heads: 3, ..good }).unwrap().contains("3 key heads"));
        assert!(fault(Attention { head_dim: 257, ..good }).unwrap().contains("257"));
        assert!(fault(Attention { window: 0, ..good }).is_some());
        assert!(fault(Attention { context: usize::MAX, ..good }).is_some());
        assert!(fault(Attention { batch: 1 << 28, ..good }).is_some());
        assert!(fault(Attention { heads: usize::MAX / 2 * 2, ..good }).is_some());
    }
}
