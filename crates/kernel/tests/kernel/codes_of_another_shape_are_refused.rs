use vectra_kernel::{
    Codes, Frame, LayoutError, Leaves, MAX_DIMENSION, QuantizedRows, Rotation, Stage,
};

use crate::decaying::staged;

/// Three rows in two dimensions.
fn sound() -> Frame {
    let frame = QuantizedRows::quantize(2, &[1.0, 2.0, -1.0, 0.5, 0.3, 0.3])
        .frame()
        .clone();
    assert_eq!(frame.check(), Ok(()));
    frame
}

/// Twenty rows in ten dimensions: two blocks, two stages, two leaves.
fn sound_in_stages() -> Frame {
    let stage = |end, shift, tails: &[f32]| Stage {
        end,
        shift,
        residual_norm: 0.1,
        code_norm: 300.0,
        tails: tails.to_vec(),
    };
    let mut identity = vec![0.0; 100];
    identity
        .iter_mut()
        .step_by(11)
        .for_each(|value| *value = 1.0);
    let frame = Frame {
        dimension: 10,
        rows: 20,
        rotation: Rotation::from_parts(10, identity, 1e-6),
        centre: vec![-0.1; 10],
        alphas: vec![0.5; 10],
        lead_shift: 2,
        stages: vec![stage(8, 0, &[0.3, 0.2]), stage(10, 1, &[])],
        leaves: Some(Leaves {
            rows: 16,
            codes: vec![128; 192],
        }),
    };
    assert_eq!(frame.check(), Ok(()));
    frame
}

#[test]
fn codes_read_back_are_the_codes_written() {
    let plain = QuantizedRows::quantize(3, &[1.0, 2.0, 3.0, -1.0, 0.5, 0.0]);
    let [set, ..] = staged();
    let (arranged, _) = QuantizedRows::arrange(set.dimension, &set.vectors().rows);
    for quantized in [plain, arranged] {
        let frame = quantized.frame();
        let bytes = quantized.codes_bytes().to_vec();
        assert_eq!(bytes.len(), Codes::encoded_len(frame.dimension, frame.rows));
        let rotation = frame.rotation.as_ref().map(|rotation| {
            let matrix = rotation.matrix().to_vec();
            Rotation::from_parts(frame.dimension, matrix, rotation.defect()).unwrap()
        });
        let read_frame = Frame {
            rotation,
            ..frame.clone()
        };
        assert_eq!(read_frame.check(), Ok(()));
        let read = Codes::new(&read_frame, &bytes).unwrap();
        assert_eq!(read.dimension(), quantized.dimension());
        assert_eq!(read.rows(), quantized.rows());
        assert_eq!(read.frame(), frame);
    }
}

#[test]
fn a_dimension_out_of_range_is_refused() {
    for got in [0, MAX_DIMENSION + 1, usize::MAX] {
        let frame = Frame {
            dimension: got,
            ..sound()
        };
        assert_eq!(frame.check(), Err(LayoutError::Dimension { got }));
    }
}

#[test]
fn lists_that_do_not_fit_are_refused() {
    type Change<'a> = &'a dyn Fn(&mut Frame);
    let wrong: [(&str, usize, usize, Change<'_>); 6] = [
        ("alphas", 10, 9, &|frame| frame.alphas.truncate(9)),
        ("alphas", 10, 11, &|frame| frame.alphas.push(0.0)),
        ("centre", 10, 9, &|frame| frame.centre.truncate(9)),
        ("rotation", 100, 81, &|frame| {
            frame.rotation = Rotation::from_parts(9, vec![0.0; 81], 0.0);
        }),
        ("tails", 2, 1, &|frame| frame.stages[0].tails.truncate(1)),
        ("tails", 0, 1, &|frame| frame.stages[1].tails.push(0.1)),
    ];
    for (what, expected, got, change) in wrong {
        let mut frame = sound_in_stages();
        change(&mut frame);
        let error = LayoutError::Count {
            what,
            expected,
            got,
        };
        assert_eq!(frame.check(), Err(error));
    }
    assert_eq!(Rotation::from_parts(9, vec![0.0; 80], 0.0), None);
    assert_eq!(Rotation::from_parts(usize::MAX, vec![0.0; 80], 0.0), None);
}

type Place = fn(&mut Frame) -> &mut f32;

#[test]
fn values_that_are_no_distances_or_not_finite_are_refused() {
    let distances: [(&str, usize, Place); 4] = [
        ("alphas", 3, |frame| &mut frame.alphas[3]),
        ("norms of a stage", 0, |frame| {
            &mut frame.stages[1].residual_norm
        }),
        ("norms of a stage", 1, |frame| {
            &mut frame.stages[0].code_norm
        }),
        ("tails", 1, |frame| &mut frame.stages[0].tails[1]),
    ];
    let others: [(&str, usize, Place); 1] = [("centre", 9, |frame| &mut frame.centre[9])];
    let not_finite = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY];
    for (what, index, place) in distances.into_iter().chain(others) {
        for value in not_finite {
            assert_value_is_refused(what, index, place, value);
        }
    }
    for (what, index, place) in distances {
        assert_value_is_refused(what, index, place, -0.1);
    }
    // Longer than any difference of two vectors of norm 1.
    assert_value_is_refused("tails", 1, |frame| &mut frame.stages[0].tails[1], 2.1);
    for (matrix, defect) in [(f32::NAN, 0.0), (0.0, f32::NAN), (0.0, -0.1)] {
        let frame = Frame {
            rotation: Rotation::from_parts(10, vec![matrix; 100], defect),
            ..sound_in_stages()
        };
        assert!(matches!(frame.check(), Err(LayoutError::Value { .. })));
    }
}

fn assert_value_is_refused(what: &str, index: usize, place: Place, value: f32) {
    let mut frame = sound_in_stages();
    *place(&mut frame) = value;
    match frame.check() {
        Err(LayoutError::Value {
            what: in_list,
            index: at,
            got,
        }) => {
            assert_eq!((in_list, at), (what, index));
            assert_eq!(got.to_bits(), value.to_bits());
        }
        other => panic!("{what} with {value}: {other:?}"),
    }
}

#[test]
fn stages_that_end_where_none_can_are_refused() {
    for (ends, number) in [
        (&[8, 8][..], 1),
        (&[4, 9], 1),
        (&[8], 0),
        (&[0, 10], 0),
        (&[6, 10], 0),
        (&[10, 12], 0),
        (&[12, 10], 1),
        (&[12], 0),
        (&[usize::MAX - 3, 10], 1),
    ] {
        let mut frame = sound_in_stages();
        let last = Stage {
            end: ends[ends.len() - 1],
            ..frame.stages[1].clone()
        };
        frame.stages.truncate(1);
        frame.stages[0].end = ends[0];
        match ends.len() {
            1 => frame.stages[0] = last,
            _ => frame.stages.push(last),
        }
        let got = ends[number];
        assert_eq!(
            frame.check(),
            Err(LayoutError::Stage { number, got }),
            "{ends:?}"
        );
    }
}

#[test]
fn shifts_beyond_32_bits_are_refused() {
    let none = Frame {
        stages: Vec::new(),
        ..sound_in_stages()
    };
    let shifts: [fn(&mut Frame) -> &mut u32; 3] = [
        |frame| &mut frame.lead_shift,
        |frame| &mut frame.stages[0].shift,
        |frame| &mut frame.stages[1].shift,
    ];
    assert_eq!(none.check(), Err(LayoutError::Shifts));
    for shift in shifts {
        for bits in [25, 32, 64, u32::MAX] {
            let mut frame = sound_in_stages();
            *shift(&mut frame) = bits;
            assert_eq!(frame.check(), Err(LayoutError::Shifts), "{bits}");
        }
    }
}

#[test]
fn leaves_of_another_shape_are_refused() {
    for (rows, bytes, expected) in [(16, 191, 192), (32, 384, 192), (0, 192, 0), (24, 192, 0)] {
        let frame = Frame {
            leaves: Some(Leaves {
                rows,
                codes: vec![128; bytes],
            }),
            ..sound_in_stages()
        };
        let error = LayoutError::Leaves {
            rows,
            expected,
            got: bytes,
        };
        assert_eq!(frame.check(), Err(error));
    }
}

#[test]
fn bytes_too_few_or_too_many_are_refused() {
    let frame = sound();
    for got in [0, 4, 63, 128] {
        let bytes = vec![128; got];
        let refused = Codes::new(&frame, &bytes).err();
        let expected = LayoutError::CodesLength {
            dimension: 2,
            rows: 3,
            expected: 64,
            got,
        };
        assert_eq!(refused, Some(expected));
    }
    let endless = Frame {
        rows: usize::MAX,
        ..frame
    };
    assert!(Codes::new(&endless, &[128; 64]).is_err());
}
