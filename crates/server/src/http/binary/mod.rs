//! Binary bodies of `POST /ingest`: vectors as a `.npy` file or as raw float32, and their ids.
//!
//! | `Content-Type` | the body |
//! | --- | --- |
//! | `multipart/form-data` | the parts `vectors` and `ids` |
//! | `application/x-npy` | a `.npy` file |
//! | `application/octet-stream` | rows of little-endian float32 |
//!
//! `?dimension=D` says that the vectors are raw float32 and how many make a row; without it they
//! are a `.npy` file. `?first_id=N` makes row numbers from N the ids, in place of the part `ids`:
//! the only ids that a body of vectors alone can have. The part `ids` is one id a line, or a JSON
//! array where its own `Content-Type` says so, for ids with line breaks.
//!
//! Values go from the body's bytes into one flat `Vec<f32>`, with nothing in between.

mod form;
mod ids;
mod ingest;
mod parameters;
mod vectors;

#[cfg(test)]
mod binary_test;

pub(super) use ingest::IngestFormat;
