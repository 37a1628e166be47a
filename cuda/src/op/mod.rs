//! Operations by family: shape checks, outputs, launches. The kernels hold the mathematics.

mod attention;
mod band;
mod element;
mod grouped;
mod modulation;
mod movement;
mod noise;
mod norm;
mod optimizer;
mod product;
mod ranks;
mod reduce;
mod relations;
mod rotary;
mod routing;
mod scatter;
mod shape;
mod softmax;
mod sort;
mod support;
mod swiglu;
mod vocabulary;

#[cfg(test)]
mod tests;
