package example;

import com.google.protobuf.ByteString;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.TimeUnit;
import zmesh.v1.Common.Normalisation;
import zmesh.v1.Dispatcher.CompleteRequest;
import zmesh.v1.Dispatcher.ExpertStrategy;
import zmesh.v1.Dispatcher.Strategy;
import zmesh.v1.DispatcherServiceGrpc.DispatcherServiceBlockingStub;
import zmesh.v1.ExpertRegistry.ExpertSpec;
import zmesh.v1.ExpertRegistry.GetExpertRequest;
import zmesh.v1.ExpertRegistry.GetModelRequest;
import zmesh.v1.ExpertRegistry.PublishExpertRequest;
import zmesh.v1.ExpertRegistry.SetAliasRequest;
import zmesh.v1.ExpertRegistryServiceGrpc.ExpertRegistryServiceBlockingStub;

/** Publishing an expert, pointing an alias to it, and using it. */
final class Experts {
  private static final String EXPERT = "from-java";
  private static final String ALIAS = "canary";

  private final ExpertRegistryServiceBlockingStub registry;
  private final DispatcherServiceBlockingStub dispatcher;

  Experts(ExpertRegistryServiceBlockingStub registry, DispatcherServiceBlockingStub dispatcher) {
    this.registry = registry;
    this.dispatcher = dispatcher;
  }

  /** Publishes a perturbed copy of an expert; its version. */
  String publish(Path path) throws IOException {
    byte[] vectors = Files.readAllBytes(path);
    perturb(ByteBuffer.wrap(vectors).order(ByteOrder.LITTLE_ENDIAN));
    var model = registry().getModel(GetModelRequest.newBuilder().setName(Questions.MODEL).build()).getModel();
    var spec = ExpertSpec.newBuilder()
        .setModel(Questions.MODEL)
        .setName(EXPERT)
        .setBasisId(model.getBasisId())
        .setNormalisation(Normalisation.NORMALISATION_TRACE)
        .setDescription("the math expert, perturbed")
        .putMetadata("language", "java");
    var request = PublishExpertRequest.newBuilder().setSpec(spec).setVectors(ByteString.copyFrom(vectors)).build();
    var answer = registry().publishExpert(request);
    Report.check(answer.getCreated(), "the version was there before");
    var expert = answer.getExpert();
    Report.step("publish", Map.of("version", expert.getVersion(), "vectors_sha256", expert.getVectorsSha256()));
    return expert.getVersion();
  }

  /** Moves every multiplier of a safetensors file by up to 1 %: another version. The header stays as it is. */
  private static void perturb(ByteBuffer safetensors) {
    var random = ThreadLocalRandom.current();
    int data = Math.toIntExact(8 + safetensors.getLong(0));
    for (int at = data; at < safetensors.limit(); at += Float.BYTES) {
      safetensors.putFloat(at, safetensors.getFloat(at) * random.nextFloat(0.99f, 1.01f));
    }
  }

  /** Moves the alias by compare-and-set: nobody else's move is lost. */
  void moveAlias(String version) {
    String before = current();
    var request = SetAliasRequest.newBuilder()
        .setModel(Questions.MODEL)
        .setExpert(EXPERT)
        .setAlias(ALIAS)
        .setVersion(version)
        .setExpectedVersion(before)
        .build();
    var answer = registry().setAlias(request);
    Report.check(
        answer.getVersion().equals(version) && answer.getPreviousVersion().equals(before),
        "the alias points to " + answer.getVersion() + ", before to " + answer.getPreviousVersion());
    Report.step("alias", Map.of("alias", ALIAS, "version", version, "previous_version", before));
  }

  /** The version that the alias points to; empty if there is none. */
  private String current() {
    String name = Questions.MODEL + "/" + EXPERT + "@" + ALIAS;
    try {
      return registry().getExpert(GetExpertRequest.newBuilder().setName(name).build()).getExpert().getVersion();
    } catch (StatusRuntimeException failure) {
      if (failure.getStatus().getCode() == Status.Code.NOT_FOUND) return "";
      throw failure;
    }
  }

  /** The next answer is the new version's. */
  void use(String version) {
    var strategy = Strategy.newBuilder().setExpert(ExpertStrategy.newBuilder().setExpert(EXPERT + "@" + ALIAS));
    var request = CompleteRequest.newBuilder().setRequest(Questions.ask().setStrategy(strategy)).build();
    var answer = dispatcher.withDeadlineAfter(30, TimeUnit.SECONDS).complete(request);
    List<String> used = Questions.experts(answer.getReceipt());
    String expected = Questions.MODEL + "/" + EXPERT + "@" + version;
    Report.check(used.equals(List.of(expected)), "answered by " + used);
    Report.step("use", Map.of("experts", used, "text", answer.getAnswers(0).getText()));
  }

  private ExpertRegistryServiceBlockingStub registry() {
    return registry.withDeadlineAfter(30, TimeUnit.SECONDS);
  }
}
