//! The kernel files, in the program.

/// Text of the headers by the name that kernels include them with.
pub(crate) const HEADERS: &[(&str, &str)] = &[
    ("attention.cuh", include_str!("../../kernels/attention.cuh")),
    ("attention_backward.cuh", include_str!("../../kernels/attention_backward.cuh")),
    ("attention_fma.cuh", include_str!("../../kernels/attention_fma.cuh")),
    ("attention_forward.cuh", include_str!("../../kernels/attention_forward.cuh")),
    ("attention_keys.cuh", include_str!("../../kernels/attention_keys.cuh")),
    ("attention_mma.cuh", include_str!("../../kernels/attention_mma.cuh")),
    ("attention_products.cuh", include_str!("../../kernels/attention_products.cuh")),
    ("attention_relations.cuh", include_str!("../../kernels/attention_relations.cuh")),
    ("attention_tangent.cuh", include_str!("../../kernels/attention_tangent.cuh")),
    ("common.cuh", include_str!("../../kernels/common.cuh")),
    ("joint_tangent.cuh", include_str!("../../kernels/joint_tangent.cuh")),
    ("pack.cuh", include_str!("../../kernels/pack.cuh")),
    ("relations.cuh", include_str!("../../kernels/relations.cuh")),
    ("turn.cuh", include_str!("../../kernels/turn.cuh")),
    ("device.cuh", include_str!("../../kernels/device/device.cuh")),
    ("grouped.cuh", include_str!("../../kernels/grouped.cuh")),
    ("grouped_single.cuh", include_str!("../../kernels/grouped_single.cuh")),
    ("grouped_tensor.cuh", include_str!("../../kernels/grouped_tensor.cuh")),
];

/// Text of a kernel file.
pub(crate) fn source(family: &str) -> Option<&'static str> {
    SOURCES.iter().find(|(name, _)| *name == family).map(|(_, text)| *text)
}

/// Kernel files whose kernels may spill everywhere: attention with heads of widths that few models have (16, and 256,
/// whose rows do not fit the registers), and joint attention with heads wider than those that joint models have (16, 32).
const COLD: &[&str] = &[
    "attention_16",
    "attention_256",
    "attention_tangent_16",
    "attention_tangent_256",
    "joint_48",
    "joint_64",
    "joint_128",
    "joint_256",
    "joint_tangent_48",
    "joint_tangent_64",
    "joint_tangent_128",
    "joint_tangent_256",
];

/// Whether the kernels of a file are *hot* on an architecture (`10 major + minor`): they take part in every step on a
/// device that models are trained on, so their registers must suffice. This is the rule of `ebt doctor --compile`:
/// a hot kernel that spills is a failure, any other is noted. Hot is every file but the [`COLD`] ones, from compute
/// capability 8.0 on; 7.5 has half the shared memory and no asynchronous copies, and is served, not tuned for.
pub(crate) fn is_hot(family: &str, arch: u32) -> bool {
    arch >= 80 && !COLD.contains(&family)
}

/// Kernel files by family. Every file is compiled once a storage type.
pub(crate) const SOURCES: &[(&str, &str)] = &[
    ("attention_rows", include_str!("../../kernels/attention_rows.cu")),
    ("attention_16", include_str!("../../kernels/attention_16.cu")),
    ("attention_32", include_str!("../../kernels/attention_32.cu")),
    ("attention_48", include_str!("../../kernels/attention_48.cu")),
    ("attention_64", include_str!("../../kernels/attention_64.cu")),
    ("attention_128", include_str!("../../kernels/attention_128.cu")),
    ("attention_256", include_str!("../../kernels/attention_256.cu")),
    ("attention_tangent_16", include_str!("../../kernels/attention_tangent_16.cu")),
    ("attention_tangent_32", include_str!("../../kernels/attention_tangent_32.cu")),
    ("attention_tangent_48", include_str!("../../kernels/attention_tangent_48.cu")),
    ("attention_tangent_64", include_str!("../../kernels/attention_tangent_64.cu")),
    ("attention_tangent_128", include_str!("../../kernels/attention_tangent_128.cu")),
    ("attention_tangent_256", include_str!("../../kernels/attention_tangent_256.cu")),
    ("joint_16", include_str!("../../kernels/joint_16.cu")),
    ("joint_32", include_str!("../../kernels/joint_32.cu")),
    ("joint_48", include_str!("../../kernels/joint_48.cu")),
    ("joint_64", include_str!("../../kernels/joint_64.cu")),
    ("joint_128", include_str!("../../kernels/joint_128.cu")),
    ("joint_256", include_str!("../../kernels/joint_256.cu")),
    ("joint_tangent_16", include_str!("../../kernels/joint_tangent_16.cu")),
    ("joint_tangent_32", include_str!("../../kernels/joint_tangent_32.cu")),
    ("joint_tangent_48", include_str!("../../kernels/joint_tangent_48.cu")),
    ("joint_tangent_64", include_str!("../../kernels/joint_tangent_64.cu")),
    ("joint_tangent_128", include_str!("../../kernels/joint_tangent_128.cu")),
    ("joint_tangent_256", include_str!("../../kernels/joint_tangent_256.cu")),
    ("grouped", include_str!("../../kernels/grouped.cu")),
    ("move", include_str!("../../kernels/move.cu")),
    ("route", include_str!("../../kernels/route.cu")),
    ("scatter", include_str!("../../kernels/scatter.cu")),
    ("sort", include_str!("../../kernels/sort.cu")),
    ("band", include_str!("../../kernels/band.cu")),
    ("element", include_str!("../../kernels/element.cu")),
    ("noise", include_str!("../../kernels/noise.cu")),
    ("norm", include_str!("../../kernels/norm.cu")),
    ("modulation", include_str!("../../kernels/modulation.cu")),
    ("optimizer", include_str!("../../kernels/optimizer.cu")),
    ("ranks", include_str!("../../kernels/ranks.cu")),
    ("reduce", include_str!("../../kernels/reduce.cu")),
    ("rotary", include_str!("../../kernels/rotary.cu")),
    ("softmax", include_str!("../../kernels/softmax.cu")),
    ("swiglu", include_str!("../../kernels/swiglu.cu")),
    ("vector", include_str!("../../kernels/vector.cu")),
    ("vocabulary", include_str!("../../kernels/vocabulary.cu")),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_is_hot_from_8_0_on_but_rare_widths_of_attention() {
        let cold: Vec<_> = SOURCES.iter().map(|(family, _)| *family).filter(|family| !is_hot(family, 80)).collect();
        assert_eq!(cold, COLD);
        assert!(SOURCES.iter().all(|(family, _)| !is_hot(family, 75) && is_hot(family, 90) == is_hot(family, 80)));
    }

    #[test]
    fn the_program_holds_every_kernel_file() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("kernels");
        let mut files: Vec<_> = [&folder, &folder.join("device")]
            .into_iter()
            .flat_map(|folder| std::fs::read_dir(folder).unwrap())
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| name != "device")
            .collect();
        let headers = HEADERS.iter().map(|(name, _)| (*name).to_owned());
        let mut held: Vec<_> = SOURCES.iter().map(|(family, _)| format!("{family}.cu")).chain(headers).collect();
        files.sort();
        held.sort();
        assert_eq!(files, held);
    }
}
