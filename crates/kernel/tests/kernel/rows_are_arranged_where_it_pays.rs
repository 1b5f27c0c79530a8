use vectra_kernel::{Codes, Frame, Probed, QuantizedRows, probe};

use crate::adversarial::Vectors;
use crate::clustered::clustered;
use crate::decaying::{Decaying, staged};
use crate::laid_out::{LaidOut, Layout};
use crate::numbers::Numbers;

#[test]
fn sets_that_few_axes_tell_apart_are_scanned_in_stages() {
    for set in staged() {
        let rows = set.vectors().rows;
        let laid_out = LaidOut::new(Layout::Arranged, set.dimension, &rows);
        let frame = laid_out.quantized.frame();
        assert!(frame.stages.len() > 1, "{set:?}");
        assert!(frame.rotation.is_some() && frame.leaves.is_some());
    }
}

#[test]
fn sets_too_small_or_alike_in_all_directions_stay_as_they_come() {
    let [set, ..] = staged();
    let rows = set.vectors().rows;
    let mut numbers = Numbers(3);
    let scattered: Vec<f32> = (0..64 * 1_500).map(|_| numbers.bell()).collect();
    let narrow: Vec<f32> = (0..7 * 1_500).map(|_| numbers.bell()).collect();
    for (what, dimension, rows) in [
        (
            "too few rows",
            set.dimension,
            &rows[..1_023 * set.dimension],
        ),
        ("too few dimensions", 7, &narrow),
        ("no axis that tells", 64, &scattered),
        ("zeros", 8, &[0.0; 8 * 1_100]),
        ("one row", 16, &[1.0; 16]),
    ] {
        let arranged = LaidOut::new(Layout::Arranged, dimension, rows);
        assert_eq!(
            arranged.quantized,
            QuantizedRows::quantize(dimension, rows),
            "{what}"
        );
        assert!(
            arranged
                .rows()
                .all(|row| arranged.number(row as u32) == row as u32)
        );
    }
}

#[test]
fn a_rotation_is_orthogonal_as_far_as_it_says() {
    for set in staged() {
        let (quantized, _) = QuantizedRows::arrange(set.dimension, &set.vectors().rows);
        let rotation = quantized.frame().rotation.as_ref().unwrap();
        let axes: Vec<&[f32]> = rotation.matrix().chunks_exact(set.dimension).collect();
        let mut squares = 0.0;
        for (i, a) in axes.iter().enumerate() {
            for (j, b) in axes.iter().enumerate() {
                let products = a.iter().zip(*b).map(|(&x, &y)| f64::from(x) * f64::from(y));
                let off = products.sum::<f64>() - f64::from(u8::from(i == j));
                squares += off * off;
            }
        }
        let defect = f64::from(rotation.defect());
        assert!(
            squares.sqrt() <= defect && defect < 1e-4,
            "{} and {defect}",
            squares.sqrt()
        );
    }
}

#[test]
fn whoever_arranges_rows_arranges_them_alike() {
    let [set, ..] = staged();
    let rows = set.vectors().rows;
    let here = QuantizedRows::arrange(set.dimension, &rows);
    std::thread::scope(|scope| {
        let elsewhere: Vec<_> = (0..2)
            .map(|_| scope.spawn(|| QuantizedRows::arrange(set.dimension, &rows)))
            .collect();
        for thread in elsewhere {
            assert!(thread.join().unwrap() == here);
        }
    });
}

/// The codes of a row where [`Codes`] says that they lie.
fn codes_of(bytes: &[u8], frame: &Frame, rows: usize, row: usize) -> Vec<i8> {
    let (block, place) = (row / 16, row % 16);
    let (mut codes, mut section, mut begin) = (Vec::new(), 0, 0);
    for stage in &frame.stages {
        let lines = (stage.end - begin).div_ceil(4);
        for dimension in begin..stage.end {
            let line = block * lines + (dimension - begin) / 4;
            let byte = bytes[section + line * 64 + place * 4 + dimension % 4];
            codes.push(byte.wrapping_sub(128).cast_signed());
        }
        section += rows.div_ceil(16) * lines * 64;
        begin = stage.end;
    }
    codes
}

#[test]
fn codes_lie_where_the_layout_says() {
    let [set, ..] = staged();
    let Vectors { rows, .. } = set.vectors();
    let few = &rows[..50 * set.dimension];
    for (layout, rows) in [(Layout::Arranged, &rows[..]), (Layout::Plain, few)] {
        let laid_out = LaidOut::new(layout, set.dimension, rows);
        let quantized = &laid_out.quantized;
        let frame = quantized.frame();
        let bytes = quantized.codes_bytes();
        assert_eq!(
            bytes.len(),
            Codes::encoded_len(set.dimension, quantized.rows())
        );
        assert_eq!(bytes.len(), frame.codes_len());
        let codes = quantized.codes();
        for row in laid_out.rows() {
            let expected = &codes[row * set.dimension..][..set.dimension];
            assert_eq!(codes_of(bytes, frame, quantized.rows(), row), expected);
        }
        // What no row and no dimension has is the code 0.
        let zeros = bytes.iter().filter(|&&byte| byte == 128).count();
        let of_rows = codes.iter().filter(|&&code| code == 0).count();
        assert_eq!(zeros, bytes.len() - codes.len() + of_rows);
    }
}

#[test]
fn a_leafs_mean_is_the_mean_of_its_rows() {
    for set in staged() {
        let (quantized, _) = QuantizedRows::arrange(set.dimension, &set.vectors().rows);
        let frame = quantized.frame();
        let leaves = frame.leaves.as_ref().unwrap();
        let count = quantized.rows().div_ceil(leaves.rows);
        let codes = quantized.codes();
        for (leaf, rows) in codes.chunks(leaves.rows * set.dimension).enumerate() {
            let mean = codes_of(&leaves.codes, frame, count, leaf);
            for (i, &code) in mean.iter().enumerate() {
                let in_dimension = rows.iter().skip(i).step_by(set.dimension);
                let sum: f64 = in_dimension.map(|&code| f64::from(code)).sum();
                let of_rows = sum / (rows.len() / set.dimension) as f64;
                // Rows are rounded by half a step at most, and so is their mean.
                assert!((of_rows - f64::from(code)).abs() <= 1.0 + 1e-6);
            }
        }
    }
}

#[test]
fn a_probe_looks_at_as_many_rows_as_it_should_and_finds_the_neighbourhood() {
    let clustered = clustered(64, 12, 100, 9);
    let mut sets = vec![(64, clustered.rows)];
    sets.extend(staged().map(|set| {
        let set = Decaying {
            odd_one_in: 0,
            ..set
        };
        (set.dimension, set.vectors().rows)
    }));
    for (dimension, rows) in &sets {
        for layout in [Layout::Arranged, Layout::Plain] {
            let laid_out = LaidOut::new(layout, *dimension, rows);
            let count = laid_out.rows().len();
            for (row, wanted) in [(0, 1), (100, 200), (500, 256), (900, 700), (7, count)] {
                let query = &rows[row * dimension..][..*dimension];
                let folded = laid_out.fold(query);
                let part = [Probed {
                    codes: laid_out.codes(),
                    query: &folded,
                }];
                let probed = probe(&part, wanted, count, |_, _| true);
                let looked_at = probed.len();
                assert!(
                    looked_at >= wanted,
                    "{looked_at} rows of {wanted}, {layout:?}"
                );
                let mut seen: Vec<u32> = probed.iter().map(|found| found.1).collect();
                seen.sort_unstable();
                seen.dedup();
                assert_eq!(seen.len(), looked_at, "a row was named twice");
            }
        }
    }
}
