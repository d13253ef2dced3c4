package example;

import com.google.gson.JsonParser;
import com.google.protobuf.Any;
import com.google.protobuf.InvalidProtocolBufferException;
import com.google.rpc.ErrorInfo;
import io.grpc.Channel;
import io.grpc.Context;
import io.grpc.Grpc;
import io.grpc.InsecureChannelCredentials;
import io.grpc.ManagedChannel;
import io.grpc.Metadata;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import io.grpc.protobuf.StatusProto;
import io.grpc.stub.MetadataUtils;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Iterator;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicReference;
import zmesh.v1.Common.Sampling;
import zmesh.v1.Dispatcher.ClassifyRequest;
import zmesh.v1.Dispatcher.CompleteRequest;
import zmesh.v1.Dispatcher.GenerateResponse;
import zmesh.v1.Dispatcher.Receipt;
import zmesh.v1.DispatcherServiceGrpc;
import zmesh.v1.DispatcherServiceGrpc.DispatcherServiceBlockingStub;
import zmesh.v1.ExpertRegistryServiceGrpc;
import zmesh.v1.Inference.AnswerEnd;

/**
 * A zmesh client in Java: every step prints one line of JSON, a wrong result ends it with status 1.
 *
 * <pre>java -jar target/zmesh-client.jar DISPATCHER_HOST:PORT REGISTRY_HOST:PORT …/experts/math.safetensors</pre>
 */
public final class Client {
  private final DispatcherServiceBlockingStub dispatcher;

  private Client(Channel channel) {
    dispatcher = DispatcherServiceGrpc.newBlockingStub(channel);
  }

  public static void main(String[] args) throws IOException {
    if (args.length != 3) {
      System.err.println("needed: DISPATCHER_HOST:PORT REGISTRY_HOST:PORT VECTORS");
      System.exit(2);
    }
    ManagedChannel front = connect(args[0]);
    ManagedChannel store = connect(args[1]);
    try {
      var client = new Client(front);
      var experts = new Experts(ExpertRegistryServiceGrpc.newBlockingStub(store), client.dispatcher);
      client.classify();
      client.generate();
      String version = experts.publish(Path.of(args[2]));
      experts.moveAlias(version);
      experts.use(version);
      client.cancel();
      client.missDeadline();
      client.readReason();
    } finally {
      front.shutdownNow();
      store.shutdownNow();
    }
  }

  private static ManagedChannel connect(String address) {
    return Grpc.newChannelBuilder(address, InsecureChannelCredentials.create()).build();
  }

  private void classify() {
    var request = ClassifyRequest.newBuilder()
        .setModel(Questions.MODEL)
        .setPrompt(Questions.chat(Questions.QUESTION))
        .build();
    var found = within(30_000).classify(request).getClassification();
    Report.check(found.getLabel().equals("math"), "label " + found.getLabel());
    Report.step("classify", Map.of(
        "label", found.getLabel(),
        "confidence", found.getConfidence(),
        "expert", found.getLabels(0).getExpert()));
  }

  /** Streams an answer; the receipt is the last message, its short form comes with the trailing metadata. */
  private void generate() {
    var trailers = new AtomicReference<Metadata>();
    var capture = MetadataUtils.newCaptureMetadataInterceptor(new AtomicReference<>(), trailers);
    var text = new StringBuilder();
    int deltas = 0;
    AnswerEnd end = null;
    Receipt receipt = null;
    Iterator<GenerateResponse> messages =
        within(30_000).withInterceptors(capture).generate(Questions.ask().build());
    while (messages.hasNext()) {
      GenerateResponse message = messages.next();
      switch (message.getEventCase()) {
        case DELTA -> {
          deltas++;
          text.append(message.getDelta().getText());
        }
        case END -> end = message.getEnd();
        case RECEIPT -> receipt = message.getReceipt();
        default -> { }
      }
    }
    Report.check(text.toString().endsWith("answer 232"), "answer " + text);
    Report.check(end != null && receipt != null, "no end or no receipt");
    Report.step("generate", Map.of(
        "text", text.toString(), "deltas", deltas, "finish_reason", end.getFinishReason().name()));
    reportReceipt(receipt, trailers.get());
  }

  private static void reportReceipt(Receipt receipt, Metadata trailers) {
    Report.step("receipt", Map.of(
        "strategy_used", receipt.getStrategyUsed(),
        "label", receipt.getClassification().getLabel(),
        "experts", Questions.experts(receipt),
        "completion_tokens", receipt.getUsage().getCompletionTokens(),
        "request_id", receipt.getRequestId(),
        "trace_id", receipt.getTraceId(),
        "trailer_request_id", trailer(trailers, "zmesh-request-id"),
        "trailer_trace_id", trailer(trailers, "zmesh-trace-id"),
        "trailer_receipt", JsonParser.parseString(trailer(trailers, "zmesh-receipt"))));
  }

  private static String trailer(Metadata trailers, String name) {
    return trailers.get(Metadata.Key.of(name, Metadata.ASCII_STRING_MARSHALLER));
  }

  /** A blocking stream is cancelled through the context that it was started in. */
  private void cancel() {
    var context = Context.current().withCancellation();
    var seen = new Seen();
    var status = new AtomicReference<Status>();
    context.run(() -> status.set(ending(within(60_000), seen, () -> {
      if (seen.deltas == 3) context.cancel(null);
    })));
    Report.check(status.get().getCode() == Status.Code.CANCELLED, "the cancelled stream ended with " + status);
    Report.step("cancel", Map.of("code", "CANCELLED", "deltas", seen.deltas, "trace_id", seen.traceId));
  }

  private void missDeadline() {
    long start = System.nanoTime();
    var seen = new Seen();
    Status status = ending(within(500), seen, () -> { });
    Report.check(status.getCode() == Status.Code.DEADLINE_EXCEEDED, "the late stream ended with " + status);
    long waitedMs = TimeUnit.NANOSECONDS.toMillis(System.nanoTime() - start);
    Report.step("deadline", Map.of("code", "DEADLINE_EXCEEDED", "waited_ms", waitedMs, "trace_id", seen.traceId));
  }

  /** What a stream brought so far. */
  private static final class Seen {
    private int deltas;
    private String traceId = "";
  }

  /** Reads a long answer to its end and says how it ended. */
  private static Status ending(DispatcherServiceBlockingStub stub, Seen seen, Runnable afterEach) {
    try {
      Iterator<GenerateResponse> messages = stub.generate(Questions.longAnswer());
      while (messages.hasNext()) {
        GenerateResponse message = messages.next();
        if (message.hasStarted()) seen.traceId = message.getStarted().getTraceId();
        if (message.hasDelta()) seen.deltas++;
        afterEach.run();
      }
      return Status.OK;
    } catch (StatusRuntimeException failure) {
      return failure.getStatus();
    }
  }

  /** Reads google.rpc details: a stable reason, the limit and the value given. */
  private void readReason() throws InvalidProtocolBufferException {
    var sampling = Sampling.newBuilder().setMaxTokens(500);
    var request = CompleteRequest.newBuilder().setRequest(Questions.ask().setSampling(sampling)).build();
    try {
      within(30_000).complete(request);
    } catch (StatusRuntimeException failure) {
      Report.check(failure.getStatus().getCode() == Status.Code.INVALID_ARGUMENT, failure.getMessage());
      reportReason(failure);
      return;
    }
    Report.check(false, "the question and 500 tokens fit a context of 512");
  }

  private static void reportReason(StatusRuntimeException failure) throws InvalidProtocolBufferException {
    var status = StatusProto.fromThrowable(failure);
    for (Any detail : status.getDetailsList()) {
      if (!detail.is(ErrorInfo.class)) continue;
      ErrorInfo info = detail.unpack(ErrorInfo.class);
      Report.check(info.getDomain().equals("zmesh"), "domain " + info.getDomain());
      Report.step("error", Map.of(
          "code", "INVALID_ARGUMENT",
          "reason", info.getReason(),
          "message", status.getMessage(),
          "limit", info.getMetadataOrThrow("limit"),
          "value", info.getMetadataOrThrow("value")));
      return;
    }
    Report.check(false, "no ErrorInfo in " + status);
  }

  private DispatcherServiceBlockingStub within(long timeoutMs) {
    return dispatcher.withDeadlineAfter(timeoutMs, TimeUnit.MILLISECONDS);
  }
}
