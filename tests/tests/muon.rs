//! The directions of Muon are those of its definition (`fixtures/make_muon_golden.py`).

use ebt_core::compute::Backend;
use ebt_core::muon;
use ebt_core::parameters::Part;
use ebt_tests::factory::Reference64;
use ebt_tests::{Factory, Mat};
use serde_json::Value;

#[test]
fn golden_directions() {
    let golden: Value = serde_json::from_str(include_str!("../../fixtures/golden_muon.json")).unwrap();
    let matrix = |value: &Value| {
        let rows = value.as_array().unwrap();
        let data: Vec<f64> = rows.iter().flat_map(|row| row.as_array().unwrap()).map(|x| x.as_f64().unwrap()).collect();
        Mat::new(rows.len(), data.len() / rows.len(), data)
    };
    Reference64::with(|b| {
        for case in golden["cases"].as_array().unwrap() {
            let [first, gradient, expected] = ["first", "gradient", "direction"].map(|name| matrix(&case[name]));
            let (rows, columns) = (expected.rows, expected.columns);
            let shape = vec![rows, columns];
            let part = Part { name: String::new(), start: 0, rows, shape, transposed: false };
            let factor = b.upload_f64(1, 1, &[golden["factor"].as_f64().unwrap()]);
            let of = (&first.upload(b), &gradient.upload(b));
            let found = muon::direction(b, of, &factor, golden["momentum"].as_f64().unwrap(), &[part]);
            for (found, expected) in Mat::download(b, &found).data.iter().zip(&expected.data) {
                assert!((found - expected).abs() < 1e-12, "{rows} x {columns}: {found} instead of {expected}");
            }
        }
    });
}
