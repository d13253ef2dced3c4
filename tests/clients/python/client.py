"""A zmesh client in Python: every step prints one line of JSON, a wrong result ends it with status 1.

    python client.py --dispatcher 127.0.0.1:50051 --registry 127.0.0.1:50052 --vectors …/experts/math.safetensors
"""

import argparse
import json
import random
import struct
import sys
import time

import grpc
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from zmesh.v1 import common_pb2 as common
from zmesh.v1 import dispatcher_pb2 as zmesh
from zmesh.v1 import dispatcher_pb2_grpc, expert_registry_pb2_grpc
from zmesh.v1 import expert_registry_pb2 as registry_pb

MODEL = "octo-nano"
EXPERT = "from-python"
ALIAS = "canary"
QUESTION = "Mia has 889 cards and gives away 657. How many cards now?"


def report(step, **facts):
    print(json.dumps({"step": step, **facts}, ensure_ascii=False), flush=True)


def check(condition, complaint):
    if not condition:
        sys.exit(f"wrong result: {complaint}")


def chat(text):
    return common.Prompt(chat=common.Chat(messages=[common.ChatMessage(role="user", content=text)]))


def question(**more):
    """A question of which the answer is known; greedy, so that it is the same every time."""
    return zmesh.GenerateRequest(model=MODEL, prompt=chat(QUESTION), **more)


def long_answer():
    """Work for some seconds: 16 answers of 480 tokens that no end of turn cuts short."""
    return question(n=16, sampling=common.Sampling(max_tokens=480, ignore_eos=True, temperature=1, seed=7))


def classify(dispatcher):
    answer = dispatcher.Classify(zmesh.ClassifyRequest(model=MODEL, prompt=chat(QUESTION)), timeout=30)
    best = answer.classification.labels[0]
    check(answer.classification.label == best.label == "math", f"label {answer.classification.label!r}")
    report("classify", label=best.label, confidence=answer.classification.confidence, expert=best.expert)


def generate(dispatcher):
    """Streams an answer; the receipt is the last message, its short form comes with the trailing metadata."""
    call = dispatcher.Generate(question(), timeout=30)
    text, deltas, end, receipt = "", 0, None, None
    for message in call:
        check(receipt is None, "a message after the receipt")
        event = message.WhichOneof("event")
        if event == "delta":
            deltas += 1
            text += message.delta.text
        elif event == "end":
            end = message.end
        elif event == "receipt":
            receipt = message.receipt
    check(text.endswith("answer 232"), f"answer {text!r}")
    check(end is not None and receipt is not None, "no end or no receipt")
    finish = common.FinishReason.Name(end.finish_reason)
    report("generate", text=text, deltas=deltas, finish_reason=finish)
    trailers = dict(call.trailing_metadata())
    report(
        "receipt",
        strategy_used=receipt.strategy_used,
        label=receipt.classification.label,
        experts=[arm.expert for arm in receipt.arms],
        completion_tokens=receipt.usage.completion_tokens,
        request_id=receipt.request_id,
        trace_id=receipt.trace_id,
        trailer_request_id=trailers["zmesh-request-id"],
        trailer_trace_id=trailers["zmesh-trace-id"],
        trailer_receipt=json.loads(trailers["zmesh-receipt"]),
    )


def perturbed(safetensors):
    """The same expert with every multiplier off by up to 1 %: another version. The header stays as it is."""
    (header_bytes,) = struct.unpack_from("<Q", safetensors)
    head, data = safetensors[: 8 + header_bytes], safetensors[8 + header_bytes :]
    values = struct.iter_unpack("<f", data)
    return head + b"".join(struct.pack("<f", m * random.uniform(0.99, 1.01)) for (m,) in values)


def publish(registry, vectors):
    basis = registry.GetModel(registry_pb.GetModelRequest(name=MODEL), timeout=10).model.basis_id
    spec = registry_pb.ExpertSpec(
        model=MODEL,
        name=EXPERT,
        basis_id=basis,
        normalisation=common.NORMALISATION_TRACE,
        description="the math expert, perturbed",
        metadata={"language": "python"},
    )
    answer = registry.PublishExpert(registry_pb.PublishExpertRequest(spec=spec, vectors=vectors), timeout=30)
    check(answer.created, "the version was there before")
    report("publish", version=answer.expert.version, vectors_sha256=answer.expert.vectors_sha256)
    return answer.expert.version


def alias(registry, version):
    """Moves the alias by compare-and-set: nobody else's move is lost."""
    name = f"{MODEL}/{EXPERT}@{ALIAS}"
    try:
        before = registry.GetExpert(registry_pb.GetExpertRequest(name=name), timeout=10).expert.version
    except grpc.RpcError as error:
        check(error.code() == grpc.StatusCode.NOT_FOUND, error)
        before = ""
    request = registry_pb.SetAliasRequest(
        model=MODEL, expert=EXPERT, alias=ALIAS, version=version, expected_version=before
    )
    answer = registry.SetAlias(request, timeout=10)
    check(answer.version == version and answer.previous_version == before, "the alias points elsewhere")
    report("alias", alias=ALIAS, version=answer.version, previous_version=answer.previous_version)


def use(dispatcher, version):
    """The next answer is the new version's."""
    strategy = zmesh.Strategy(expert=zmesh.ExpertStrategy(expert=f"{EXPERT}@{ALIAS}"))
    answer = dispatcher.Complete(zmesh.CompleteRequest(request=question(strategy=strategy)), timeout=30)
    experts = [arm.expert for arm in answer.receipt.arms]
    check(experts == [f"{MODEL}/{EXPERT}@{version}"], f"answered by {experts}")
    report("use", experts=experts, text=answer.answers[0].text)


def cancel(dispatcher):
    call = dispatcher.Generate(long_answer(), timeout=60)
    trace_id, deltas = "", 0
    try:
        for message in call:
            if message.HasField("started"):
                trace_id = message.started.trace_id
            deltas += message.HasField("delta")
            if deltas == 3:
                call.cancel()
        check(False, "the stream went on to its end")
    except grpc.RpcError as error:
        check(error.code() == grpc.StatusCode.CANCELLED, error)
        report("cancel", code=error.code().name, deltas=deltas, trace_id=trace_id)


def deadline(dispatcher):
    start, trace_id = time.monotonic(), ""
    try:
        for message in dispatcher.Generate(long_answer(), timeout=0.5):
            if message.HasField("started"):
                trace_id = message.started.trace_id
        check(False, "the answer came within the deadline")
    except grpc.RpcError as error:
        check(error.code() == grpc.StatusCode.DEADLINE_EXCEEDED, error)
        waited_ms = round((time.monotonic() - start) * 1000)
        report("deadline", code=error.code().name, waited_ms=waited_ms, trace_id=trace_id)


def reasoned_error(dispatcher):
    """google.rpc details: a stable reason, the limit and the value given."""
    request = question(sampling=common.Sampling(max_tokens=500))
    try:
        dispatcher.Complete(zmesh.CompleteRequest(request=request), timeout=30)
        check(False, "the question and 500 tokens fit a context of 512")
    except grpc.RpcError as failure:
        info = error_details_pb2.ErrorInfo()
        found = any(detail.Unpack(info) for detail in rpc_status.from_call(failure).details)
        check(found and info.domain == "zmesh", "no ErrorInfo of zmesh")
        report("error", code=failure.code().name, reason=info.reason, message=failure.details(), **info.metadata)


def main():
    parser = argparse.ArgumentParser()
    for name in ("dispatcher", "registry", "vectors"):
        parser.add_argument(f"--{name}", required=True)
    args = parser.parse_args()
    with grpc.insecure_channel(args.dispatcher) as front, grpc.insecure_channel(args.registry) as store:
        dispatcher = dispatcher_pb2_grpc.DispatcherServiceStub(front)
        registry = expert_registry_pb2_grpc.ExpertRegistryServiceStub(store)
        classify(dispatcher)
        generate(dispatcher)
        with open(args.vectors, "rb") as file:
            version = publish(registry, perturbed(file.read()))
        alias(registry, version)
        use(dispatcher, version)
        cancel(dispatcher)
        deadline(dispatcher)
        reasoned_error(dispatcher)


if __name__ == "__main__":
    main()
