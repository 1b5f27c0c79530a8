use vectra_kernel::{TopRows, oracle, scan_top};

use crate::clustered::clustered;
use crate::decaying::{Decaying, staged};
use crate::laid_out::{LAYOUTS, LaidOut};

#[test]
fn nine_of_the_ten_nearest_are_among_the_ten_best_integer_scores() {
    let set = clustered(128, 16, 150, 3);
    assert_recall(&set.rows, &set.queries);
    for set in staged() {
        // Copies of a row are as good as it is.
        let distinct = Decaying {
            odd_one_in: 0,
            ..set
        };
        let rows = distinct.vectors().rows;
        let queries = rows.chunks(distinct.dimension).step_by(60);
        let queries: Vec<Vec<f32>> = queries.map(<[f32]>::to_vec).collect();
        assert_recall(&rows, &queries);
    }
}

fn assert_recall(rows: &[f32], queries: &[Vec<f32>]) {
    for layout in LAYOUTS {
        let laid_out = LaidOut::new(layout, queries[0].len(), rows);
        let mut found = 0;
        for values in queries {
            let folded = laid_out.fold(values);
            let mut top = TopRows::new(10);
            let no_floor = f32::NEG_INFINITY;
            scan_top(
                laid_out.codes(),
                laid_out.rows(),
                &folded,
                no_floor,
                |_| true,
                &mut top,
            );
            let right = oracle::top(values, rows, 10);
            let ranked = top.into_sorted();
            found += ranked
                .iter()
                .filter(|ranked| right.iter().any(|row| row.0 == laid_out.number(ranked.1)))
                .count();
        }
        let recall = found as f64 / (10 * queries.len()) as f64;
        assert!(recall >= 0.9, "recall@10 is {recall}, {layout:?}");
    }
}
