//! Publishing an expert, pointing an alias to it, and using it.

use std::fs;

use anyhow::{Context, Result, ensure};
use rand::RngExt;
use serde_json::json;
use tonic::Code;
use tonic::transport::Channel;

use crate::questions::{MODEL, ask, experts};
use crate::zmesh::dispatcher_service_client::DispatcherServiceClient;
use crate::zmesh::expert_registry_service_client::ExpertRegistryServiceClient;
use crate::zmesh::strategy::Kind;
use crate::zmesh::{
    CompleteRequest, ExpertSpec, ExpertStrategy, GetExpertRequest, GetModelRequest, Normalisation,
    PublishExpertRequest, SetAliasRequest, Strategy,
};
use crate::{report, within};

const EXPERT: &str = "from-rust";
const ALIAS: &str = "canary";

type Registry = ExpertRegistryServiceClient<Channel>;

/// Publishes a perturbed copy of an expert; its version.
pub async fn publish(registry: &mut Registry, path: &str) -> Result<String> {
    let mut vectors = fs::read(path).with_context(|| path.to_owned())?;
    perturb(&mut vectors)?;
    let request = GetModelRequest { name: MODEL.into() };
    let model = registry.get_model(within(10_000, request)).await?.into_inner().model.unwrap_or_default();
    let spec = ExpertSpec {
        model: MODEL.into(),
        name: EXPERT.into(),
        basis_id: model.basis_id,
        normalisation: Normalisation::Trace.into(),
        description: "the math expert, perturbed".into(),
        metadata: [("language".into(), "rust".into())].into(),
        ..Default::default()
    };
    let request = PublishExpertRequest { spec: Some(spec), vectors, ..Default::default() };
    let answer = registry.publish_expert(within(30_000, request)).await?.into_inner();
    ensure!(answer.created, "wrong result: the version was there before");
    let expert = answer.expert.context("wrong result: no version")?;
    report("publish", json!({ "version": expert.version, "vectors_sha256": expert.vectors_sha256 }));
    Ok(expert.version)
}

/// Moves every multiplier of a safetensors file by up to 1 %: another version. The header stays as it is.
fn perturb(safetensors: &mut [u8]) -> Result<()> {
    let (length, rest) = safetensors.split_first_chunk_mut::<8>().context("not a safetensors file")?;
    let header = usize::try_from(u64::from_le_bytes(*length))?;
    let data = rest.get_mut(header..).context("the safetensors file ends in its header")?;
    for bytes in data.as_chunks_mut::<4>().0 {
        let multiplier = f32::from_le_bytes(*bytes) * rand::rng().random_range(0.99..1.01);
        *bytes = multiplier.to_le_bytes();
    }
    Ok(())
}

/// Moves the alias by compare-and-set: nobody else's move is lost.
pub async fn move_alias(registry: &mut Registry, version: &str) -> Result<()> {
    let request = GetExpertRequest { name: format!("{MODEL}/{EXPERT}@{ALIAS}") };
    let before = match registry.get_expert(within(10_000, request)).await {
        Ok(answer) => answer.into_inner().expert.unwrap_or_default().version,
        Err(status) if status.code() == Code::NotFound => String::new(),
        Err(status) => return Err(status.into()),
    };
    let request = SetAliasRequest {
        model: MODEL.into(),
        expert: EXPERT.into(),
        alias: ALIAS.into(),
        version: version.into(),
        expected_version: Some(before.clone()),
    };
    let answer = registry.set_alias(within(10_000, request)).await?.into_inner();
    ensure!(
        answer.version == version && answer.previous_version == before,
        "wrong result: the alias points to {}, before to {}",
        answer.version,
        answer.previous_version
    );
    report("alias", json!({ "alias": ALIAS, "version": version, "previous_version": before }));
    Ok(())
}

/// The next answer is the new version's.
pub async fn use_expert(dispatcher: &mut DispatcherServiceClient<Channel>, version: &str) -> Result<()> {
    let expert = ExpertStrategy { expert: format!("{EXPERT}@{ALIAS}") };
    let mut request = ask();
    request.strategy = Some(Strategy { kind: Some(Kind::Expert(expert)) });
    let request = CompleteRequest { request: Some(request) };
    let answer = dispatcher.complete(within(30_000, request)).await?.into_inner();
    let receipt = answer.receipt.context("wrong result: no receipt")?;
    let used = experts(&receipt);
    ensure!(used == [format!("{MODEL}/{EXPERT}@{version}")], "wrong result: answered by {used:?}");
    report("use", json!({ "experts": used, "text": answer.answers[0].text }));
    Ok(())
}
