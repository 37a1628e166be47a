//! The model file `.ebt`: configuration, objective, weights and tokenizer in one checked file that can be mapped.
//!
//! ```text
//! 0    magic         89 'E' 'B' 'T' 0D 0A 1A 0A   (a transfer as text damages it visibly)
//! 8    version       u32
//! 12   header bytes  u32
//! 16   file bytes    u64
//! 24   header        postcard: Config, Objective, provenance pairs, tensor table, tokenizer bytes
//! ...  tensors       each at a multiple of 64, in layout order, zeros between
//! ...  tokenizer     JSON bytes, at a multiple of 64, or nothing
//! end  checksum      u32: CRC-32 of everything before
//! ```
//!
//! All integers are little-endian. [`read`] takes any bytes: it checks every range, never panics, copies no weight
//! and allocates in proportion to the input's length only. [`VERSION`] changes whenever [`Config`] or [`Objective`]
//! do, because postcard stores fields by position.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use half::{bf16, f16};
use serde::{Deserialize, Serialize};

use crate::config::{Config, ModelKind};
use crate::error::{Error, Result};
use crate::objective::Objective;
use crate::parameters::{ParameterInfo, ParameterLayout};

/// First bytes of every model file.
pub const MAGIC: [u8; 8] = [0x89, b'E', b'B', b'T', b'\r', b'\n', 0x1a, b'\n'];

/// Version written; no other is read.
pub const VERSION: u32 = 2;

/// Tensors begin at multiples of this, so that mapped weights suit any vector unit.
pub const ALIGNMENT: usize = 64;

const HEADER_START: usize = 24;
const CHECKSUM_BYTES: usize = 4;

/// How the values of a tensor are stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Dtype {
    /// IEEE single precision.
    #[default]
    F32,
    /// IEEE half precision.
    F16,
    /// Brain float: the upper half of a single.
    Bf16,
}

impl Dtype {
    /// Bytes of a value.
    pub fn size(self) -> usize {
        match self {
            Dtype::F32 => 4,
            Dtype::F16 | Dtype::Bf16 => 2,
        }
    }

    /// The name of the format in reports, in lower case.
    pub fn name(self) -> &'static str {
        match self {
            Dtype::F32 => "f32",
            Dtype::F16 => "f16",
            Dtype::Bf16 => "bf16",
        }
    }

    /// Number in the file; numbers from 3 on are free for formats to come.
    fn code(self) -> u8 {
        match self {
            Dtype::F32 => 0,
            Dtype::F16 => 1,
            Dtype::Bf16 => 2,
        }
    }

    fn from_code(code: u8) -> Option<Self> {
        [Dtype::F32, Dtype::F16, Dtype::Bf16].into_iter().find(|d| d.code() == code)
    }

    /// Appends `value`, rounded to nearest.
    pub fn encode(self, value: f32, out: &mut Vec<u8>) {
        match self {
            Dtype::F32 => out.extend_from_slice(&value.to_le_bytes()),
            Dtype::F16 => out.extend_from_slice(&f16::from_f32(value).to_le_bytes()),
            Dtype::Bf16 => out.extend_from_slice(&bf16::from_f32(value).to_le_bytes()),
        }
    }

    /// The value in `bytes`, which holds [`Dtype::size`] of them; missing bytes count as zero.
    pub fn decode(self, bytes: &[u8]) -> f32 {
        let at = |i: usize| bytes.get(i).copied().unwrap_or(0);
        match self {
            Dtype::F32 => f32::from_le_bytes([at(0), at(1), at(2), at(3)]),
            Dtype::F16 => f16::from_le_bytes([at(0), at(1)]).to_f32(),
            Dtype::Bf16 => bf16::from_le_bytes([at(0), at(1)]).to_f32(),
        }
    }
}

/// A stored tensor: a view into the file.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TensorView<'a> {
    /// Storage of a value.
    pub dtype: Dtype,
    /// Number of rows, as the layout has it.
    pub rows: usize,
    /// Number of columns, as the layout has it.
    pub columns: usize,
    /// `rows * columns` values, row-major, little-endian.
    pub bytes: &'a [u8],
}

impl<'a> TensorView<'a> {
    /// Number of values.
    pub fn len(&self) -> usize {
        self.rows * self.columns
    }
    /// Whether there are no values.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }
    /// The values in row-major order.
    pub fn to_f32(&self) -> impl Iterator<Item = f32> + use<'a> {
        let dtype = self.dtype;
        self.bytes.chunks_exact(dtype.size()).map(move |bytes| dtype.decode(bytes))
    }
}

/// A checked model file: views into its bytes.
#[derive(Clone, Debug)]
pub struct ModelFile<'a> {
    /// Sizes and semantics.
    pub config: Config,
    /// How the model was trained; what inference takes its defaults from.
    pub objective: Objective,
    /// Names and shapes of the parameters, derived from the configuration.
    pub layout: ParameterLayout,
    /// The weights in layout order.
    pub tensors: Vec<TensorView<'a>>,
    /// `tokenizer.json`, if the file holds one.
    pub tokenizer: Option<&'a [u8]>,
    provenance: Provenance<'a>,
}

impl<'a> ModelFile<'a> {
    /// Where the model comes from, as (key, value) pairs.
    pub fn provenance(&self) -> Provenance<'a> {
        self.provenance
    }
}

/// Iterator over the (key, value) pairs that say where a model comes from.
#[derive(Clone, Copy, Debug)]
pub struct Provenance<'a> {
    rest: &'a [u8],
    left: u32,
}

impl<'a> Iterator for Provenance<'a> {
    type Item = (&'a str, &'a str);

    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        let (pair, rest) = postcard::take_from_bytes(self.rest).ok()?;
        self.rest = rest;
        Some(pair)
    }
}

/// Row of the tensor table.
#[derive(Debug, Serialize, Deserialize)]
struct Record<'a> {
    name: &'a str,
    rows: u64,
    columns: u64,
    dtype: u8,
    /// First byte, counted from the first tensor.
    offset: u64,
}

/// What [`write()`] puts into a file.
#[derive(Debug)]
pub struct Contents<'a, W> {
    /// Sizes and semantics.
    pub config: &'a Config,
    /// How the model was trained.
    pub objective: &'a Objective,
    /// Where the model comes from, as (key, value) pairs.
    pub provenance: &'a [(String, String)],
    /// Weights in layout order.
    pub weights: &'a [W],
    /// Storage of the weights.
    pub dtype: Dtype,
    /// The bytes of `tokenizer.json`; empty if the file holds no tokenizer.
    pub tokenizer: Option<&'a [u8]>,
}

fn refuse<T>(message: String) -> Result<T> {
    Err(Error::Format { what: "model file", message })
}

fn aligned(at: usize) -> usize {
    at.next_multiple_of(ALIGNMENT)
}

/// The bytes of a model file.
///
/// # Errors
///
/// A configuration or objective that is not valid, and weights that do not fit the layout.
pub fn write<W: AsRef<[f32]>>(contents: &Contents<'_, W>) -> Result<Vec<u8>> {
    contents.config.validate()?;
    contents.objective.validate()?;
    let layout = ParameterLayout::new(contents.config);
    if layout.entries.len() != contents.weights.len() {
        return refuse(format!("{} parameters were given for {}", contents.weights.len(), layout.entries.len()));
    }
    let header = encode_header(contents, &layout)?;
    let Ok(header_bytes) = u32::try_from(header.len()) else {
        return refuse(format!("a header of {} bytes is too long", header.len()));
    };
    let mut out = Vec::new();
    out.extend_from_slice(&MAGIC);
    out.extend_from_slice(&VERSION.to_le_bytes());
    out.extend_from_slice(&header_bytes.to_le_bytes());
    out.extend_from_slice(&0u64.to_le_bytes());
    out.extend_from_slice(&header);
    for (entry, weights) in layout.entries.iter().zip(contents.weights) {
        let values = weights.as_ref();
        if values.len() != entry.len() {
            let message = format!("{} needs {} values, found {}", entry.name, entry.len(), values.len());
            return refuse(message);
        }
        out.resize(aligned(out.len()), 0);
        out.reserve(values.len() * contents.dtype.size());
        for &value in values {
            contents.dtype.encode(value, &mut out);
        }
    }
    out.resize(aligned(out.len()), 0);
    out.extend_from_slice(contents.tokenizer.unwrap_or(&[]));
    let total = (out.len() + CHECKSUM_BYTES) as u64;
    if let Some(field) = out.get_mut(16..HEADER_START) {
        field.copy_from_slice(&total.to_le_bytes());
    }
    let checksum = crate::checksum::crc32(&out);
    out.extend_from_slice(&checksum.to_le_bytes());
    Ok(out)
}

fn encode_header<W>(contents: &Contents<'_, W>, layout: &ParameterLayout) -> Result<Vec<u8>> {
    let mut out = Vec::new();
    append(&mut out, contents.config)?;
    append(&mut out, contents.objective)?;
    append(&mut out, &contents.provenance.len())?;
    for pair in contents.provenance {
        append(&mut out, pair)?;
    }
    append(&mut out, &layout.entries.len())?;
    let mut offset = 0;
    for entry in &layout.entries {
        append(
            &mut out,
            &Record {
                name: &entry.name,
                rows: entry.rows as u64,
                columns: entry.columns as u64,
                dtype: contents.dtype.code(),
                offset: offset as u64,
            },
        )?;
        offset = aligned(offset + entry.len() * contents.dtype.size());
    }
    append(&mut out, &contents.tokenizer.map(<[u8]>::len))?;
    Ok(out)
}

fn append<T: Serialize>(out: &mut Vec<u8>, value: &T) -> Result<()> {
    match postcard::to_allocvec(value) {
        Ok(bytes) => {
            out.extend_from_slice(&bytes);
            Ok(())
        }
        Err(error) => refuse(format!("the header cannot be encoded: {error}")),
    }
}

/// Checks the bytes of a model file and returns views into them.
///
/// # Errors
///
/// [`Error::Format`] for a foreign, truncated, lengthened or damaged file, another version, or tables that contradict
/// the configuration; [`Error::Config`] for a configuration that is not valid.
pub fn read(bytes: &[u8]) -> Result<ModelFile<'_>> {
    let header_bytes = check_frame(bytes)?;
    let end = bytes.len() - CHECKSUM_BYTES;
    let header_end = match HEADER_START.checked_add(header_bytes) {
        Some(header_end) if header_end <= end => header_end,
        _ => return refuse(format!("a header of {header_bytes} bytes does not fit into the file")),
    };
    let mut header = Header(&bytes[HEADER_START..header_end]);
    let config: Config = header.take("the configuration")?;
    config.validate()?;
    let objective: Objective = header.take("the objective")?;
    objective.validate()?;
    let left: u32 = header.take("the provenance")?;
    let provenance = Provenance { rest: header.0, left };
    for _ in 0..left {
        header.take::<(&str, &str)>("the provenance")?;
    }
    // a lower bound first: the layout itself costs memory in proportion to the weights
    if values_at_least(&config).saturating_mul(2) > bytes.len() as u128 {
        return refuse(String::from("the configuration describes more weights than the file can hold"));
    }
    let layout = ParameterLayout::new(&config);
    let count: usize = header.take("the tensor table")?;
    if count != layout.entries.len() {
        return refuse(format!("{count} tensors are listed where the configuration has {}", layout.entries.len()));
    }
    let mut at = header_end;
    let first = aligned(at);
    let mut tensors = Vec::with_capacity(count);
    for entry in &layout.entries {
        let record: Record<'_> = header.take("the tensor table")?;
        let tensor = view(bytes, end, first, &mut at, entry, &record)?;
        tensors.push(tensor);
    }
    let length: Option<usize> = header.take("the tokenizer's length")?;
    if !header.0.is_empty() {
        return refuse(format!("{} bytes follow the last header field", header.0.len()));
    }
    let tokenizer = section(bytes, end, &mut at, length.unwrap_or(0), "the tokenizer")?;
    if at != end {
        return refuse(format!("{} bytes follow the last section", end - at));
    }
    Ok(ModelFile { config, objective, layout, tensors, tokenizer: length.map(|_| tokenizer), provenance })
}

/// Checks magic, version, length and checksum; returns the length of the header.
fn check_frame(bytes: &[u8]) -> Result<usize> {
    if bytes.is_empty() {
        return refuse(String::from("the file is empty"));
    }
    if !bytes.starts_with(&MAGIC[..MAGIC.len().min(bytes.len())]) {
        return refuse(String::from("this is not a model file: it does not begin with the model file signature"));
    }
    let (Some(version), Some(header), Some(total)) = (word(bytes, 8), word(bytes, 12), long(bytes, 16)) else {
        return refuse(format!("the file was cut short: {} bytes are left of it", bytes.len()));
    };
    if version != VERSION {
        return refuse(format!("format version {version} cannot be read: this program reads version {VERSION}"));
    }
    let length = bytes.len() as u64;
    if length < total {
        return refuse(format!("the file was cut short: {length} bytes are left of {total}"));
    }
    if length > total {
        return refuse(format!("{} bytes follow the end of the model", length - total));
    }
    let stored = bytes.len().checked_sub(CHECKSUM_BYTES).filter(|&end| end >= HEADER_START);
    let Some((end, stored)) = stored.and_then(|end| Some((end, word(bytes, end)?))) else {
        return refuse(format!("a model file is longer than {length} bytes"));
    };
    if crate::checksum::crc32(&bytes[..end]) != stored {
        return refuse(String::from("the checksum does not match: the file is damaged"));
    }
    usize::try_from(header).or_else(|_| refuse(String::from("the header is too long for this machine")))
}

/// The header fields that were not read yet.
struct Header<'a>(&'a [u8]);

impl<'a> Header<'a> {
    fn take<T: Deserialize<'a>>(&mut self, what: &str) -> Result<T> {
        match postcard::take_from_bytes(self.0) {
            Ok((value, rest)) => {
                self.0 = rest;
                Ok(value)
            }
            Err(error) => refuse(format!("{what} cannot be read: {error}")),
        }
    }
}

/// No more values than the layout of `c` has, found without building one: what a file has to hold at least.
pub fn values_at_least(c: &Config) -> u128 {
    let product = |list: &[usize]| list.iter().fold(1u128, |p, &x| p.saturating_mul(x as u128));
    let (d, q) = (c.dim, c.heads.saturating_mul(c.head_width()));
    let attention = product(&[2, d, q]);
    let modulation = if c.kind == ModelKind::Ebt { product(&[6, d, d]) } else { 0 };
    let mixed = c.moe.as_ref().map_or(0, |m| c.layers.saturating_sub(m.first_dense));
    let dense = c.layers - mixed;
    let experts = c.moe.as_ref().map_or(0, |m| product(&[mixed, 3, m.n_routed + m.n_shared, m.hidden, d]));
    [
        product(&[c.vocab, d]),
        product(&[c.layers]).saturating_mul(attention.saturating_add(modulation)),
        product(&[dense, 3, c.ffn, d]),
        experts,
    ]
    .into_iter()
    .fold(0, u128::saturating_add)
}

/// The next tensor, whose table row must say what the layout says.
fn view<'a>(
    bytes: &'a [u8],
    end: usize,
    first: usize,
    at: &mut usize,
    entry: &ParameterInfo,
    record: &Record<'_>,
) -> Result<TensorView<'a>> {
    let name = &entry.name;
    if record.name != name.as_str() {
        return refuse(format!("tensor {:?} is listed where the configuration has {name}", record.name));
    }
    if (record.rows, record.columns) != (entry.rows as u64, entry.columns as u64) {
        let (rows, columns) = (entry.rows, entry.columns);
        let found = format!("{} x {}", record.rows, record.columns);
        return refuse(format!("tensor {name} is {found} where the configuration has {rows} x {columns}"));
    }
    let Some(dtype) = Dtype::from_code(record.dtype) else {
        return refuse(format!("tensor {name} is stored in format {}, which is not known", record.dtype));
    };
    let Some(length) = entry.rows.checked_mul(entry.columns).and_then(|n| n.checked_mul(dtype.size())) else {
        return refuse(format!("tensor {name} is larger than this machine can address"));
    };
    let start = aligned(*at);
    if record.offset != (start - first) as u64 {
        return refuse(format!("tensor {name} is listed at byte {} instead of {}", record.offset, start - first));
    }
    let bytes = section(bytes, end, at, length, name)?;
    Ok(TensorView { dtype, rows: entry.rows, columns: entry.columns, bytes })
}

/// `length` bytes from the next multiple of the alignment on; moves `at` behind them.
fn section<'a>(bytes: &'a [u8], end: usize, at: &mut usize, length: usize, what: &str) -> Result<&'a [u8]> {
    let start = aligned(*at);
    let found = start.checked_add(length).filter(|&stop| stop <= end).and_then(|stop| {
        let padding = bytes.get(*at..start)?;
        *at = stop;
        Some((padding, bytes.get(start..stop)?))
    });
    match found {
        Some((padding, section)) if padding.iter().all(|&b| b == 0) => Ok(section),
        Some(_) => refuse(format!("the bytes before {what} are not zero")),
        None => refuse(format!("{what} ({length} bytes) does not fit into the file")),
    }
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    let bytes = bytes.get(at..at.checked_add(4)?)?;
    Some(u32::from_le_bytes(bytes.try_into().ok()?))
}

fn long(bytes: &[u8], at: usize) -> Option<u64> {
    let bytes = bytes.get(at..at.checked_add(8)?)?;
    Some(u64::from_le_bytes(bytes.try_into().ok()?))
}
