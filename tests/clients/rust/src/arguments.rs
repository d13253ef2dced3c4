//! The command line.

use std::env;

use anyhow::{Context, Result, bail};

/// Where the mesh is and which expert to start from.
#[derive(Default)]
pub struct Arguments {
    /// host:port of the dispatcher.
    pub dispatcher: String,
    /// host:port of the expert registry.
    pub registry: String,
    /// Safetensors file of an expert.
    pub vectors: String,
}

/// Reads `--dispatcher`, `--registry` and `--vectors`; all are required.
pub fn read() -> Result<Arguments> {
    let mut arguments = Arguments::default();
    let mut words = env::args().skip(1);
    while let Some(name) = words.next() {
        let place = match name.as_str() {
            "--dispatcher" => &mut arguments.dispatcher,
            "--registry" => &mut arguments.registry,
            "--vectors" => &mut arguments.vectors,
            _ => bail!("{name}: not an option (--dispatcher, --registry, --vectors)"),
        };
        *place = words.next().with_context(|| format!("{name} needs a value"))?;
    }
    if [&arguments.dispatcher, &arguments.registry, &arguments.vectors].iter().any(|value| value.is_empty()) {
        bail!("needed: --dispatcher HOST:PORT --registry HOST:PORT --vectors FILE");
    }
    Ok(arguments)
}
