//! Generates the gRPC code with a compiler written in Rust: no `protoc` on the machine is needed.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../../proto");
    println!("cargo:rerun-if-changed={root}");
    let files = protox::compile(["vectra/v1/shard.proto"], [root])?;
    tonic_prost_build::configure().bytes(".").compile_fds(files)?;
    Ok(())
}
