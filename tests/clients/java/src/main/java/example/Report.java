package example;

import com.google.gson.Gson;
import java.util.HashMap;
import java.util.Map;

/** One line of JSON for each step. */
final class Report {
  private static final Gson GSON = new Gson();

  private Report() {}

  static void step(String step, Map<String, ?> facts) {
    var line = new HashMap<String, Object>(facts);
    line.put("step", step);
    System.out.println(GSON.toJson(line));
  }

  static void check(boolean condition, String complaint) {
    if (!condition) throw new IllegalStateException("wrong result: " + complaint);
  }
}
