//! Every rule of differentiation, first and second order, against central differences of the reference in double
//! precision; and the proof that this check sees a rule that is wrong by half a thousandth.
#![allow(clippy::unwrap_used)]

use ebt_core::compute::{Attention, Compute};
use ebt_core::dual::{Dual, DualTensor};
use ebt_core::reference::Reference;
use ebt_tests::case::{Args, Case, Operation};
use ebt_tests::composed::Composed;
use ebt_tests::level::{self, Directions};
use ebt_tests::op::{attention::Attend, norm::Norm, pointwise::Pointwise};
use ebt_tests::suite::families::{self, Visit};
use ebt_tests::{Check, Draw, Factory, Mat, Reference64, difference};

struct Differences<'a, 'b>(&'a Reference<'b, f64>);

impl Visit for Differences<'_, '_> {
    fn case<O: Operation>(&self, case: &Case<O>, along: &Directions) -> Check {
        if case.op.constant() { Ok(()) } else { difference::check(self.0, self.0, case, along) }
    }
    fn largest(&self) -> usize {
        6
    }
    fn draws(&self) -> u32 {
        32
    }
}

macro_rules! differences {
    ($($family:ident),*) => {
        $(#[test]
        fn $family() {
            Reference64::with(|r| families::$family(&Differences(r)));
        })*
    };
}
differences!(elementwise, movement, products, sinks, norms, pointwise, cross_entropies, bands, attentions);

/// One primitive, to plant a wrong rule in.
#[derive(Clone, Debug)]
enum Primitive {
    Rsqrt,
    Recip,
}

impl Operation for Primitive {
    fn run<C: Compute>(&self, c: &C, x: &mut Args<C>) -> Vec<C::Tensor> {
        vec![match self {
            Self::Rsqrt => c.rsqrt(&x.t[0]),
            Self::Recip => c.recip(&x.t[0]),
        }]
    }
}

/// Checks `case` along dense directions on a backend whose `scale(right)` multiplies by `wrong`.
fn with_planted<O: Operation>(case: &Case<O>, right: f64, wrong: f64) -> Check {
    let draw = Draw::new(1);
    let dense = || case.tensors.iter().map(|t| Some(draw.matrix(t.rows, t.columns))).collect();
    let along = Directions { u: dense(), v: dense(), w: dense() };
    Reference64::with(|r| difference::check(r, &Composed::with_planted(r, right, wrong), case, &along))
}

/// `rsqrt' = -y^3 / 2`, `recip' = -y^2`: the factors occur in the rules only, so values stay right.
#[test]
fn the_check_catches_a_rule_that_is_wrong_by_half_a_thousandth() {
    let x = vec![Draw::new(2).positive(3, 4)];
    for (op, right) in [(Primitive::Rsqrt, -0.5), (Primitive::Recip, -1.0)] {
        let case = Case::new(op, x.clone());
        assert_eq!(with_planted(&case, right, right), Ok(()));
        let caught = with_planted(&case, right, right * 2.001 / 2.0);
        assert!(caught.is_err_and(|e| e.contains("first derivative")), "{case:?}");
    }
}

/// The same for rules of compositions: a fused tangent that is wrong is seen at the first or the second order.
#[test]
fn the_check_catches_a_wrong_factor_inside_a_composition() {
    let draw = Draw::new(3);
    let m = |columns| draw.matrix(4, columns);
    // rt = -r^3 mean(x xt) over five columns
    let norm = Case::new(Norm::Forward, vec![m(5)]).leaves(vec![draw.matrix(1, 5)]);
    let swiglu = Case::new(Pointwise::SwigluTangent, vec![m(6), m(6)]);
    assert_eq!(with_planted(&norm, -0.2, -0.2), Ok(()));
    assert!(with_planted(&norm, -0.2, -0.2001).is_err());
    assert_eq!(with_planted(&swiglu, -1.0, -1.0), Ok(()));
    assert!(with_planted(&swiglu, -1.0, -1.0005).is_err());
    let shape = Attention { batch: 1, context: 4, heads: 2, kv_heads: 1, head_dim: 2, window: 3 };
    let attend = Case::new(Attend::Predicted(shape), vec![m(8)]).leaves(vec![m(4)]);
    assert_eq!(with_planted(&attend, -1.0, -1.0), Ok(()));
    assert!(with_planted(&attend, -1.0, -1.0005).is_err());
}

/// An injected cotangent enters the tangent and leaves the value.
#[test]
fn an_injected_cotangent_is_seen_by_the_tangent_only() {
    Reference64::with(|r| {
        let draw = Draw::new(4);
        let (x, t, leaf) = (draw.matrix(3, 2), draw.matrix(3, 2), draw.matrix(3, 2));
        for tangent in [None, Some(&t)] {
            let a = DualTensor { value: x.upload(r), tangent: tangent.map(|t| t.upload(r)) };
            let out = Dual::new(r).add_outer_cotangent(&a, &leaf.upload(r));
            assert_eq!(Mat::download(r, &out.value), x);
            let expected = tangent.map_or(leaf.clone(), |t| t.plus(1.0, &leaf));
            assert_eq!(Mat::download(r, &out.tangent.unwrap()), expected);
        }
    });
}

/// An exact zero stays one: without tangents going in, none comes out.
#[test]
fn constants_have_no_tangent() {
    Reference64::with(|r| {
        let d = Dual::new(r);
        let x = Draw::new(5).matrix(2, 4);
        let leaf = x.upload(r);
        let a = d.lift(&leaf);
        let none = |t: &DualTensor<_>| assert!(t.tangent.is_none());
        none(&a);
        none(&d.mul(&d.exp(&a), &d.softmax(&a)));
        none(&d.linear(&a, &leaf));
        none(&d.norm(&a, &d.slice_rows(&leaf, 0, 1), None, 1e-5).0);
        let with = DualTensor { value: x.upload(r), tangent: Some(x.upload(r)) };
        none(&d.heaviside(&with));
        none(&d.max_columns(&with));
    });
}

/// Directions that are absent and directions of zeros give the same derivatives.
#[test]
fn an_absent_direction_is_a_direction_of_zeros() {
    Reference64::with(|r| {
        let draw = Draw::new(6);
        let shape = Attention { batch: 2, context: 3, heads: 2, kv_heads: 2, head_dim: 2, window: 2 };
        let m = |columns| draw.matrix(6, columns);
        let case = Case::new(Attend::PredictedBackward(shape), vec![m(12), m(4)]).leaves(vec![m(8)]).slots(vec![m(8)]);
        let along = Some(m(12));
        let absent = level::first(r, r, &case, &[along.clone(), None]);
        let zeros = level::first(r, r, &case, &[along, Some(Mat::zeros(6, 4))]);
        assert_eq!(absent.close_to(&zeros, 1e-14), Ok(()));
        let absent = level::first(r, r, &case, &[None, Some(m(4))]);
        assert!(absent.slots[0] != case.slots[0], "linear in the cotangent");
    });
}
