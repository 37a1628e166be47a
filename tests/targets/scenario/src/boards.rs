//! A board of 6 x 6 that a joint model fills in, in every way there is.

use core::ops::ControlFlow;

use ebt::packed::Model;
use ebt::{DescentOptions, Error, Prior, Problem, Selection, SessionOptions, Solver, StepReport, StepSize};

use crate::print::{hexadecimal, size};

/// Digits of the board, 0 where nothing is given.
pub const BOARD: [u8; CELLS] = [
    0, 0, 3, 0, 1, 0, //
    5, 6, 0, 3, 2, 0, //
    0, 5, 4, 2, 0, 3, //
    2, 0, 6, 4, 5, 0, //
    0, 1, 2, 0, 4, 5, //
    0, 4, 0, 1, 0, 0, //
];
/// Cells of the board, and the digits that a cell may hold.
const CELLS: usize = 36;
const DIGITS: u32 = 6;

/// Extents of one descent.
pub fn small_options() -> SessionOptions {
    SessionOptions { block: 1, rows: 1, steps: 16, trials: false, ..SessionOptions::default() }
}

/// Extents with everything that may be asked for.
pub fn options() -> SessionOptions {
    SessionOptions { block: 1, rows: 4, steps: 16, curvature: true, ..SessionOptions::default() }
}

/// Every setting that leads to code of its own.
fn ways() -> [(&'static str, DescentOptions); 5] {
    let usual = DescentOptions { seed: 7, ..DescentOptions::joint() };
    let armijo = DescentOptions { steps: 4, step_size: StepSize::ARMIJO, ..usual };
    let vote = DescentOptions { steps: 4, candidates: 2, choose: Selection::Vote, ..usual };
    [
        ("board", usual),
        ("board, armijo", armijo),
        ("board, four starts", DescentOptions { steps: 8, candidates: 4, ..usual }),
        ("board, commits", DescentOptions { steps: 4, commits: 2, ..vote }),
        ("board, curvature", DescentOptions { steps: 2, curvature: 2, ..usual }),
    ]
}

/// Fills in the board with `model` in `arena`: answer, assessment, trajectory and final energies go to `out`.
///
/// # Errors
///
/// The number of the step that failed, for an exit status.
pub fn run(model: &[u8], arena: &mut [u8], out: &mut dyn FnMut(&[u8])) -> Result<(), u32> {
    size(b"solver", model.len(), out);
    let model = Model::read(model).map_err(|_| 40u32)?;
    for (name, options) in [(&b"board least"[..], small_options()), (b"board most", options())] {
        size(name, Solver::bytes_needed(&model.config, &options).map_err(|_| 41u32)?, out);
    }
    let mut solver = Solver::new(model, &options(), arena).map_err(|_| 42u32)?;
    for (number, (name, think)) in (50u32..).zip(&ways()) {
        out(name.as_bytes());
        out(b":\n  ");
        solve(&mut solver, think, out).map_err(|_| number)?;
    }
    Ok(())
}

fn solve(solver: &mut Solver<'_, '_>, think: &DescentOptions, out: &mut dyn FnMut(&[u8])) -> Result<(), Error> {
    let any = (1 << DIGITS) - 1;
    let allowed = BOARD.map(|digit| if digit == 0 { any } else { 1 << (digit - 1) });
    let mut states = 0u32;
    let watch = &mut |step: &StepReport<'_>| {
        states = step.probabilities.iter().fold(states, |sum, p| sum.rotate_left(5) ^ p.to_bits());
        ControlFlow::Continue(())
    };
    // the optimiser must not know the board: what is proved for this one would say nothing of others
    let problem = core::hint::black_box(Problem { cells: CELLS, allowed: &allowed, prior: Prior::default() });
    let solution = solver.solve(problem, think, watch)?;
    for token in solution.answer() {
        out(&[b'1'.wrapping_add(token as u8)]);
    }
    out(b"|");
    hexadecimal(states, out);
    let certificate = solution.certificate;
    if let Some(end) = certificate.end {
        hexadecimal(end.votes, out);
        for x in [end.energy, end.free, end.entropy, end.residual] {
            hexadecimal(x.to_bits(), out);
        }
    }
    let lists = [
        certificate.energies,
        certificate.energies_after,
        certificate.step_sizes,
        certificate.dissipations,
        certificate.alpha_lambda,
        certificate.candidate_energies,
    ];
    for x in lists.into_iter().flatten() {
        hexadecimal(x.to_bits(), out);
    }
    out(b"\n");
    Ok(())
}
