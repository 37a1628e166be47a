//! Between host and device, and the numbers that a recorded step reads anew at every replay.

use ebt_core::error::Error;
use half::slice::HalfFloatSliceExt;
use half::{bf16, f16};

use crate::{Cuda, Index, Kind, Matrix};

// device memory is little-endian, and so are the hosts it is copied from
const _: () = assert!(cfg!(target_endian = "little"), "the CUDA backend needs a little-endian host");

/// Plain numbers as they lie in memory: types of which every bit pattern is a value and no byte is padding.
trait Plain: Copy {}
impl Plain for f32 {}
impl Plain for u32 {}
impl Plain for u64 {}
impl Plain for f16 {}
impl Plain for bf16 {}

fn bytes<T: Plain>(data: &[T]) -> &[u8] {
    // SAFETY: `T` has no padding, and any byte is a `u8`
    unsafe { std::slice::from_raw_parts(data.as_ptr().cast(), size_of_val(data)) }
}

fn bytes_mut<T: Plain>(data: &mut [T]) -> &mut [u8] {
    // SAFETY: as in `bytes`, and every bit pattern is a `T`
    unsafe { std::slice::from_raw_parts_mut(data.as_mut_ptr().cast(), size_of_val(data)) }
}

impl Cuda {
    /// Copies `data` to a new matrix of single precision; the backend fails if it is not `rows * columns` long.
    pub(crate) fn upload(&self, rows: usize, columns: usize, data: &[f32]) -> Matrix {
        let out = self.take(rows, columns, Kind::F32);
        self.send(&out, data);
        out
    }

    /// Copies values to a new matrix as `upload` does, each rounded once to single precision.
    pub(crate) fn upload_f64(&self, rows: usize, columns: usize, data: &[f64]) -> Matrix {
        let data: Vec<f32> = data.iter().map(|x| *x as f32).collect();
        self.upload(rows, columns, &data)
    }

    /// Overwrites a matrix in place, whatever its storage type.
    pub(crate) fn write_f32(&self, m: &mut Matrix, data: &[f32]) {
        match m.kind {
            Kind::F32 => self.send(m, data),
            Kind::Bf16 => self.send(m, &data.iter().map(|x| bf16::from_f32(*x)).collect::<Vec<_>>()),
            Kind::F16 => self.send(m, &data.iter().map(|x| f16::from_f32(*x)).collect::<Vec<_>>()),
        }
        self.invalidate(m);
    }

    fn send<T: Plain>(&self, m: &Matrix, data: &[T]) {
        if !self.fits("matrix", m.len(), data.len()) || !self.outside_recording("an upload") || m.block.is_none() {
            return;
        }
        if self.is_sound() {
            self.check(self.driver.upload(m.address(), bytes(data)));
        }
    }

    /// [`ebt_core::compute::Backend::download`]; zeros after a failure.
    pub(crate) fn download(&self, m: &Matrix, out: &mut [f32]) {
        match m.kind {
            Kind::F32 => self.receive(m, out),
            Kind::Bf16 => {
                let mut data = vec![bf16::ZERO; m.len()];
                self.receive(m, &mut data);
                if self.fits("matrix", m.len(), out.len()) {
                    data.convert_to_f32_slice(out);
                }
            }
            Kind::F16 => {
                let mut data = vec![f16::ZERO; m.len()];
                self.receive(m, &mut data);
                if self.fits("matrix", m.len(), out.len()) {
                    data.convert_to_f32_slice(out);
                }
            }
        }
    }

    /// Copies a matrix to `out` as `download` does, from single precision; zeros after a failure.
    pub(crate) fn download_f64(&self, m: &Matrix, out: &mut [f64]) {
        let mut data = vec![0.0; out.len()];
        self.download(m, &mut data);
        for (out, x) in out.iter_mut().zip(data) {
            *out = f64::from(x);
        }
    }

    fn receive<T: Plain>(&self, m: &Matrix, out: &mut [T]) {
        let fits = self.fits("matrix", m.len(), out.len());
        let out = bytes_mut(out);
        if !fits || !self.outside_recording("a download") || m.block.is_none() || !self.is_sound() {
            out.fill(0);
            return;
        }
        self.check(self.driver.download(m.address(), out));
    }

    /// Copies integers to a new index, which may be empty; the backend fails inside a recorded step.
    pub(crate) fn index(&self, data: &[u32]) -> Index {
        let mut out = self.take_index(data.len());
        self.write_index(&mut out, data);
        out
    }

    /// Overwrites an index in place.
    pub(crate) fn write_index(&self, index: &mut Index, data: &[u32]) {
        if !self.fits("index", index.len, data.len()) || !self.outside_recording("an upload") || data.is_empty() {
            return;
        }
        if index.block.is_some() && self.is_sound() {
            self.check(self.driver.upload(index.address(), bytes(data)));
        }
    }

    /// [`ebt_core::compute::Backend::download_index`]; zeros after a failure.
    pub(crate) fn download_index(&self, index: &Index, out: &mut [u32]) {
        let fits = self.fits("index", index.len, out.len());
        if !fits || !self.outside_recording("a download") || index.block.is_none() || !self.is_sound() {
            out.fill(0);
        } else if !out.is_empty() {
            self.check(self.driver.download(index.address(), bytes_mut(out)));
        }
    }

    /// The word on the device that kernels take the step of random numbers from.
    pub(crate) fn clock(&self) -> &Index {
        &self.clock
    }

    /// Sets the step of random numbers that `Cuda::clock` holds; recorded steps read it at every replay.
    pub fn set_noise_step(&self, step: u32) {
        self.write_index(&mut self.clock.clone(), &[step]);
    }

    /// Waits for all work and returns the first failure so far.
    ///
    /// # Errors
    ///
    /// The first failure since the backend was made.
    pub fn synchronize(&self) -> Result<(), Error> {
        if self.outside_recording("waiting for the device") && self.is_sound() {
            self.check(self.driver.synchronize());
        }
        self.status()
    }

    fn fits(&self, what: &str, expected: usize, found: usize) -> bool {
        if expected != found {
            let message = format!("{expected} elements expected, {found} found");
            self.fail(Error::Shape { what: String::from(what), message });
        }
        expected == found
    }

    fn outside_recording(&self, what: &str) -> bool {
        let outside = !self.is_recording();
        if !outside {
            self.fail(Error::Device(format!(
                "{what} inside a recorded step: it would be repeated with the data of now"
            )));
        }
        outside
    }
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;

    use super::*;
    use crate::driver::memory::HostMemory;
    use crate::{Options, Precision};

    fn backend() -> Cuda {
        let options = Options { precision: Precision::Bf16, ..Options::default() };
        Cuda::with_driver(Rc::new(HostMemory::default()), &options).unwrap()
    }

    #[test]
    fn every_storage_type_comes_back() {
        let cuda = backend();
        // exact in 8 bits of mantissa
        let exact = [1.0, -0.5, 3.0, 0.0, 96.0, 65280.0];
        for kind in [Kind::F32, Kind::Bf16, Kind::F16] {
            let mut m = cuda.take(2, 3, kind);
            let values = if kind == Kind::F16 { [1.0, -0.5, 3.0, 0.0, 96.0, 2048.0] } else { exact };
            cuda.write_f32(&mut m, &values);
            let mut out = [0.0; 6];
            cuda.download(&m, &mut out);
            assert_eq!(out, values, "{kind:?}");
            let mut out = [0.0f64; 6];
            cuda.download_f64(&m, &mut out);
            assert_eq!(out, values.map(f64::from));
        }
        assert_eq!(cuda.status(), Ok(()));
    }

    #[test]
    fn double_precision_is_rounded_once() {
        let cuda = backend();
        let m = cuda.upload_f64(1, 2, &[0.1, 1e-50]);
        let mut out = [1.0; 2];
        cuda.download(&m, &mut out);
        assert_eq!(out, [0.1f32, 0.0]);
    }

    #[test]
    fn integers_and_the_clock_come_back() {
        let cuda = backend();
        let mut index = cuda.index(&[3, u32::MAX]);
        let mut out = [0; 2];
        cuda.download_index(&index, &mut out);
        assert_eq!(out, [3, u32::MAX]);
        cuda.write_index(&mut index, &[8, 9]);
        cuda.download_index(&index, &mut out);
        assert_eq!(out, [8, 9]);
        cuda.set_noise_step(77);
        let mut clock = [0];
        cuda.download_index(cuda.clock(), &mut clock);
        assert_eq!(clock, [77]);
        let empty = cuda.index(&[]);
        cuda.download_index(&empty, &mut []);
        assert_eq!(cuda.status(), Ok(()));
    }

    #[test]
    fn lengths_that_do_not_fit_are_an_error_and_zeros() {
        let cuda = backend();
        let m = cuda.upload(2, 2, &[1.0; 4]);
        let mut out = [5.0; 3];
        cuda.download(&m, &mut out);
        assert_eq!(out, [0.0; 3]);
        let error = cuda.status().unwrap_err().to_string();
        assert!(error.contains("4 elements expected, 3 found"), "{error}");
    }

    #[test]
    fn poisoned_memory_is_no_number() {
        let options = Options { precision: Precision::F32, poison: true, ..Options::default() };
        let cuda = Cuda::with_driver(Rc::new(HostMemory::default()), &options).unwrap();
        let m = cuda.take(1, 3, Kind::F32);
        let mut out = [0.0; 3];
        cuda.download(&m, &mut out);
        assert!(out.iter().all(|x| x.is_nan()));
    }
}
