//! What the assembler says of a kernel (`--ptxas-options=-v`): registers, shared memory, spills.

/// Resources of one kernel.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Resources {
    pub(crate) kernel: String,
    pub(crate) registers: u32,
    /// Bytes of static shared memory of a block.
    pub(crate) shared: u32,
    /// Bytes of stack of a thread.
    pub(crate) stack: u32,
    /// Bytes of registers written to memory by a thread.
    pub(crate) spill_stores: u32,
    /// Bytes of registers read back.
    pub(crate) spill_loads: u32,
}

/// Reads the assembler's log; lines that say nothing of a kernel are passed over.
pub(crate) fn parse(log: &str) -> Vec<Resources> {
    let mut kernels: Vec<Resources> = Vec::new();
    // properties of functions that were not inlined are listed too: only those of the entry itself are its own
    let mut own = true;
    for line in log.lines() {
        if let Some(name) = between(line, "Compiling entry function '", "'") {
            kernels.push(Resources { kernel: name.to_owned(), ..Resources::default() });
            own = true;
            continue;
        }
        let Some(kernel) = kernels.last_mut() else { continue };
        if let Some((_, name)) = line.split_once("Function properties for ") {
            own = name.trim() == kernel.kernel;
        } else if line.contains("bytes stack frame") && own {
            kernel.stack = before(line, " bytes stack frame");
            kernel.spill_stores = before(line, " bytes spill stores");
            kernel.spill_loads = before(line, " bytes spill loads");
        } else if line.contains(" registers") && line.contains("Used ") {
            kernel.registers = before(line, " registers");
            kernel.shared = before(line, " bytes smem");
        }
    }
    kernels
}

fn between<'a>(line: &'a str, start: &str, end: &str) -> Option<&'a str> {
    let (_, rest) = line.split_once(start)?;
    rest.split_once(end).map(|(inner, _)| inner)
}

/// The number that stands right before `unit`; 0 without one.
fn before(line: &str, unit: &str) -> u32 {
    let Some((text, _)) = line.split_once(unit) else { return 0 };
    let digits = text.len() - text.bytes().rev().take_while(u8::is_ascii_digit).count();
    text[digits..].parse().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_log_of_two_kernels_is_read() {
        let log = "\
ptxas info    : 0 bytes gmem
ptxas info    : Compiling entry function 'norm_forward_bf16' for 'sm_90'
ptxas info    : Function properties for norm_forward_bf16
    0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads
ptxas info    : Used 32 registers, used 1 barriers, 4224 bytes smem, 380 bytes cmem[0]
ptxas info    : Compile time = 12.3 ms
ptxas info    : Compiling entry function 'wide_f32' for 'sm_90'
ptxas info    : Function properties for wide_f32
    144 bytes stack frame, 96 bytes spill stores, 120 bytes spill loads
ptxas info    : Function properties for __internal_trig_reduction_slowpathf
    40 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads
ptxas info    : Used 255 registers, 372 bytes cmem[0]
";
        let read = parse(log);
        let wide = Resources {
            kernel: String::from("wide_f32"),
            registers: 255,
            shared: 0,
            stack: 144,
            spill_stores: 96,
            spill_loads: 120,
        };
        assert_eq!(read.len(), 2);
        assert_eq!((read[0].kernel.as_str(), read[0].registers, read[0].shared), ("norm_forward_bf16", 32, 4224));
        assert_eq!(read[0].spill_stores + read[0].spill_loads + read[0].stack, 0);
        assert_eq!(read[1], wide);
    }

    #[test]
    fn other_text_is_no_kernel() {
        assert_eq!(parse(""), Vec::new());
        assert_eq!(parse("x.cu(3): warning #177-D: variable was declared\nUsed 3 registers"), Vec::new());
    }
}
