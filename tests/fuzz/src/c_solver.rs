//! The C interface to solvers with options, settings and problems as a careless caller fills them in.
#![allow(unsafe_code)]

use std::ptr::null_mut;
use std::sync::OnceLock;

use ebt::c::{
    CGrid, CSolution, CSolverSettings, SolverHandle, Status, ebt_solver_bytes_needed, ebt_solver_close,
    ebt_solver_grid, ebt_solver_open, ebt_solver_sizes, ebt_solver_solve,
};

use super::c_interface::{Input, LENT};
use super::pinned;

pub fn seeds() -> Vec<Vec<u8>> {
    let words = |list: &[u32]| list.iter().flat_map(|word| word.to_le_bytes()).collect::<Vec<u8>>();
    let one = 1f32.to_bits();
    let mut all = Vec::new();
    for (choose, commits, eta) in [(0, 0, one), (1, 2, 0), (2, 0, one), (3, 3, 0), (4, 0, 0), (5, 2, one)] {
        let settings = [7, 0, 4, 3, choose, commits, eta, one];
        // a board of 4 x 4, all of it given but for a few cells, and one of which nothing is known
        let board = [[16].as_slice(), &[1, 2, 4, 8, 15, 15, 1, 2, 2, 1, 8, 15, 8, 4, 3, 1]].concat();
        let empty = [[16].as_slice(), &[15; 16]].concat();
        all.push([words(&[1, 3, 16, 1, 1, 0]), words(&settings), board, empty].concat());
    }
    all
}

/// Opens a solver, asks it twice, closes it. Every call gives a status, and an answer is one of the allowed tokens of every cell.
pub fn calls(bytes: &[u8]) {
    static MODEL: OnceLock<Vec<u8>> = OnceLock::new();
    let model = MODEL.get_or_init(|| pinned("boards-3.ebp"));
    let mut input = Input(bytes);
    let options = input.options();
    let settings = CSolverSettings {
        seed: u64::from(input.word()) | u64::from(input.word()) << 32,
        steps: input.word(),
        candidates: input.word(),
        choose: input.word(),
        commits: input.word(),
        eta: input.number(),
        spread: input.number(),
    };
    let mut needed = 0usize;
    // SAFETY: the pointers are to values that live, the lengths theirs.
    let status = unsafe { ebt_solver_bytes_needed(model.as_ptr(), model.len(), &options, &mut needed) };
    // thousands of steps are right but slow
    let long = options.steps > 32 || options.rows > 16 || options.curvature > 64 || settings.commits > 8;
    if status != Status::Ok.code() || needed > LENT || long {
        return;
    }
    let mut memory = vec![0u8; needed];
    let mut handle: *mut SolverHandle = null_mut();
    let lent = if settings.seed % 16 == 15 { needed / 2 } else { needed };
    // SAFETY: as above; the memory is used by the solver alone until the end of this function.
    let status = unsafe {
        ebt_solver_open(model.as_ptr(), model.len(), &options, memory.as_mut_ptr().cast(), lent, &mut handle)
    };
    if status != Status::Ok.code() {
        assert!(handle.is_null() && lent < needed, "a solver with all the memory it asked for: {status}");
        return;
    }
    let (mut cells, mut vocabulary, mut grid) = (0, 0, CGrid::default());
    // SAFETY: an open solver, and places for the answers.
    let told = unsafe { [ebt_solver_sizes(handle, &mut cells, &mut vocabulary), ebt_solver_grid(handle, &mut grid)] };
    assert_eq!(told, [Status::Ok.code(); 2]);
    for _ in 0..2 {
        let asked = usize::from(input.byte()) % (cells + 2);
        // sets of every kind, also empty ones and tokens that there are not
        let allowed: Vec<u32> = (0..asked * vocabulary.div_ceil(32)).map(|_| u32::from(input.byte())).collect();
        let (mut answer, mut solution) = (vec![0u32; asked], std::mem::MaybeUninit::<CSolution>::zeroed());
        // SAFETY: an open solver, as many sets and places as are said, and a place for the solution.
        let status = unsafe {
            ebt_solver_solve(
                handle,
                &settings,
                None,
                null_mut(),
                allowed.as_ptr(),
                asked,
                answer.as_mut_ptr(),
                solution.as_mut_ptr(),
            )
        };
        if status == Status::Ok.code() {
            for (token, set) in answer.iter().zip(allowed.chunks(vocabulary.div_ceil(32))) {
                let token = *token as usize;
                assert!(token < vocabulary && set[token / 32] >> (token % 32) & 1 == 1, "{token} is not in {set:?}");
            }
        }
    }
    // SAFETY: an open solver; a second time it is told that it is closed.
    let closed = unsafe { [ebt_solver_close(handle), ebt_solver_close(handle)] };
    assert!(closed[0] == Status::Ok.code() && closed[1] != Status::Ok.code());
}
