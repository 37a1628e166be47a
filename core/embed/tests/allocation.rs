//! A generator asks for memory once, from its caller: after `Generator::new`, and in it, nothing is allocated.
#![allow(unsafe_code, clippy::unwrap_used)]

mod support;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::ops::ControlFlow;

use ebt::{
    DescentOptions, EngineError, Error, Generator, Noise, Options, Selection, SessionOptions, Settings, StepSize,
    SuggestOptions, Tolerance,
};

/// Counts what the thread that asks for it allocates.
struct Counting;

thread_local! {
    static COUNT: Cell<Option<usize>> = const { Cell::new(None) };
}

// SAFETY: everything is passed on to the system's allocator as it came; the counter is a plain value of the thread.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        COUNT.with(|count| count.set(count.get().map(|n| n + 1)));
        // SAFETY: the caller's promise.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// How often `run` allocates.
fn allocations<R>(run: impl FnOnce() -> R) -> (usize, R) {
    COUNT.with(|count| count.set(Some(0)));
    let result = run();
    (COUNT.with(|count| count.replace(None)).unwrap(), result)
}

#[test]
fn nothing_is_allocated() {
    let (counted, kept) = allocations(|| vec![1u8; 100]);
    assert!(counted > 0 && kept.len() == 100, "the counter counts");

    let session = SessionOptions { block: 8, rows: 4, steps: 8, curvature: true, ..SessionOptions::default() };
    let options = Options { session, ..Options::default() };
    let model = support::model();
    let mut memory = vec![0u32; Generator::bytes_needed(&model, &options).unwrap().div_ceil(4)];
    let arena: &mut [u8] = bytemuck::cast_slice_mut(&mut memory);
    let (count, generator) = allocations(|| Generator::new(&model, &options, arena));
    assert_eq!(count, 0, "opening");
    let mut generator = generator.unwrap();

    let think = DescentOptions { seed: 5, certify: true, ..DescentOptions::default() };
    let fixed = DescentOptions { step_size: StepSize::Fixed(0.3), steps: 6, ..think };
    let tolerance = Tolerance { energy: 1e-5, dissipation: 1e-9, min_steps: 1 };
    let ways = [
        think,
        DescentOptions { certify: false, ..think },
        DescentOptions { steps: 8, step_size: StepSize::ARMIJO, tolerance, ..think },
        DescentOptions { steps: 3, step_size: StepSize::Curvature { c: 1.0, iterations: 4 }, ..think },
        DescentOptions { noise: Noise::Langevin { sigma: 0.1 }, ..fixed },
        DescentOptions { noise: Noise::Temperature { tau: 0.01 }, ..fixed },
        DescentOptions { noise: Noise::Metropolis { tau: 0.01, warm_up: 2 }, ..fixed },
        DescentOptions { candidates: 4, choose: Selection::Drop, curvature: 2, ..think },
    ];
    let prompt = "Türkiye'nin 81 ilinde yaşayanlar, İstanbul'da buluştu. ".repeat(8);
    for think in ways {
        let settings = Settings { think, ..Settings::default() };
        let (count, drawn) = allocations(|| {
            generator.reset();
            generator.prompt(&prompt)?;
            let mut drawn = 0;
            for _ in 0..3 {
                if let Some(token) = generator.next(&settings, &mut |_| ControlFlow::Continue(()))? {
                    drawn += usize::from(token.probability > 0.0);
                }
            }
            Ok::<usize, Error>(drawn)
        });
        assert_eq!(count, 0, "{think:?}");
        assert!(drawn.unwrap() > 0, "{think:?}");
    }

    // neither do scores and suggestions
    let search = SuggestOptions::default();
    let mut memory = vec![0u32; search.bytes_needed().unwrap().div_ceil(4)];
    let memory: &mut [u8] = bytemuck::cast_slice_mut(&mut memory);
    let (count, given) = allocations(|| {
        generator.reset();
        let score = generator.score(&prompt, &think, &mut |_| ())?;
        let mut given = 0;
        generator
            .suggest("Ankara'd", &think, &search, memory, &mut |suggestion| given += suggestion.ending.len() + 1)?;
        Ok::<_, Error>((score.tokens, given))
    });
    assert_eq!(count, 0, "scores and suggestions");
    let (tokens, given) = given.unwrap();
    assert!(tokens > 10 && given > 0);

    // refusals do not allocate either
    let wrong = Settings { think: DescentOptions { candidates: 99, ..think }, ..Settings::default() };
    let (count, refused) = allocations(|| generator.next(&wrong, &mut |_| ControlFlow::Continue(())).err());
    assert_eq!(count, 0);
    assert!(matches!(refused, Some(Error::Engine(EngineError::Option { .. }))));
}
