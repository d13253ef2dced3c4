package example;

import java.util.List;
import zmesh.v1.Common.Chat;
import zmesh.v1.Common.ChatMessage;
import zmesh.v1.Common.Prompt;
import zmesh.v1.Common.Sampling;
import zmesh.v1.Dispatcher.GenerateRequest;
import zmesh.v1.Dispatcher.Receipt;
import zmesh.v1.Dispatcher.ReceiptArm;

/** What is asked, and who answered. */
final class Questions {
  static final String MODEL = "octo-nano";
  static final String QUESTION = "Mia has 889 cards and gives away 657. How many cards now?";

  private Questions() {}

  /** A prompt of one user message. */
  static Prompt chat(String text) {
    var message = ChatMessage.newBuilder().setRole("user").setContent(text);
    return Prompt.newBuilder().setChat(Chat.newBuilder().addMessages(message)).build();
  }

  /** A question of which the answer is known; greedy, so that it is the same every time. */
  static GenerateRequest.Builder ask() {
    return GenerateRequest.newBuilder().setModel(MODEL).setPrompt(chat(QUESTION));
  }

  /** Work for some seconds: 16 answers of 480 tokens that no end of turn cuts short. */
  static GenerateRequest longAnswer() {
    var sampling = Sampling.newBuilder().setMaxTokens(480).setIgnoreEos(true).setTemperature(1).setSeed(7);
    return ask().setN(16).setSampling(sampling).build();
  }

  /** Exact names of the experts that answered. */
  static List<String> experts(Receipt receipt) {
    return receipt.getArmsList().stream().map(ReceiptArm::getExpert).toList();
  }
}
