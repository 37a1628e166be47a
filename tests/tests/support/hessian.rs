//! The energy's Hessian with respect to the mixed candidates.

use ebt_core::compute::Backend;
use ebt_core::config::UpdateRule;
use ebt_core::descent::rollout;
use ebt_core::dual::{Dual, DualTensor};
use ebt_core::energy::{self, Prediction};
use ebt_core::objective::Objective;
use ebt_tests::compare::close_number;
use ebt_tests::model::{self, Family, Kind, Sizes};
use ebt_tests::{Check, Draw, Factory, Mat, Reference64, close, difference};

/// `H u` against differences of the gradient, the gradient against differences of the energies, `<u, H v> = <v, H u>`.
pub fn check(draw: &Draw, sizes: Sizes, (family, kind): (Family, Kind)) -> Check {
    Reference64::with(|r| on(r, draw, sizes, (family, kind)))
}

fn on<B: Backend>(r: &B, draw: &Draw, sizes: Sizes, (family, kind): (Family, Kind)) -> Check {
    let (config, sequences) = model::of_family(draw, family, sizes, kind, UpdateRule::Mirror);
    let trainer = model::trainer(r, &config, &Objective::default(), &model::weights(draw, &config));
    let n = sequences.targets.len();
    let matrix = || draw.matrix(n, config.dim);
    let (p, u, v) = (draw.away_from_zero(n, config.dim), matrix(), matrix());
    model::with_rollout(r, &trainer, &sequences, 1, |rollout, _| {
        let (condition, _) = rollout::condition_of(&rollout, sizes.landscapes - 1);
        let observed = rollout::observe(&rollout, &condition);
        let x = Prediction {
            model: rollout.model,
            geometry: rollout.geometry,
            condition: &condition,
            memory: &observed.memory,
        };
        let ones = r.fill(n, 1, 1.0);
        let energies = |p: &Mat| Mat::download(r, &energy::forward(r, &x, &p.upload(r)).0);
        let gradient = |p: &Mat| {
            let (_, saved) = energy::forward(r, &x, &p.upload(r));
            Mat::download(r, &energy::backward(r, &x, &saved, &ones, None))
        };
        let hessian = |u: &Mat| {
            let d = Dual::new(r);
            let point = DualTensor { value: p.upload(r), tangent: Some(u.upload(r)) };
            let (_, saved) = energy::forward(&d, &x, &point);
            Mat::download(r, &energy::backward(&d, &x, &saved, &ones, None).tangent.unwrap())
        };
        // a small step: experts near a tie must not change places
        let slope = difference::central(1e-5, |h| vec![energies(&p.plus(h, &u))]);
        close_number("dE", gradient(&p).dot(&u), slope[0].data.iter().sum(), 1e-8)?;
        let (hu, hv) = (hessian(&u), hessian(&v));
        let curve = difference::central(1e-5, |h| vec![gradient(&p.plus(h, &u))]);
        close("H u", &hu, &curve[0], 1e-7)?;
        close_number("<u, H v>", u.dot(&hv), v.dot(&hu), 1e-11)
    })
}
