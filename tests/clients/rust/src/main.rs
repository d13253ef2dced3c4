//! A zmesh client in Rust: every step prints one line of JSON, a wrong result ends it with status 1.
//!
//!     cargo run -- --dispatcher 127.0.0.1:50051 --registry 127.0.0.1:50052 --vectors …/experts/math.safetensors

mod arguments;
mod experts;
mod questions;

/// What the protos give.
mod zmesh {
    tonic::include_proto!("zmesh.v1");
}

use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};
use serde_json::{Value, json};
use tonic::metadata::MetadataMap;
use tonic::transport::Channel;
use tonic::{Code, Request, Streaming};
use tonic_types::StatusExt;

use questions::{MODEL, QUESTION, ask, chat, long_answer};
use zmesh::dispatcher_service_client::DispatcherServiceClient;
use zmesh::expert_registry_service_client::ExpertRegistryServiceClient;
use zmesh::generate_response::Event;
use zmesh::{ClassifyRequest, CompleteRequest, GenerateResponse, Receipt, Sampling};

type Dispatcher = DispatcherServiceClient<Channel>;

#[tokio::main]
async fn main() -> Result<()> {
    let arguments = arguments::read()?;
    let mut dispatcher = DispatcherServiceClient::connect(format!("http://{}", arguments.dispatcher)).await?;
    let mut registry = ExpertRegistryServiceClient::connect(format!("http://{}", arguments.registry)).await?;
    classify(&mut dispatcher).await?;
    generate(&mut dispatcher).await?;
    let version = experts::publish(&mut registry, &arguments.vectors).await?;
    experts::move_alias(&mut registry, &version).await?;
    experts::use_expert(&mut dispatcher, &version).await?;
    cancel(&mut dispatcher).await?;
    miss_deadline(&mut dispatcher).await?;
    read_reason(&mut dispatcher).await
}

async fn classify(dispatcher: &mut Dispatcher) -> Result<()> {
    let request = ClassifyRequest { model: MODEL.into(), prompt: Some(chat(QUESTION)), ..Default::default() };
    let found = dispatcher.classify(within(30_000, request)).await?.into_inner().classification.unwrap_or_default();
    ensure!(found.label == "math", "wrong result: label {:?}", found.label);
    report(
        "classify",
        json!({ "label": found.label, "confidence": found.confidence, "expert": found.labels[0].expert }),
    );
    Ok(())
}

/// Streams an answer; the receipt is the last message, its short form comes with the trailing metadata.
async fn generate(dispatcher: &mut Dispatcher) -> Result<()> {
    let mut stream = dispatcher.generate(within(30_000, ask())).await?.into_inner();
    let (mut text, mut deltas, mut end, mut receipt) = (String::new(), 0, None, None);
    while let Some(GenerateResponse { event }) = stream.message().await? {
        match event {
            Some(Event::Delta(delta)) => {
                deltas += 1;
                text += &delta.text;
            }
            Some(Event::End(answer)) => end = Some(answer),
            Some(Event::Receipt(last)) => receipt = Some(last),
            _ => {}
        }
    }
    let (Some(end), Some(receipt)) = (end, receipt) else { bail!("wrong result: no end or no receipt") };
    ensure!(text.ends_with("answer 232"), "wrong result: answer {text:?}");
    let finish_reason = end.finish_reason().as_str_name();
    report("generate", json!({ "text": text, "deltas": deltas, "finish_reason": finish_reason }));
    report_receipt(&receipt, &stream.trailers().await?.unwrap_or_default())
}

fn report_receipt(receipt: &Receipt, trailers: &MetadataMap) -> Result<()> {
    let trailer = |key| trailers.get(key).and_then(|value| value.to_str().ok()).unwrap_or_default();
    report(
        "receipt",
        json!({
            "strategy_used": receipt.strategy_used,
            "label": receipt.classification.as_ref().map(|found| &found.label),
            "experts": questions::experts(receipt),
            "completion_tokens": receipt.usage.as_ref().map(|usage| usage.completion_tokens),
            "request_id": receipt.request_id,
            "trace_id": receipt.trace_id,
            "trailer_request_id": trailer("zmesh-request-id"),
            "trailer_trace_id": trailer("zmesh-trace-id"),
            "trailer_receipt": serde_json::from_str::<Value>(trailer("zmesh-receipt"))?,
        }),
    );
    Ok(())
}

/// A stream is cancelled by dropping it.
async fn cancel(dispatcher: &mut Dispatcher) -> Result<()> {
    let mut stream = dispatcher.generate(within(60_000, long_answer())).await?.into_inner();
    let (mut deltas, mut trace_id) = (0, String::new());
    while deltas < 3 {
        match next(&mut stream).await? {
            Some(Event::Started(started)) => trace_id = started.trace_id,
            Some(Event::Delta(_)) => deltas += 1,
            other => bail!("wrong result: the stream went on to {other:?}"),
        }
    }
    drop(stream);
    report("cancel", json!({ "code": "CANCELLED", "deltas": deltas, "trace_id": trace_id }));
    Ok(())
}

/// The deadline travels with the call; the server's answer to it has details.
async fn miss_deadline(dispatcher: &mut Dispatcher) -> Result<()> {
    let start = Instant::now();
    let mut stream = dispatcher.generate(within(500, long_answer())).await?.into_inner();
    let mut trace_id = String::new();
    let failure = loop {
        match next(&mut stream).await {
            Ok(Some(Event::Started(started))) => trace_id = started.trace_id,
            Ok(Some(_)) => {}
            Ok(None) => bail!("wrong result: the answer came within the deadline"),
            Err(status) => break status,
        }
    };
    ensure!(failure.code() == Code::DeadlineExceeded, "wrong result: {failure}");
    let waited_ms = start.elapsed().as_millis() as u64;
    report("deadline", json!({ "code": "DEADLINE_EXCEEDED", "waited_ms": waited_ms, "trace_id": trace_id }));
    Ok(())
}

async fn next(stream: &mut Streaming<GenerateResponse>) -> Result<Option<Event>, tonic::Status> {
    Ok(stream.message().await?.and_then(|message| message.event))
}

/// Reads google.rpc details: a stable reason, the limit and the value given.
async fn read_reason(dispatcher: &mut Dispatcher) -> Result<()> {
    let mut request = ask();
    request.sampling = Some(Sampling { max_tokens: Some(500), ..Default::default() });
    let request = CompleteRequest { request: Some(request) };
    let Err(failure) = dispatcher.complete(within(30_000, request)).await else {
        bail!("wrong result: the question and 500 tokens fit a context of 512")
    };
    ensure!(failure.code() == Code::InvalidArgument, "wrong result: {failure}");
    let Some(info) = failure.get_details_error_info().filter(|info| info.domain == "zmesh") else {
        bail!("wrong result: no ErrorInfo of zmesh in {failure}")
    };
    report(
        "error",
        json!({
            "code": "INVALID_ARGUMENT",
            "reason": info.reason,
            "message": failure.message(),
            "limit": info.metadata.get("limit"),
            "value": info.metadata.get("value"),
        }),
    );
    Ok(())
}

/// A request with a deadline, sent as gRPC's `grpc-timeout`.
pub fn within<T>(timeout_ms: u64, message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.set_timeout(Duration::from_millis(timeout_ms));
    request
}

/// Prints one line of JSON.
pub fn report(step: &str, mut facts: Value) {
    facts["step"] = step.into();
    println!("{facts}");
}
