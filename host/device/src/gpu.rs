//! The GPU that a command would use, or a sentence that says why there is none.

use ebt_data::program;
use ebt_train::run_config::Precision;

use crate::device::Device;

/// Why there is nothing to compute on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Missing {
    /// One line: what is in the way first.
    pub brief: String,
    /// All that is in the way, and how to get it.
    pub full: String,
}

impl Missing {
    fn new(sentence: impl Into<String>) -> Self {
        let full = sentence.into();
        Self { brief: full.clone(), full }
    }
}

/// GPU number `index`, else that of number `local_rank` among those that have the numbers of `precision`, counted round
/// where there are fewer; [`Precision::Auto`] is bf16 where the GPU has it, else f16.
///
/// # Errors
///
/// Nothing to compute on: what is missing, and how to get it.
#[cfg(feature = "cuda")]
pub fn device(index: Option<usize>, local_rank: usize, precision: Precision) -> Result<Device, Missing> {
    let report = ebt_cuda::probe();
    if let Err(full) = report.usable() {
        let first = report.problems.iter().find(|p| p.fatal).map_or_else(String::new, |p| p.why.clone());
        return Err(Missing { brief: format!("{first}; `{} doctor` says more", program::name()), full });
    }
    choose(&report, (index, local_rank), precision).map(Device::Cuda).map_err(Missing::new)
}

/// Among the GPUs of a usable report.
#[cfg(feature = "cuda")]
fn choose(
    report: &ebt_cuda::ProbeReport,
    (index, local_rank): (Option<usize>, usize),
    precision: Precision,
) -> Result<ebt_cuda::Options, String> {
    let needed = if precision == Precision::Bf16 { (8, 0) } else { (7, 5) };
    let fitting: Vec<_> = report.devices.iter().filter(|gpu| gpu.capability >= needed).collect();
    let wanted = match index {
        None => fitting.get(local_rank % fitting.len().max(1)).copied().or(report.devices.first()),
        Some(index) => report.devices.iter().find(|gpu| gpu.index == index),
    };
    let Some(gpu) = wanted else {
        let found: Vec<_> = report.devices.iter().map(|gpu| format!("{} ({})", gpu.index, gpu.name)).collect();
        let asked = index.map_or_else(String::new, |index| format!("--gpu {index}: there is no such GPU; "));
        return Err(format!("{asked}found were {}", found.join(", ")));
    };
    if gpu.capability < needed {
        let ((major, minor), name) = (gpu.capability, precision.name());
        let hint = if gpu.capability >= (7, 5) { "; f16, f32 and tf32 run on it" } else { "" };
        return Err(format!(
            "GPU {} ({}) has compute capability {major}.{minor}, precision {name} needs {}.{}{hint}",
            gpu.index, gpu.name, needed.0, needed.1
        ));
    }
    let precision = match precision {
        Precision::Auto if gpu.capability < (8, 0) => Precision::F16,
        other => other,
    };
    Ok(ebt_cuda::Options { precision: numbers(precision), device: gpu.index, ..ebt_cuda::Options::default() })
}

/// The numbers of the backend; [`Precision::Auto`] is bf16.
#[cfg(feature = "cuda")]
pub fn numbers(precision: Precision) -> ebt_cuda::Precision {
    match precision {
        Precision::Auto | Precision::Bf16 => ebt_cuda::Precision::Bf16,
        Precision::F32 => ebt_cuda::Precision::F32,
        Precision::Tf32 => ebt_cuda::Precision::Tf32,
        Precision::F16 => ebt_cuda::Precision::F16,
    }
}

/// There is none.
///
/// # Errors
///
/// Always.
#[cfg(not(feature = "cuda"))]
pub fn device(_index: Option<usize>, _local_rank: usize, _precision: Precision) -> Result<Device, Missing> {
    Err(Missing::new(program::lacks("a GPU", "cuda").to_string()))
}

#[cfg(all(test, feature = "cuda"))]
mod tests {
    use super::*;

    /// A machine with GPUs of these compute capabilities, numbered from 0.
    fn machine(capabilities: &[(u32, u32)]) -> ebt_cuda::ProbeReport {
        let gpu = |(index, &capability): (usize, &(u32, u32))| ebt_cuda::DeviceReport {
            index,
            name: format!("card {index}"),
            capability,
            arch: None,
            memory: 1 << 30,
            memory_free: None,
            multiprocessors: 1,
            shared_memory: 48 << 10,
        };
        let devices = capabilities.iter().enumerate().map(gpu).collect();
        ebt_cuda::ProbeReport { devices, ..ebt_cuda::ProbeReport::default() }
    }

    #[test]
    fn without_a_number_it_is_the_first_gpu_that_has_the_precision() {
        let report = machine(&[(6, 1), (7, 5), (9, 0)]);
        let chosen = |precision| choose(&report, (None, 0), precision).map(|o| (o.device, o.precision.name()));
        assert_eq!(chosen(Precision::Auto), Ok((1, "f16")));
        assert_eq!(chosen(Precision::F32), Ok((1, "f32")));
        assert_eq!(chosen(Precision::Bf16), Ok((2, "bf16")));
        let of_rank = |local| choose(&report, (None, local), Precision::F16).map(|o| o.device);
        assert_eq!([0, 1, 2].map(of_rank), [Ok(1), Ok(2), Ok(1)]);
        let modern = choose(&machine(&[(9, 0)]), (None, 0), Precision::Auto).map(|o| o.precision.name());
        assert_eq!(modern, Ok("bf16"));
    }

    #[test]
    fn a_number_is_that_gpu_or_a_reason() {
        let report = machine(&[(6, 1), (7, 5), (9, 0)]);
        let refused = |index, precision| choose(&report, (Some(index), 0), precision).unwrap_err();
        assert_eq!(choose(&report, (Some(2), 0), Precision::F16).map(|o| o.device), Ok(2));
        let error = refused(3, Precision::F32);
        assert!(error.starts_with("--gpu 3: there is no such GPU") && error.contains("2 (card 2)"), "{error}");
        let error = refused(1, Precision::Bf16);
        assert!(error.contains("card 1) has compute capability 7.5, precision bf16 needs 8.0; f16"), "{error}");
        let error = refused(0, Precision::F32);
        assert!(error.contains("compute capability 6.1, precision f32 needs 7.5") && !error.contains(';'), "{error}");
    }
}
