//! NCCL's stand-in: what works between two ranks, and what NCCL would hang at.

use std::ffi::{CStr, c_char, c_int, c_uint, c_void};
use std::process::Command;

use cudarc::driver::{result, sys};
use ebt_tests::stand_in;
use libloading::{Library, Symbol};

type Comm = *mut c_void;
type Id = [u8; 128];
type Gather = unsafe extern "C" fn(u64, u64, usize, c_int, Comm, sys::CUstream) -> c_int;

#[repr(C)]
#[derive(Clone, Copy)]
struct ById(Id);

/// `ncclConfig_t` of 2.22.
#[repr(C)]
struct Config {
    size: usize,
    magic: c_uint,
    version: c_uint,
    blocking: c_int,
    rest: [c_int; 7],
}

fn nccl() -> Library {
    stand_in::install();
    // SAFETY: the stand-in's initialisers only enter kernels in a table
    unsafe { Library::new(stand_in::library_directory().join("libnccl.so.2")) }.unwrap()
}

fn function<'a, F>(library: &'a Library, name: &str) -> Symbol<'a, F> {
    // SAFETY: callers name the type that the stand-in defines
    unsafe { library.get(name.as_bytes()) }.unwrap()
}

fn identity(library: &Library) -> Id {
    let mut id = [0; 128];
    // SAFETY: writes 128 bytes
    let code = unsafe { function::<unsafe extern "C" fn(*mut Id) -> c_int>(library, "ncclGetUniqueId")(&mut id) };
    assert_eq!(code, 0);
    id
}

/// One rank on a device of its own.
struct Rank {
    library: Library,
    comm: Comm,
    stream: sys::CUstream,
    /// Three numbers, and room for those of two ranks.
    own: u64,
    all: u64,
}

impl Rank {
    fn new(rank: c_int, id: Id) -> Self {
        let library = nccl();
        let mut config = Config { size: 48, magic: 0xcafe_beef, version: 22_203, blocking: 1, rest: [c_int::MIN; 7] };
        let mut comm = std::ptr::null_mut();
        // SAFETY: the device exists; sizes are those of the buffers; the types are those of `nccl.h`
        unsafe {
            result::init().unwrap();
            let device = result::device::get(rank).unwrap();
            result::ctx::set_current(result::primary_ctx::retain(device).unwrap()).unwrap();
            let stream = result::stream::create(result::stream::StreamKind::NonBlocking).unwrap();
            let (own, all) = (result::malloc_sync(12).unwrap(), result::malloc_sync(24).unwrap());
            result::memcpy_htod_sync(own, &[rank as f32, 10.0, 20.0 + rank as f32]).unwrap();
            let init: Symbol<'_, unsafe extern "C" fn(*mut Comm, c_int, ById, c_int, *mut Config) -> c_int> =
                function(&library, "ncclCommInitRankConfig");
            assert_eq!(init(&mut comm, 2, ById(id), rank, &mut config), 0);
            Self { library, comm, stream, own, all }
        }
    }

    fn gather(&self, count: usize) -> c_int {
        // SAFETY: live buffers; a wrong count is what the stand-in is to find
        unsafe {
            function::<Gather>(&self.library, "ncclAllGather")(self.own, self.all, count, 7, self.comm, self.stream)
        }
    }

    /// The result of the stream once it is idle, and the stand-in's sentence.
    fn wait(&self) -> (sys::CUresult, Option<String>) {
        loop {
            // SAFETY: the stream lives
            let found = unsafe { sys::cuStreamQuery(self.stream) };
            if found != sys::CUresult::CUDA_ERROR_NOT_READY {
                return (found, stand_in::last_failure());
            }
            std::thread::yield_now();
        }
    }

    fn gathered(&self) -> [f32; 6] {
        let mut out = [0.0; 6];
        // SAFETY: a live buffer of that size
        unsafe { result::memcpy_dtoh_sync(&mut out, self.all) }.unwrap();
        out
    }

    fn record(&self) -> sys::CUgraphExec {
        let mode = sys::CUstreamCaptureMode::CU_STREAM_CAPTURE_MODE_THREAD_LOCAL;
        // SAFETY: the stream is live
        unsafe {
            result::stream::begin_capture(self.stream, mode).unwrap();
            assert_eq!(self.gather(3), 0);
            let graph = result::stream::end_capture(self.stream).unwrap();
            result::graph::instantiate(graph, sys::CUgraphInstantiate_flags(0)).unwrap()
        }
    }
}

/// Runs `work` as both ranks, each a thread.
fn both<T: Send>(work: impl Fn(c_int, &Rank) -> T + Sync) -> [T; 2] {
    let id = identity(&nccl());
    let work = &work;
    std::thread::scope(|scope| {
        let threads = [0, 1].map(|rank| scope.spawn(move || work(rank, &Rank::new(rank, id))));
        threads.map(|thread| thread.join().unwrap())
    })
}

/// The process of the test below: it needs two devices from its start on.
#[test]
#[ignore = "a process of the test beside it"]
fn two_ranks() {
    if std::env::var("EBT_STAND_IN_DEVICES").as_deref() != Ok("2") {
        return;
    }
    let all = [0.0, 10.0, 20.0, 1.0, 10.0, 21.0];
    let replayed = both(|_, rank| {
        let graph = rank.record();
        for _ in 0..2 {
            // SAFETY: the graph and the stream are live
            unsafe { result::graph::launch(graph, rank.stream) }.unwrap();
        }
        (rank.wait().0, rank.gathered())
    });
    assert_eq!(replayed, [(sys::CUresult::CUDA_SUCCESS, all); 2]);

    let mixed = both(|number, rank| {
        let started = if number == 0 {
            // SAFETY: the graph and the stream are live
            unsafe { result::graph::launch(rank.record(), rank.stream) }.is_ok()
        } else {
            rank.gather(3) == 0
        };
        (started, rank.wait().1)
    });
    let found = mixed.iter().filter_map(|(_, sentence)| sentence.as_deref()).collect::<Vec<_>>().join("\n");
    assert!(found.contains("in a recorded graph") && found.contains("NCCL would hang"), "{mixed:?}");

    let unequal = both(|number, rank| (rank.gather(if number == 0 { 2 } else { 3 }), rank.wait().1));
    let found = unequal.iter().filter_map(|(_, sentence)| sentence.as_deref()).collect::<Vec<_>>().join("\n");
    assert!(found.contains("ncclAllGather of 8 bytes") && found.contains("of 12 bytes"), "{unequal:?}");
}

#[test]
fn what_ranks_do_alike_works_and_the_rest_is_refused() {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "ranks::two_ranks", "--ignored"]).env("EBT_STAND_IN_DEVICES", "2");
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}

#[test]
fn a_send_outside_a_group_is_refused() {
    type Send = unsafe extern "C" fn(u64, usize, c_int, c_int, Comm, sys::CUstream) -> c_int;
    type Last = unsafe extern "C" fn(Comm) -> *const c_char;
    let (library, null) = (nccl(), std::ptr::null_mut());
    for name in ["ncclSend", "ncclRecv"] {
        // SAFETY: refused before anything is read
        let code = unsafe { function::<Send>(&library, name)(0, 1, 7, 0, null, null.cast()) };
        // SAFETY: a string that stays until this thread's next failure
        let said = unsafe { CStr::from_ptr(function::<Last>(&library, "ncclGetLastError")(null)) }.to_string_lossy();
        assert!(code == 5 && said.starts_with(&format!("{name} outside a group")), "{code}: {said}");
    }
}
