//! NumPy files, as `numpy.save` writes them.

/// A `.npy` of `rows × columns` values of this type, in C order.
pub fn npy(dtype: &str, rows: usize, columns: usize, data: &[u8]) -> Vec<u8> {
    let mut header =
        format!("{{'descr': '{dtype}', 'fortran_order': False, 'shape': ({rows}, {columns}), }}");
    while (10 + header.len() + 1) % 64 != 0 {
        header.push(' ');
    }
    header.push('\n');
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((header.len() as u16).to_le_bytes());
    bytes.extend(header.as_bytes());
    bytes.extend(data);
    bytes
}

/// Vectors as a `.npy` of float32.
pub fn npy_of_floats(vectors: &[Vec<f32>]) -> Vec<u8> {
    npy("<f4", vectors.len(), vectors[0].len(), &floats(vectors))
}

/// Vectors as raw little-endian float32.
pub fn floats(vectors: &[Vec<f32>]) -> Vec<u8> {
    let values = vectors.iter().flatten();
    values.flat_map(|value| value.to_le_bytes()).collect()
}
