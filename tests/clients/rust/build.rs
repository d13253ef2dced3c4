//! Compiles the published protos with protox, a protobuf compiler in Rust: no protoc is needed.

const PROTOS: &str = "../../../proto";

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo:rerun-if-changed={PROTOS}/zmesh/v1");
    let files = ["zmesh/v1/dispatcher.proto", "zmesh/v1/expert_registry.proto"];
    let descriptors = protox::compile(files, [PROTOS])?;
    tonic_prost_build::configure().build_server(false).compile_fds(descriptors)?;
    Ok(())
}
