//! The parameters of a model: one ordered list of matrices, the same order for weights, gradients, moments and averages.
//!
//! A [`ParameterLayout`] is derived from the configuration alone. Projections that are always used together are
//! stacked (`[wq; wk; wv]`, `[w1; w3]`, all experts), so a block needs few, large products; each entry says which
//! interchange tensors its rows are made of (guide/interchange.md section 1: names of the published code).

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use crate::compute::Backend;
use crate::config::{Config, Head, Initialization, JointConfig, ModelKind, RelationKind};
use crate::random::{Purpose, Stream};

/// Index of a parameter in every list.
pub type ParameterId = usize;

/// How a parameter is treated by the optimiser.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Weight decay applies.
    Matrix,
    /// Gains, biases, embeddings of steps: no decay.
    Vector,
    /// The step size: its own learning rate, no decay.
    StepSize,
    /// Set by rules of its own (the routing bias), never by the gradient.
    State,
}

/// One tensor of the interchange format inside a parameter.
#[derive(Clone, Debug, PartialEq)]
pub struct Part {
    /// Its name in the interchange format.
    pub name: String,
    /// First row in the parameter.
    pub start: usize,
    /// Rows in the parameter.
    pub rows: usize,
    /// Shape in the file (0, 1 or 2 dimensions).
    pub shape: Vec<usize>,
    /// The file holds the transpose of the rows.
    pub transposed: bool,
}

/// What a parameter holds before training.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Start {
    /// The same value everywhere.
    Constant(f64),
    /// Independent draws from `N(0, std^2)`; the number held is `std`, and 0 makes every value zero.
    Normal(f64),
    /// The AdaLN bias whose gates (the third and sixth of six parts) are open and the rest zero.
    OpenGates,
    /// Biases by relation class and head, see [`JointConfig::bias`].
    Relations(JointConfig),
}

/// Name, shape and treatment of a parameter.
#[derive(Clone, Debug, PartialEq)]
pub struct ParameterInfo {
    /// Short name for reports.
    pub name: String,
    /// Number of rows.
    pub rows: usize,
    /// Number of columns.
    pub columns: usize,
    /// How the optimiser treats it.
    pub role: Role,
    /// What it holds before training.
    pub start: Start,
    /// Interchange tensors in row order.
    pub parts: Vec<Part>,
}

impl ParameterInfo {
    /// Number of values.
    pub fn len(&self) -> usize {
        self.rows * self.columns
    }
    /// Whether there are no values.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
    /// Initial values of parameter number `id`, one by one in row-major order.
    pub fn initial(&self, id: ParameterId, seed: u64) -> impl Fn(usize) -> f64 + use<> {
        let stream = Stream::new(seed, id as u32, Purpose::Weights);
        let (start, len, columns) = (self.start, self.len(), self.columns);
        move |i| match start {
            Start::Constant(x) => x,
            Start::Normal(std) => std * stream.normal(i as u64),
            Start::OpenGates => f64::from(u8::from((i * 6 / len) % 3 == 2)),
            Start::Relations(joint) => joint.bias(i / columns, i % columns),
        }
    }
}

/// Parameters of a SwiGLU: `[w1; w3]` and `w2`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SwigluIds {
    /// `[w1; w3] (2F, D)`.
    pub w13: ParameterId,
    /// `w2 (D, F)`.
    pub w2: ParameterId,
}

/// Parameters of a feed-forward layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FeedForwardIds {
    /// A single SwiGLU.
    Dense(SwigluIds),
    /// Mixture of experts: stacked `[w1; w3]` of every expert `(E 2h, D)` and `w2` `(E D, h)`.
    Mixture {
        /// Gate `(E, D)`.
        gate: ParameterId,
        /// Routing bias `(1, E)`, a state.
        bias: ParameterId,
        /// All routed experts, stacked.
        experts: SwigluIds,
        /// Shared experts side by side.
        shared: Option<SwigluIds>,
    },
}

impl FeedForwardIds {
    /// The SwiGLUs of a layer: the one, or the routed experts and the shared ones.
    fn all(self) -> impl Iterator<Item = SwigluIds> {
        let list = match self {
            Self::Dense(ids) => [Some(ids), None],
            Self::Mixture { experts, shared, .. } => [Some(experts), shared],
        };
        list.into_iter().flatten()
    }
}

/// The AdaLN projection from a condition to shifts, scales and gates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ModulationIds {
    /// `(6D, D)`, for the head `(2D, D)`.
    pub weight: ParameterId,
    /// `(1, 6D)`, for the head `(1, 2D)`.
    pub bias: ParameterId,
}

/// Parameters of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockIds {
    /// `[wq; wk; wv] ((H+2K) d, D)`.
    pub qkv: ParameterId,
    /// `(D, H d)`.
    pub wo: ParameterId,
    /// Gain of the norm before attention `(1, D)`.
    pub attention_norm: ParameterId,
    /// Gain of the norm before the feed-forward `(1, D)`.
    pub ffn_norm: ParameterId,
    /// AdaLN, where the model has it.
    pub modulation: Option<ModulationIds>,
    /// Biases by relation class and head `(classes, H)` of a joint model, where relations count.
    pub relations: Option<ParameterId>,
    /// Parameters of the feed-forward.
    pub feed_forward: FeedForwardIds,
}

/// What AdaLN has beside the modulations of the blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConditionIds {
    /// Step embeddings `(S, D)`.
    pub time: ParameterId,
    /// AdaLN of the head.
    pub modulation: ModulationIds,
}

/// What only a model with an energy has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EnergyIds {
    /// AdaLN, where the model has it.
    pub condition: Option<ConditionIds>,
    /// Energy head `(1, D)`.
    pub head: ParameterId,
    /// Step size `(1, 1)`.
    pub alpha: ParameterId,
}

/// What only a joint model has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JointIds {
    /// Added to given positions (row 0) and to unknown ones (row 1), `(2, D)`.
    pub flags: ParameterId,
    /// Vectors of positions, of which a position adds up some, see [`JointConfig::position_of`].
    pub positions: Option<ParameterId>,
    /// Output matrix `(V, D)` and its bias `(1, V)`, where the head makes logits.
    pub output: Option<[ParameterId; 2]>,
}

/// Every parameter of a model, in order.
#[derive(Clone, Debug, PartialEq)]
pub struct ParameterLayout {
    /// Descriptions, indexed by [`ParameterId`].
    pub entries: Vec<ParameterInfo>,
    /// Token embedding `(V, D)`; a joint model has none but the candidate mixing matrix.
    pub embedding: ParameterId,
    /// Candidate mixing or output matrix `(V, D)`; the embedding itself when tied.
    pub vocabulary: ParameterId,
    /// Parameters of every block, in order.
    pub blocks: Vec<BlockIds>,
    /// Final norm `(1, D)`.
    pub norm: ParameterId,
    /// Energy parts; none where there is no energy.
    pub energy: Option<EnergyIds>,
    /// What only a joint model has.
    pub joint: Option<JointIds>,
}

struct Builder(Vec<ParameterInfo>);

impl Builder {
    fn push(
        &mut self,
        name: String,
        rows: usize,
        columns: usize,
        role: Role,
        start: Start,
        parts: Vec<Part>,
    ) -> ParameterId {
        self.0.push(ParameterInfo { name, rows, columns, role, start, parts });
        self.0.len() - 1
    }

    /// A matrix stacked from equally wide parts, `(name, rows, std)` each; one std for all.
    fn matrix(&mut self, name: &str, columns: usize, std: f64, parts: &[(String, usize)]) -> ParameterId {
        let mut start = 0;
        let mut list = Vec::new();
        for (part, rows) in parts {
            list.push(Part {
                name: part.clone(),
                start,
                rows: *rows,
                shape: [*rows, columns].to_vec(),
                transposed: false,
            });
            start += rows;
        }
        self.push(String::from(name), start, columns, Role::Matrix, Start::Normal(std), list)
    }

    fn vector(&mut self, name: &str, part: String, columns: usize, start: Start) -> ParameterId {
        let part = Part { name: part, start: 0, rows: 1, shape: [columns].to_vec(), transposed: false };
        self.push(String::from(name), 1, columns, Role::Vector, start, [part].to_vec())
    }

    fn modulation(&mut self, name: &str, prefix: &str, parts: usize, dim: usize, how: Initialization) -> ModulationIds {
        let rows = parts * dim;
        let (weight, bias) = match how {
            Initialization::Xavier => (libm::sqrt(2.0 / (rows + dim) as f64), Start::Constant(0.0)),
            Initialization::AdalnZero => (0.0, Start::Constant(0.0)),
            Initialization::AdalnIdentity if parts == 6 => (0.0, Start::OpenGates),
            Initialization::AdalnIdentity => (0.0, Start::Constant(0.0)),
        };
        ModulationIds {
            weight: self.matrix(&format!("{name}.weight"), dim, weight, &[(format!("{prefix}.weight"), rows)]),
            bias: self.vector(&format!("{name}.bias"), format!("{prefix}.bias"), rows, bias),
        }
    }

    fn swiglu(&mut self, name: &str, prefix: &str, dim: usize, ffn: usize) -> SwigluIds {
        let std = xavier(dim, ffn);
        let up = [(format!("{prefix}.w1.weight"), ffn), (format!("{prefix}.w3.weight"), ffn)];
        SwigluIds {
            w13: self.matrix(&format!("{name}.w13"), dim, std, &up),
            w2: self.matrix(&format!("{name}.w2"), ffn, std, &[(format!("{prefix}.w2.weight"), dim)]),
        }
    }
}

fn xavier(inputs: usize, outputs: usize) -> f64 {
    libm::sqrt(2.0 / (inputs + outputs) as f64)
}

impl ParameterLayout {
    /// The layout of a valid configuration.
    pub fn new(c: &Config) -> Self {
        let mut b = Builder(Vec::new());
        let (d, mixes) = (c.dim, c.kind != ModelKind::Transformer);
        let alone = c.kind == ModelKind::Joint;
        let embedding_std = if mixes || c.tied { xavier(d, c.vocab) } else { 1.0 };
        let embedding =
            (!alone).then(|| b.matrix("embedding", d, embedding_std, &[(String::from("embeddings.weight"), c.vocab)]));
        let vocabulary = if let Some(embedding) = embedding.filter(|_| c.tied) {
            embedding
        } else {
            let name = if mixes { "vocab_to_embed.weight" } else { "output.weight" };
            let std = if alone { 1.0 } else { xavier(d, c.vocab) };
            let id = b.matrix("vocabulary", d, std, &[(String::from(name), c.vocab)]);
            if mixes {
                let part = &mut b.0[id].parts[0];
                part.transposed = true;
                part.shape = [d, c.vocab].to_vec();
            }
            id
        };
        let placed = alone.then(|| {
            let mut table = |name: &str, part: &str, rows: usize| {
                let id = b.matrix(name, d, 0.5, &[(String::from(part), rows)]);
                b.0[id].role = Role::Vector;
                id
            };
            let flags = table("flags", "flags.weight", 2);
            let rows = c.joint.position_rows(c.context);
            (flags, (rows > 0).then(|| table("positions", "positions.weight", rows)))
        });
        let blocks = (0..c.layers).map(|i| Self::block(&mut b, c, i)).collect();
        let norm = b.vector("norm", String::from("transformer.norm.weight"), d, Start::Constant(1.0));
        let energy = c.has_energy().then(|| {
            let head_std = if c.initialization == Initialization::AdalnZero { 0.0 } else { xavier(d, 1) };
            let condition = c.has_condition().then(|| {
                let time = [(String::from("transformer.time_embeddings.weight"), c.landscapes)];
                let time = b.matrix("time", d, 1.0, &time);
                b.0[time].role = Role::Vector;
                let prefix = "transformer.final_layer.adaLN_modulation.1";
                ConditionIds { time, modulation: b.modulation("head.modulation", prefix, 2, d, c.initialization) }
            });
            let head = [(String::from("transformer.final_layer.linear.weight"), 1)];
            let head = b.matrix("head", d, head_std, &head);
            let part = Part { name: String::from("alpha"), start: 0, rows: 1, shape: Vec::new(), transposed: false };
            let start = Start::Constant(c.alpha);
            let alpha = b.push(String::from("alpha"), 1, 1, Role::StepSize, start, [part].to_vec());
            EnergyIds { condition, head, alpha }
        });
        let joint = placed.map(|(flags, positions)| {
            let output = (c.head == Head::Logits).then(|| {
                let weight = b.matrix("output", d, xavier(d, c.vocab), &[(String::from("output.weight"), c.vocab)]);
                [weight, b.vector("output.bias", String::from("output.bias"), c.vocab, Start::Constant(0.0))]
            });
            JointIds { flags, positions, output }
        });
        let embedding = embedding.unwrap_or(vocabulary);
        Self { entries: b.0, embedding, vocabulary, blocks, norm, energy, joint }
    }

    fn block(b: &mut Builder, c: &Config, i: usize) -> BlockIds {
        let (d, width, prefix) = (c.dim, c.head_width(), format!("transformer.layers.{i}"));
        let (q, k) = (c.heads * width, c.key_heads() * width);
        let at = |part: &str| format!("{prefix}.attention.{part}.weight");
        let qkv = b.matrix(&format!("block{i}.qkv"), d, xavier(d, q), &[(at("wq"), q), (at("wk"), k), (at("wv"), k)]);
        let wo = b.matrix(&format!("block{i}.wo"), q, xavier(d, q), &[(at("wo"), d)]);
        let one = Start::Constant(1.0);
        let attention_norm =
            b.vector(&format!("block{i}.attention_norm"), format!("{prefix}.attention_norm.weight"), d, one);
        let ffn_norm = b.vector(&format!("block{i}.ffn_norm"), format!("{prefix}.ffn_norm.weight"), d, one);
        let modulation = c.has_condition().then(|| {
            let from = format!("{prefix}.adaLN_modulation.1");
            b.modulation(&format!("block{i}.modulation"), &from, 6, d, c.initialization)
        });
        let classes = if c.kind == ModelKind::Joint { c.joint.classes() } else { 0 };
        let relations = (classes > 0).then(|| {
            let learned = c.joint.relations == RelationKind::Bias;
            let (role, name) = (if learned { Role::Vector } else { Role::State }, at("relations"));
            let part = Part { name, start: 0, rows: classes, shape: [classes, c.heads].to_vec(), transposed: false };
            let parts = [part].to_vec();
            b.push(format!("block{i}.relations"), classes, c.heads, role, Start::Relations(c.joint), parts)
        });
        let prefix = format!("{prefix}.feed_forward");
        let feed_forward = match c.mixture(i) {
            None => FeedForwardIds::Dense(b.swiglu(&format!("block{i}.ffn"), &prefix, d, c.ffn)),
            Some(m) => {
                let gate = [(format!("{prefix}.gate.weight"), m.n_routed)];
                let gate = b.matrix(&format!("block{i}.gate"), d, xavier(d, m.n_routed), &gate);
                let zero = Start::Constant(0.0);
                let bias = b.push(format!("block{i}.routing_bias"), 1, m.n_routed, Role::State, zero, Vec::new());
                let (mut up, mut down) = (Vec::new(), Vec::new());
                for e in 0..m.n_routed {
                    up.push((format!("{prefix}.experts.{e}.w1.weight"), m.hidden));
                    up.push((format!("{prefix}.experts.{e}.w3.weight"), m.hidden));
                    down.push((format!("{prefix}.experts.{e}.w2.weight"), d));
                }
                let std = xavier(d, m.hidden);
                let experts = SwigluIds {
                    w13: b.matrix(&format!("block{i}.experts.w13"), d, std, &up),
                    w2: b.matrix(&format!("block{i}.experts.w2"), m.hidden, std, &down),
                };
                let shared = (m.n_shared > 0).then(|| {
                    let from = format!("{prefix}.shared_experts");
                    b.swiglu(&format!("block{i}.shared"), &from, d, m.n_shared * m.hidden)
                });
                FeedForwardIds::Mixture { gate, bias, experts, shared }
            }
        };
        BlockIds { qkv, wo, attention_norm, ffn_norm, modulation, relations, feed_forward }
    }

    /// The weights before training, in layout order.
    pub fn draw<B: Backend>(&self, b: &B, seed: u64) -> Vec<B::Array> {
        let draw = |(id, e): (ParameterId, &ParameterInfo)| {
            let values: Vec<f64> = (0..e.len()).map(e.initial(id, seed)).collect();
            b.upload_f64(e.rows, e.columns, &values)
        };
        self.entries.iter().enumerate().map(draw).collect()
    }

    /// The matrices that add to the residual stream: `wo` and `w2` of every block and expert.
    pub fn outputs(&self) -> impl Iterator<Item = ParameterId> + use<'_> {
        self.blocks.iter().flat_map(|block| [block.wo].into_iter().chain(block.feed_forward.all().map(|ids| ids.w2)))
    }

    /// Number of values in all trained parameters.
    pub fn count(&self) -> usize {
        self.entries.iter().filter(|e| e.role != Role::State).map(ParameterInfo::len).sum()
    }

    /// The matrices of blocks whose rows and columns are those of activations: all but gates and AdaLN.
    pub fn block_matrices(&self) -> Vec<ParameterId> {
        let of = |block: &BlockIds| {
            let feed_forward = block.feed_forward.all().flat_map(|ids| [ids.w13, ids.w2]);
            [block.qkv, block.wo].into_iter().chain(feed_forward)
        };
        self.blocks.iter().flat_map(of).collect()
    }

    /// AdaLN: the matrices and biases of modulations, and the step embeddings.
    pub fn adaln(&self) -> impl Iterator<Item = ParameterId> + use<'_> {
        let condition = self.energy.as_ref().and_then(|energy| energy.condition);
        let modulations = self.blocks.iter().filter_map(|block| block.modulation);
        let modulations = modulations.chain(condition.map(|of| of.modulation)).flat_map(|of| [of.weight, of.bias]);
        modulations.chain(condition.map(|of| of.time))
    }

    /// Values a token meets on its way: all but the experts it is not sent to.
    pub fn active(&self, c: &Config) -> usize {
        let unused = self.blocks.iter().map(|b| match (b.feed_forward, &c.moe) {
            (FeedForwardIds::Mixture { experts, .. }, Some(m)) => {
                let all = self.entries[experts.w13].len() + self.entries[experts.w2].len();
                all / m.n_routed * (m.n_routed - m.top_k)
            }
            _ => 0,
        });
        self.count() - unused.sum::<usize>()
    }
}
