//! Rotary embedding.

use ebt_core::compute::Rotary;
use ebt_core::error::Error;

use super::support::{THREADS, kernel, wide};
use crate::launch::args;
use crate::{Cuda, Matrix};

impl Cuda {
    pub(crate) fn rotary(&self, a: &Matrix, rotary: &Rotary, inverse: bool) -> Matrix {
        let x = self.stream(a);
        let out = self.take(x.rows, x.columns, x.kind);
        let Rotary { context, heads, head_dim, theta, offset } = *rotary;
        let turned = heads * head_dim;
        if !head_dim.is_multiple_of(2) || turned > x.columns || turned == 0 || context == 0 {
            let message = format!("{heads} heads of {head_dim} columns in {} columns, {context} positions", x.columns);
            self.fail(Error::Shape { what: "a rotation".to_owned(), message });
            return out;
        }
        let half = head_dim / 2;
        // a block works on about as many angles as it has threads
        let stretch = (THREADS as usize / half).clamp(1, 32);
        let shared = half * size_of::<f64>() + stretch * half * 2 * size_of::<f32>();
        let wide = head_dim.is_multiple_of(8) && wide(x.columns, &[&x, &out]);
        let (rows, columns) = (self.size(x.rows), self.size(x.columns));
        let args = args![
            &out,
            &x,
            theta.log2().to_bits(),
            rows,
            columns,
            self.size(turned),
            self.size(head_dim),
            self.size(context),
            self.size(offset),
            if inverse { -1.0f32 } else { 1.0 },
            self.size(stretch),
            u32::from(wide),
        ];
        self.launch(kernel("rotary", "rotary", x.kind), x.rows.div_ceil(stretch), THREADS, shared, args);
        out
    }
}
