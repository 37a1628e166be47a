//! What a descent of one distribution a row computes is pinned bit by bit, over every way to descend.

mod toys;

use ebt::engine::descent::{DescentOptions, Dynamics, Noise, Selection, StepSize, Tolerance};
use ebt_core::config::UpdateRule;
use ebt_core::random::{Purpose, Stream};
use std::ops::ControlFlow;
use toys::{Energy, Toy, run};

/// FNV-1a over the bytes of words.
struct Hash(u64);

impl Hash {
    fn word(&mut self, word: u64) {
        for byte in word.to_le_bytes() {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }

    fn floats(&mut self, x: &[f32]) {
        self.word(x.len() as u64);
        x.iter().for_each(|x| self.word(u64::from(x.to_bits())));
    }
}

/// An energy of 11 tokens whose coefficients are multiples of 1/64: products and sums alone, the same on every machine.
fn energy(seed: u64) -> Energy {
    const V: usize = 11;
    let stream = Stream::new(seed, 0, Purpose::Test);
    let at = |index: usize| f64::from(stream.word(index as u64) % 128) / 64.0 - 1.0;
    let a = (0..V).map(|k| at(k) / 8.0).collect();
    let m = (0..V * V).map(|k| at(100 + (k / V) * V + k % V) + at(100 + (k % V) * V + k / V)).collect();
    Energy::Quadratic { a, m, b: (0..V).map(|k| at(50 + k)).collect() }
}

/// Everything that a run reports, of two positions.
fn fingerprint(hash: &mut Hash, think: &DescentOptions, model: &Dynamics) {
    let energies = (0..2 * think.candidates).map(|r| energy(r as u64 / think.candidates as u64)).collect();
    let mut seen = Hash(0xcbf2_9ce4_8422_2325);
    run(
        &mut Toy::new(energies),
        (think, model, &[3, 70]),
        &mut |r| {
            [r.index, r.position, r.candidate, r.step, r.landscape].iter().for_each(|x| seen.word(*x as u64));
            seen.floats(&[r.energy, r.energy_after.unwrap_or(-1.0), r.step_size, r.dissipation, r.log_sum_exp]);
            [r.logits, r.probabilities].iter().for_each(|x| seen.floats(x));
            ControlFlow::Continue(())
        },
        |d, outcome| {
            hash.word(outcome.steps as u64);
            [outcome.energies, outcome.gradients, outcome.curvatures].iter().for_each(|x| hash.word(*x));
            for k in 0..2 {
                let c = d.certificate(k).expect("finished");
                [c.position, c.candidate, c.steps, c.stop as usize].iter().for_each(|x| hash.word(*x as u64));
                c.landscapes.iter().for_each(|x| hash.word(u64::from(*x)));
                c.decreased.iter().for_each(|x| hash.word(u64::from(*x)));
                let lists = [c.energies, c.energies_after, c.step_sizes, c.dissipations, c.alpha_lambda];
                lists.iter().for_each(|x| hash.floats(x));
                hash.floats(c.candidate_energies);
                hash.floats(&[c.acceptance.unwrap_or(-1.0), c.largest_alpha_lambda.unwrap_or(-1.0), c.sufficient]);
                hash.floats(d.logits(k));
                hash.floats(d.probabilities(k));
                hash.floats(&[d.log_sum_exp(k).expect("finished")]);
            }
        },
    )
    .expect("a run");
    hash.word(seen.0);
}

#[test]
fn one_distribution_a_row_has_the_bits_that_it_always_had() {
    let sizes = [
        StepSize::Model,
        StepSize::Fixed(0.3),
        StepSize::ARMIJO,
        StepSize::Armijo { start: 40.0, decrease: 0.1, shrink: 0.4, grow: 1.1, most_halvings: 6 },
        StepSize::Curvature { c: 0.7, iterations: 5 },
    ];
    let noises = [
        Noise::None,
        Noise::Langevin { sigma: 0.2 },
        Noise::Temperature { tau: 0.3 },
        Noise::Metropolis { tau: 0.4, warm_up: 4 },
    ];
    let tolerances = [
        Tolerance::default(),
        Tolerance { energy: 1e-2, ..Tolerance::default() },
        Tolerance { dissipation: 3e-2, min_steps: 4, ..Tolerance::default() },
    ];
    let mut hash = Hash(0xcbf2_9ce4_8422_2325);
    let mut ran = 0;
    for (.., update) in UpdateRule::ALL {
        for (number, step_size) in sizes.into_iter().enumerate() {
            for noise in noises {
                for tolerance in tolerances {
                    for (candidates, choose) in [(1, Selection::Energy), (3, Selection::Energy), (3, Selection::Drop)] {
                        let think = DescentOptions {
                            steps: 8,
                            step_size,
                            noise,
                            tolerance,
                            candidates,
                            choose,
                            certify: number % 2 == 0,
                            curvature: if matches!(noise, Noise::Metropolis { .. }) { 0 } else { 3 * (number / 2) },
                            seed: 5 + number as u64,
                            ..DescentOptions::default()
                        };
                        if think.validate().is_err() {
                            continue;
                        }
                        let (zero_start, sigma0) = [(true, 0.0), (false, 0.7)][candidates / 2];
                        let landscapes = 1 + number % 3;
                        let model = Dynamics { landscapes, zero_start, sigma0, ..toys::dynamics(*update, 0.8) };
                        fingerprint(&mut hash, &think, &model);
                        ran += 1;
                    }
                }
            }
        }
    }
    assert_eq!((ran, format!("{:016x}", hash.0)), (342, String::from("7c09d163c19a489a")));
}
