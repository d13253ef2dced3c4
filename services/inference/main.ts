import { runService } from '#shared/lifecycle.js';
import { startTelemetry } from '#shared/telemetry/start.js';
import { loadConfig } from './config.js';
import { startInference } from './server.js';

const NAME = 'inference';
/** So long an engine's last errors may take to reach their callers. */
const LAST_WORDS_MS = 1000;
const telemetry = startTelemetry(NAME);

runService(NAME, async (log) => {
  const inference = await startInference(loadConfig(), log);
  // Nothing is served without an engine: end, and let the supervisor start a fresh process.
  void inference.stopped.then((error) => {
    log.fatal({ err: error, cause: error.details.cause }, error.message);
    setTimeout(() => process.exit(1), LAST_WORDS_MS);
  });
  return {
    address: inference.address,
    async drain() {
      await inference.drain();
      await telemetry.shutdown();
    },
  };
});
