//! The training gradient of `Trainer` against differences of the loss written out in `ebt_tests::oracle`.

use ebt_core::compute::Backend;
use ebt_core::config::UpdateRule;
use ebt_core::objective::{LossSteps, Objective};
use ebt_core::parameters::{ParameterInfo, ParameterLayout, Role};
use ebt_tests::compare::close_number;
use ebt_tests::model::{self, Family, Kind, Sizes};
use ebt_tests::oracle::{self, Frozen, Loss};
use ebt_tests::{Draw, Factory, Mat, Reference64, difference};

/// How far apart the points of a difference may be.
#[derive(Clone, Copy, Debug)]
pub enum Smoothness {
    /// No kinks: wide differences of fourth order, and a tight bound.
    Smooth,
    /// Kinks: points so close that hardly any lies between them, and a bound for the rounding that costs.
    Kinked,
}

impl Smoothness {
    /// Spacing and allowed error; the loss is of order 1 to 10 and rounded to 1e-15.
    fn spacing(self) -> (f64, f64) {
        match self {
            Self::Smooth => (1e-5, 1e-7),
            Self::Kinked => (2e-6, 2e-6),
        }
    }
}

/// Loss and gradients of one random model and batch; returns the loss beside cross entropy and balance.
pub fn check(
    draw: &Draw,
    sizes: Sizes,
    (family, kind): (Family, Kind),
    rule: UpdateRule,
    objective: &Objective,
    smoothness: Smoothness,
) -> Result<f64, String> {
    Reference64::with(|r| on(r, draw, sizes, (family, kind), rule, objective, smoothness))
}

fn on<B: Backend>(
    r: &B,
    draw: &Draw,
    sizes: Sizes,
    (family, kind): (Family, Kind),
    rule: UpdateRule,
    objective: &Objective,
    smoothness: Smoothness,
) -> Result<f64, String> {
    let (config, sequences) = model::of_family(draw, family, sizes, kind, rule);
    let weights = model::weights(draw, &config);
    let initial = draw.matrix(sequences.targets.len(), sizes.vocab);
    let seed = 5;
    let loss = |weights: &[Mat], frozen: Option<&Frozen>| -> Loss {
        let trainer = model::trainer(r, &config, objective, weights);
        model::with_rollout(r, &trainer, &sequences, seed, |rollout, _| {
            oracle::loss(rollout, &sequences.targets, &initial, frozen)
        })
    };
    let base = loss(&weights, None);
    let mut trainer = model::trainer(r, &config, objective, &weights);
    let result = trainer.gradient(r, &sequences, &model::settings(seed), Some(&initial.data), false);
    let report = result.map_err(|e| e.to_string())?.0;
    let setting = |e: String| format!("{e}\n{config:?}\n{objective:?}\n{sequences:?}");
    close_number("reconstruction", report.reconstruction, base.reconstruction, 1e-11).map_err(setting)?;
    close_number("extra", report.extra, base.extra, 1e-11).map_err(setting)?;
    if objective.loss != LossSteps::Last {
        close_number("balance", report.balance, base.balance, 1e-11).map_err(setting)?;
    }
    let grads: Vec<Mat> = trainer.gradients().iter().map(|g| Mat::download(r, g)).collect();
    let along = |directions: &[Mat], h: f64| {
        let slope = difference::central(h, |h| {
            let moved: Vec<Mat> = weights.iter().zip(directions).map(|(w, d)| w.plus(h, d)).collect();
            vec![Mat::new(1, 1, vec![loss(&moved, Some(&base.trajectory)).total()])]
        });
        let got: f64 = grads.iter().zip(directions).map(|(g, d)| g.dot(d)).sum();
        (got, slope[0].data[0])
    };
    // a kink that lies between the points of one difference hardly lies between those of a narrower one too, and a
    // steep model may need narrow differences; a wrong gradient agrees with none
    let judge = |what: &str, directions: &[Mat]| {
        let (h, tolerance) = smoothness.spacing();
        let at = |h| {
            let (got, slope) = along(directions, h);
            close_number(what, got, slope, tolerance)
        };
        at(h).or_else(|e| at(h / 16.0).map_err(|_| e))
    };
    let layout = ParameterLayout::new(&config);
    let direction = |e: &ParameterInfo| {
        if e.role == Role::State { Mat::zeros(e.rows, e.columns) } else { draw.matrix(e.rows, e.columns) }
    };
    let all: Vec<Mat> = layout.entries.iter().map(direction).collect();
    let only = |id: usize| -> Vec<Mat> {
        let part = |(i, m): (usize, &Mat)| if i == id { m.clone() } else { Mat::zeros(m.rows, m.columns) };
        all.iter().enumerate().map(part).collect()
    };
    let alpha = layout.energy.map_or(0, |ids| ids.alpha);
    let result = judge("all parameters", &all).and_then(|()| judge("alpha", &only(alpha)));
    result.map(|()| base.extra).map_err(|e| {
        // name the parameters that are wrong
        let each = layout.entries.iter().enumerate().filter_map(|(id, p)| judge(&p.name, &only(id)).err());
        setting(std::iter::once(e).chain(each).collect::<Vec<_>>().join("\n"))
    })
}
