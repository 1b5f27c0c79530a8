//! For tests: what the right answer is, computed as simply as can be, in float64 with compensated
//! sums, with nothing shared with the code under test.

/// The cosine of two vectors of finite values; 0 if one of them is zero.
#[must_use]
pub fn cosine(a: &[f32], b: &[f32]) -> f64 {
    let inner = compensated_sum(a.iter().zip(b).map(|(&x, &y)| f64::from(x) * f64::from(y)));
    let norms = norm(a) * norm(b);
    if norms == 0.0 { 0.0 } else { inner / norms }
}

/// The `k` rows of the highest cosine with the query, best first, as (row, cosine).
#[must_use]
pub fn top(query: &[f32], vectors: &[f32], k: usize) -> Vec<(u32, f64)> {
    let rows = vectors.chunks_exact(query.len());
    let mut scored: Vec<(u32, f64)> = (0..).zip(rows.map(|row| cosine(query, row))).collect();
    scored.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
    scored.truncate(k);
    scored
}

fn norm(values: &[f32]) -> f64 {
    compensated_sum(
        values
            .iter()
            .map(|&value| f64::from(value) * f64::from(value)),
    )
    .sqrt()
}

/// Neumaier's sum: the rounding error of every addition is carried along.
fn compensated_sum(terms: impl Iterator<Item = f64>) -> f64 {
    let (mut sum, mut lost) = (0.0f64, 0.0f64);
    for term in terms {
        let next = sum + term;
        lost += if sum.abs() >= term.abs() {
            (sum - next) + term
        } else {
            (term - next) + sum
        };
        sum = next;
    }
    sum + lost
}
