//! Generates the gRPC code with a compiler written in Rust: no `protoc` on the machine is needed.

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../proto");

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo:rerun-if-changed={ROOT}");
    let mut files = Vec::new();
    for entry in std::fs::read_dir(format!("{ROOT}/vectra/v1"))? {
        files.push(entry?.path());
    }
    files.sort();
    let descriptors = protox::compile(&files, [ROOT])?;
    tonic_prost_build::configure()
        .bytes(".")
        .compile_fds(descriptors)?;
    Ok(())
}
