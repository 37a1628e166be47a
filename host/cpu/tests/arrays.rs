//! The CPU backend through arrays: what goes in comes out, whatever the strides.
#![allow(clippy::unwrap_used)]

use ebt_core::compute::{Backend, Compute, Layout};
use ebt_cpu::Cpu;
use ebt_cpu::kernel::element::Element;
use ndarray::{Array2, ArrayView2, Axis, s};
use proptest::prelude::*;

/// Element `(i, j)` is `100 i + j`.
fn numbered<E: Element>(rows: usize, columns: usize) -> Array2<E> {
    Array2::from_shape_fn((rows, columns), |(i, j)| E::from_f64((100 * i + j) as f64))
}

/// Uploads a view and compares what is lent and downloaded with it.
fn returns<E: Element>(view: ArrayView2<'_, E>) {
    let b = Cpu::<E>::poisoned(2);
    let matrix = b.array(view);
    assert_eq!((matrix.view(), b.shape(&matrix)), (view, view.dim()));
    let mut values = vec![f64::NAN; view.len()];
    b.download_f64(&matrix, &mut values);
    assert_eq!(values, view.iter().map(|x| x.to_f64()).collect::<Vec<_>>(), "row-major");
    b.status().unwrap();
}

fn all_views<E: Element>() {
    let whole = numbered::<E>(6, 8);
    let (mut turned, mut swapped) = (whole.view(), whole.view());
    turned.invert_axis(Axis(0));
    turned.invert_axis(Axis(1));
    swapped.swap_axes(0, 1);
    let row = whole.slice(s![2..3, ..]);
    let repeated = row.broadcast((5, 8)).unwrap();
    for view in [whole.view(), whole.t(), whole.slice(s![1..4, 2..;3]), turned, swapped, row, repeated] {
        returns(view);
        returns(view.t());
    }
    for (rows, columns) in [(0, 0), (0, 3), (3, 0)] {
        returns(numbered::<E>(rows, columns).view());
    }
}

#[test]
fn views_of_all_strides_and_of_no_elements_return_as_they_were() {
    all_views::<f32>();
    all_views::<f64>();
}

#[test]
fn a_view_lends_the_matrix_itself() {
    let b = Cpu::<f32>::new(1);
    let matrix = b.array(numbered(4, 3).view());
    assert_eq!(matrix.view().as_ptr(), matrix.slice().as_ptr());
    // rows and another shape of the same memory
    assert_eq!(b.slice_rows(&matrix, 1, 2).view(), numbered(4, 3).slice(s![1..3, ..]));
    assert_eq!(b.reshape(&matrix, 2, 6).view(), numbered(4, 3).to_shape((2, 6)).unwrap());
}

#[test]
fn shapes_that_do_not_fit_are_told_and_leave_an_empty_view() {
    let b = Cpu::<f32>::new(1);
    let matrix = b.array(numbered(4, 3).view());
    assert!(b.reshape(&matrix, 5, 5).view().is_empty());
    assert!(b.status().is_err());
    let b = Cpu::<f32>::new(1);
    assert_eq!(b.upload(2, 2, &[1.0; 5]).view(), Array2::<f32>::zeros((2, 2)));
    assert!(b.status().unwrap_err().to_string().contains("5 values for 2 x 2"));
}

proptest! {
    #[test]
    fn products_of_views_are_those_of_ndarray(m in 1usize..9, k in 0usize..9, n in 1usize..9, step in 1isize..3) {
        let b = Cpu::<f64>::poisoned(1);
        let (left, right) = (numbered::<f64>(k, 2 * m), numbered::<f64>(n, 2 * k));
        // every second column, and the transposed: A is (m, k), B is (k, n)
        let (left, right) = (left.slice(s![.., ..2 * m as isize; 2]), right.slice(s![.., ..k as isize * step; step]));
        let (left, right) = (left.t(), right.t());
        let product = b.matmul(&b.array(left), &b.array(right), Layout::NN);
        prop_assert_eq!(product.view(), left.dot(&right));
        let turned = b.matmul(&b.array(left.t()), &b.array(right), Layout::TN);
        prop_assert_eq!(turned.view(), product.view());
        b.status().unwrap();
    }
}
