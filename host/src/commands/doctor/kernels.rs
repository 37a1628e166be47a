//! What `ebt doctor --compile` says of the kernels.

use std::collections::BTreeMap;
use std::io::{self, Write};

use anyhow::{Result, bail};
use ebt_cuda::KernelReport;

/// Fails if a hot kernel spills.
pub(super) fn enough_registers(kernels: &[KernelReport]) -> Result<()> {
    let short: Vec<_> = kernels
        .iter()
        .filter(|k| k.hot && k.spills())
        .map(|k| format!("{} on {} ({} bytes stored, {} loaded)", k.kernel, k.arch, k.spill_stores, k.spill_loads))
        .collect();
    if !short.is_empty() {
        bail!("registers do not suffice for {} of {} kernels: {}", short.len(), kernels.len(), short.join(", "));
    }
    Ok(())
}

/// A line a kernel file and storage type with the worst kernel of every architecture, notes, and totals.
pub(super) fn table(out: &mut impl Write, kernels: &[KernelReport]) -> io::Result<()> {
    let (mut archs, mut rows) = (Vec::new(), Vec::new());
    let mut worst: BTreeMap<(&str, &str, &str), &KernelReport> = BTreeMap::new();
    for k in kernels {
        let row = (k.family.as_str(), k.storage.as_str());
        if !archs.contains(&k.arch.as_str()) {
            archs.push(k.arch.as_str());
        }
        if !rows.contains(&row) {
            rows.push(row);
        }
        let rank = |k: &KernelReport| (k.spilled(), k.registers, k.shared);
        let kept = worst.entry((row.0, row.1, &k.arch)).or_insert(k);
        if rank(k) > rank(kept) {
            *kept = k;
        }
    }
    let width = rows.iter().map(|(family, _)| family.len()).max().unwrap_or(0).max("kernel file".len());
    writeln!(out, "\nThe worst kernel of each file: registers, bytes of static shared memory, bytes spilled (* hot)")?;
    let heads: String = archs.iter().map(|arch| format!("  {arch:>17}")).collect();
    writeln!(out, "{:width$}  type{heads}", "kernel file")?;
    for (family, storage) in &rows {
        write!(out, "{family:width$}  {storage:4}")?;
        for arch in &archs {
            let cell = worst.get(&(*family, *storage, *arch)).map_or_else(String::new, |k| {
                let mark = if k.hot && k.spills() { "*" } else { " " };
                format!("{:>3} {:>6} {:>5}{mark}", k.registers, k.shared, k.spilled())
            });
            write!(out, "  {cell:>17}")?;
        }
        writeln!(out)?;
    }
    for arch in &archs {
        let cold: Vec<_> = kernels.iter().filter(|k| k.arch == *arch && !k.hot && k.spills()).collect();
        if let Some(most) = cold.iter().max_by_key(|k| k.spilled()) {
            let (count, bytes) = (cold.len(), most.spilled());
            writeln!(
                out,
                "note: {arch}: {count} kernels that are not hot spill, at most {bytes} bytes ({})",
                most.kernel
            )?;
        }
    }
    let hot = kernels.iter().filter(|k| k.hot);
    let spill = hot.clone().filter(|k| k.spills()).count();
    let (count, files) = (kernels.len(), rows.len());
    writeln!(
        out,
        "{count} kernels of {files} files and types for {}: {spill} of {} hot ones spill",
        archs.join(", "),
        hot.count()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kernel(name: &str, arch: &str, registers: u32, spill_stores: u32) -> KernelReport {
        KernelReport {
            family: String::from("norm"),
            storage: String::from("f32"),
            kernel: name.to_owned(),
            arch: arch.to_owned(),
            registers,
            shared: 1024,
            stack: 0,
            spill_stores,
            spill_loads: 2 * spill_stores,
            hot: arch != "sm_75",
        }
    }

    #[test]
    fn only_a_hot_kernel_whose_registers_do_not_suffice_is_a_failure() {
        let mut kernels = vec![kernel("a", "sm_80", 32, 0), kernel("b", "sm_75", 64, 8)];
        assert!(enough_registers(&kernels).is_ok());
        kernels.push(kernel("b", "sm_80", 32, 8));
        let error = enough_registers(&kernels).unwrap_err().to_string();
        assert_eq!(error, "registers do not suffice for 1 of 3 kernels: b on sm_80 (8 bytes stored, 16 loaded)");
    }

    #[test]
    fn a_line_has_the_worst_kernel_of_every_architecture() {
        let kernels = [
            kernel("a", "sm_75", 48, 0),
            kernel("b", "sm_75", 40, 4),
            kernel("c", "sm_75", 39, 2),
            kernel("a", "sm_80", 48, 0),
            kernel("b", "sm_80", 56, 0),
            KernelReport { family: String::from("element"), ..kernel("d", "sm_80", 32, 8) },
        ];
        let mut out = Vec::new();
        table(&mut out, &kernels).unwrap();
        let text = String::from_utf8(out).unwrap();
        let lines: Vec<_> = text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
        assert_eq!(
            lines[2..],
            [
                "kernel file type sm_75 sm_80",
                "norm f32 40 1024 12 56 1024 0",
                "element f32 32 1024 24*",
                "note: sm_75: 2 kernels that are not hot spill, at most 12 bytes (b)",
                "6 kernels of 2 files and types for sm_75, sm_80: 1 of 3 hot ones spill",
            ]
        );
    }
}
