use vectra_kernel::{Codes, LayoutError, MAX_DIMENSION, QuantizedRows};

const ALPHAS: [f32; 2] = [0.5, 0.25];

#[test]
fn codes_read_back_are_the_codes_written() {
    let quantized = QuantizedRows::quantize(3, &[1.0, 2.0, 3.0, -1.0, 0.5, 0.0]);
    let residual_norm = quantized.residual_norm();
    let bytes = quantized.codes_bytes().to_vec();
    assert_eq!(bytes.len(), Codes::encoded_len(3, 2));
    let read = Codes::new(3, 2, quantized.alphas(), residual_norm, &bytes).unwrap();
    assert_eq!((read.dimension(), read.rows()), (3, 2));
    assert_eq!(read.alphas(), quantized.alphas());
    assert_eq!(read.residual_norm(), residual_norm);
}

#[test]
fn a_dimension_out_of_range_is_refused() {
    assert_eq!(
        Codes::new(0, 1, &[], 0.0, &[]).err(),
        Some(LayoutError::Dimension { got: 0 })
    );
    let got = MAX_DIMENSION + 1;
    assert_eq!(
        Codes::new(got, 0, &[], 0.0, &[]).err(),
        Some(LayoutError::Dimension { got })
    );
}

#[test]
fn scales_that_do_not_fit_are_refused() {
    let refused = Codes::new(3, 1, &ALPHAS, 0.0, &[0; 64]).err();
    assert_eq!(
        refused,
        Some(LayoutError::AlphaCount {
            expected: 3,
            got: 2
        })
    );
    let refused = Codes::new(2, 1, &[0.5, -1.0], 0.0, &[0; 64]).err();
    assert_eq!(
        refused,
        Some(LayoutError::Alpha {
            index: 1,
            got: -1.0
        })
    );
    assert!(Codes::new(2, 1, &[f32::NAN, 0.5], 0.0, &[0; 64]).is_err());
}

#[test]
fn a_residual_norm_that_is_no_distance_is_refused() {
    for got in [-0.1, f32::NAN, f32::INFINITY] {
        assert!(matches!(
            Codes::new(2, 1, &ALPHAS, got, &[0; 64]),
            Err(LayoutError::Residual { .. })
        ));
    }
}

#[test]
fn bytes_too_few_or_too_many_are_refused() {
    for got in [0, 4, 63, 128] {
        let refused = Codes::new(2, 2, &ALPHAS, 0.0, &vec![0; got]).err();
        let expected = LayoutError::CodesLength {
            dimension: 2,
            rows: 2,
            expected: 64,
            got,
        };
        assert_eq!(refused, Some(expected));
    }
}
