//! What is different between the three binary interfaces of MPI: the constants. Functions are the same.
//!
//! Handles of the standard interface (MPI 5.0, chapter 20, `mpi_abi.h`) are pointers with small values, those of Open MPI
//! addresses of data in the library. Those of MPICH, and of what is built on it, are `int`: passed in the place of a
//! pointer they lie in the same register on `x86_64` and `aarch64`.

use std::ffi::{c_int, c_void};

/// A communicator, a type, an operation or a handler of errors.
pub type Handle = *mut c_void;

/// Which of the interfaces a library has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Abi {
    Standard,
    Mpich,
    OpenMpi,
}

/// The constants that are used here.
#[derive(Debug, Clone, Copy)]
pub struct Constants {
    pub world: Handle,
    pub byte: Handle,
    pub float: Handle,
    pub sum: Handle,
    pub in_place: Handle,
    pub errors_return: Handle,
    /// `MPI_THREAD_FUNNELED`
    pub funneled: c_int,
}

/// A handle that is a number.
const fn number(value: usize) -> Handle {
    std::ptr::without_provenance_mut(value)
}

impl Constants {
    /// Of an interface; `symbol` finds the address of a name in the library, which Open MPI's handles are.
    pub fn of(abi: Abi, symbol: impl Fn(&str) -> Option<Handle>) -> Option<Self> {
        Some(match abi {
            Abi::Standard => Self {
                world: number(0x101),
                byte: number(0x247),
                float: number(0x210),
                sum: number(0x21),
                in_place: number(1),
                errors_return: number(0x143),
                funneled: 1024,
            },
            Abi::Mpich => Self {
                world: number(0x4400_0000),
                byte: number(0x4c00_010d),
                float: number(0x4c00_040a),
                sum: number(0x5800_0003),
                in_place: number(usize::MAX),
                errors_return: number(0x5400_0001),
                funneled: 1,
            },
            Abi::OpenMpi => Self {
                world: symbol("ompi_mpi_comm_world")?,
                byte: symbol("ompi_mpi_byte")?,
                float: symbol("ompi_mpi_float")?,
                sum: symbol("ompi_mpi_op_sum")?,
                in_place: number(1),
                errors_return: symbol("ompi_mpi_errors_return")?,
                funneled: 1,
            },
        })
    }
}
