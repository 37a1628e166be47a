use std::cell::RefCell;
use std::rc::Rc;

use super::*;
use crate::driver::memory::HostMemory;
use crate::launch::{Kernel, args};
use crate::{Kind, Matrix, Options, Precision};

fn backend(precision: Precision, graphs: bool) -> (Rc<HostMemory>, Cuda) {
    let memory = Rc::new(HostMemory::default());
    let options = Options { precision, graphs, ..Options::default() };
    (memory.clone(), Cuda::with_driver(memory, &options).unwrap())
}

fn add(cuda: &Cuda, x: &Matrix, y: &Matrix) {
    let kernel = Kernel { family: "test", name: "add", kind: Kind::F32 };
    cuda.launch(kernel, 1, 32, 0, args![x, x.len() as u32, y]);
}

fn read(cuda: &Cuda, m: &Matrix) -> Vec<f32> {
    let mut out = vec![0.0; m.len()];
    cuda.download(m, &mut out);
    out
}

/// `x += y` by way of a temporary matrix.
fn work<'a>(cuda: &'a Cuda, x: &'a Matrix, y: &'a Matrix) -> impl FnMut() -> Result<(), Error> + 'a {
    move || {
        let sum = cuda.take(1, 1, Kind::F32);
        cuda.check(cuda.driver.fill(sum.address(), 4, 0));
        add(cuda, &sum, y);
        add(cuda, x, &sum);
        Ok(())
    }
}

#[test]
fn the_third_call_replays_and_reads_inputs_anew() {
    let (memory, cuda) = backend(Precision::F32, true);
    let (x, mut y) = (cuda.upload(1, 2, &[0.0, 10.0]), cuda.upload(1, 1, &[0.0]));
    let mut runs = 0;
    let mut total = 0.0;
    for step in 1..=6u8 {
        let value = f32::from(step);
        total += value;
        cuda.write_f32(&mut y, &[value]);
        let mut inner = work(&cuda, &x, &y);
        let mut counted = || {
            runs += 1;
            inner()
        };
        cuda.run_captured(&[7], &mut counted).unwrap();
        assert_eq!(read(&cuda, &x), [total, 10.0 + total]);
    }
    assert_eq!(runs, 2);
    assert_eq!(memory.kept(), 1);
    let steps = cuda.steps();
    assert!(steps.len() == 1 && steps[0].recorded && steps[0].note.is_none(), "{steps:?}");
    assert_eq!(steps[0].replays, 4);
}

#[test]
fn no_one_else_is_given_the_memory_of_a_recording() {
    let (_, cuda) = backend(Precision::F32, true);
    let (x, y) = (cuda.upload(1, 1, &[0.0]), cuda.upload(1, 1, &[1.0]));
    let addresses = RefCell::new(Vec::new());
    let mut work = || {
        let temporary = cuda.take(4, 4, Kind::F32);
        addresses.borrow_mut().push(temporary.address());
        add(&cuda, &x, &y);
        Ok(())
    };
    cuda.run_captured(&[1], &mut work).unwrap();
    let before = cuda.memory_report().allocations;
    cuda.run_captured(&[1], &mut work).unwrap();
    assert_eq!(cuda.memory_report().allocations, before);
    let recorded = addresses.borrow()[1];
    let others: Vec<_> = (0..8).map(|_| cuda.take(4, 4, Kind::F32)).collect();
    assert!(others.iter().all(|m| m.address() != recorded));
    // once forgotten, it is free for anyone
    cuda.forget_steps();
    assert_eq!(cuda.take(4, 4, Kind::F32).address(), recorded);
}

#[test]
fn without_graphs_work_runs_every_time() {
    let (memory, cuda) = backend(Precision::F32, false);
    let (x, y) = (cuda.upload(1, 1, &[0.0]), cuda.upload(1, 1, &[1.0]));
    for _ in 0..4 {
        cuda.run_captured(&[1], &mut work(&cuda, &x, &y)).unwrap();
    }
    assert_eq!((read(&cuda, &x)[0], memory.kept(), cuda.steps().len()), (4.0, 0, 0));
}

#[test]
fn work_that_waits_is_run_as_it_is_and_the_reason_kept() {
    let (memory, cuda) = backend(Precision::F32, true);
    let (x, y) = (cuda.upload(1, 1, &[0.0]), cuda.upload(1, 1, &[1.0]));
    let mut seen = Vec::new();
    for _ in 0..6 {
        let mut inner = work(&cuda, &x, &y);
        let mut waiting = || {
            inner()?;
            let value = read(&cuda, &x)[0];
            cuda.status()?;
            seen.push(value);
            Ok(())
        };
        cuda.run_captured(&[1], &mut waiting).unwrap();
    }
    // every call did the work once, whatever was attempted before
    assert_eq!(seen, [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
    assert_eq!(memory.kept(), 0);
    let steps = cuda.steps();
    assert!(!steps[0].recorded && steps[0].note.as_ref().unwrap().contains("a download inside"), "{steps:?}");
}

#[test]
fn results_kept_alive_delay_the_recording_by_one_call() {
    let (memory, cuda) = backend(Precision::F32, true);
    let (x, y) = (cuda.upload(1, 1, &[0.0]), cuda.upload(1, 1, &[1.0]));
    let mut kept = Matrix { block: None, narrow_copy: None, kind: Kind::F32, start: 0, rows: 1, columns: 1 };
    for step in 1..=5u8 {
        let mut inner = work(&cuda, &x, &y);
        let mut keeping = || {
            let loss = cuda.take(40, 40, Kind::F32);
            add(&cuda, &x, &y);
            inner()?;
            kept = loss;
            Ok(())
        };
        cuda.run_captured(&[1], &mut keeping).unwrap();
        assert_eq!(read(&cuda, &x), [2.0 * f32::from(step)]);
    }
    assert!(cuda.steps()[0].recorded && kept.block.is_some());
    assert_eq!(memory.kept(), 1);
}

#[test]
fn a_recording_that_breaks_leaves_the_work_done_once() {
    let (memory, cuda) = backend(Precision::F32, true);
    memory.breaks_recordings.set(true);
    let (x, y) = (cuda.upload(1, 1, &[0.0]), cuda.upload(1, 1, &[1.0]));
    for step in 1..=6u8 {
        cuda.run_captured(&[1], &mut work(&cuda, &x, &y)).unwrap();
        assert_eq!(read(&cuda, &x), [f32::from(step)]);
    }
    assert_eq!(cuda.steps()[0].note.as_deref(), Some("broken off"));
}

#[test]
fn a_failure_of_the_work_itself_is_reported_and_sticks() {
    let (_, cuda) = backend(Precision::F32, true);
    let (x, y) = (cuda.upload(1, 1, &[0.0]), cuda.upload(1, 1, &[1.0]));
    cuda.run_captured(&[1], &mut work(&cuda, &x, &y)).unwrap();
    let mut failing = || {
        let kernel = Kernel { family: "test", name: "none", kind: Kind::F32 };
        cuda.launch(kernel, 1, 32, 0, args![&x]);
        Ok(())
    };
    let error = cuda.run_captured(&[1], &mut failing).unwrap_err();
    assert!(error.to_string().contains("no kernel none"), "{error}");
    assert_eq!(cuda.status(), Err(error.clone()));
    assert_eq!(cuda.run_captured(&[2], &mut || Ok(())), Err(error));
    assert!(!cuda.is_recording());
}

#[test]
fn a_panic_of_the_work_leaves_a_backend_that_works() {
    let (memory, cuda) = backend(Precision::F32, true);
    let (x, y) = (cuda.upload(1, 1, &[0.0]), cuda.upload(1, 1, &[1.0]));
    cuda.run_captured(&[1], &mut work(&cuda, &x, &y)).unwrap();
    let panicking = std::panic::AssertUnwindSafe(|| cuda.run_captured(&[1], &mut || panic!("of the work")));
    assert!(std::panic::catch_unwind(panicking).is_err());
    assert!(!cuda.is_recording());
    for step in 2..=5u8 {
        cuda.run_captured(&[1], &mut work(&cuda, &x, &y)).unwrap();
        assert_eq!(read(&cuda, &x), [f32::from(step)]);
    }
    assert_eq!((cuda.steps().len(), memory.kept()), (1, 1));
}

#[test]
fn the_key_not_used_for_longest_is_forgotten() {
    let (memory, cuda) = backend(Precision::F32, true);
    let (x, y) = (cuda.upload(1, 1, &[0.0]), cuda.upload(1, 1, &[1.0]));
    let call = |key: u64| cuda.run_captured(&[key], &mut work(&cuda, &x, &y)).unwrap();
    for key in [1, 1, 2, 2, 3, 3, 4, 4, 1, 5, 5] {
        call(key);
    }
    let keys: Vec<_> = cuda.steps().into_iter().map(|step| step.key[0]).collect();
    assert_eq!(keys, [3, 4, 1, 5]);
    assert_eq!(memory.kept(), 4);
    assert_eq!(read(&cuda, &x), [11.0]);
}

#[test]
fn narrow_copies_are_brought_up_to_date_before_a_replay_and_left_as_recorded() {
    let (memory, cuda) = backend(Precision::Bf16, true);
    let mut w = cuda.upload(3, 2, &[1.0; 6]);
    let moved = cuda.upload(2, 2, &[1.0; 4]);
    let average = cuda.upload(2, 2, &[1.0; 4]);
    cuda.narrow_copy(&w);
    let address = cuda.narrow_copy(&w).address();
    let mut work = || {
        cuda.narrow_copy(&w);
        cuda.narrow_copy(&moved);
        cuda.invalidate(&moved);
        // no product has asked for a copy of it yet
        cuda.invalidate(&average);
        Ok(())
    };
    // at the second call the copy of `moved` is rounded again, which takes memory that the first did not
    for _ in 0..3 {
        cuda.run_captured(&[1], &mut work).unwrap();
    }
    let fresh = |m: &Matrix| m.narrow_copy.as_ref().unwrap().borrow().fresh;
    assert!(cuda.steps()[0].recorded && fresh(&w) && !fresh(&moved));
    // written between replays
    cuda.write_f32(&mut w, &[2.0; 6]);
    assert!(!fresh(&w));
    cuda.narrow_copy(&moved);
    cuda.narrow_copy(&average);
    assert!(fresh(&moved) && fresh(&average));
    let before = memory.done.get();
    cuda.run_captured(&[1], &mut || Err(Error::Replay { at: 0 })).unwrap();
    assert!(fresh(&w) && !fresh(&moved) && !fresh(&average));
    assert!(memory.done.get() > before, "the copy was rewritten in place");
    assert_eq!(cuda.narrow_copy(&w).address(), address);
}
