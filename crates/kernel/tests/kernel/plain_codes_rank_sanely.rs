use vectra_kernel::{QuantizedRows, Query, TopRows, oracle, scan_top};

use crate::clustered::clustered;

#[test]
fn nine_of_the_ten_nearest_are_among_the_ten_best_integer_scores() {
    let set = clustered(128, 16, 150, 3);
    let quantized = QuantizedRows::quantize(set.dimension, &set.rows);
    let mut found = 0;
    for values in &set.queries {
        let folded = Query::new(values.clone())
            .unwrap()
            .fold(quantized.as_codes());
        let mut top = TopRows::new(10);
        scan_top(quantized.as_codes(), &folded, |_| true, &mut top);
        let right = oracle::top(values, &set.rows, 10);
        let ranked = top.into_sorted();
        found += ranked
            .iter()
            .filter(|ranked| right.iter().any(|row| row.0 == ranked.1))
            .count();
    }
    let recall = found as f64 / (10 * set.queries.len()) as f64;
    assert!(recall >= 0.9, "recall@10 is {recall}");
}
