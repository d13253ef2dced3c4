import { runProgram } from '#shared/program.js';
import { loadConfig, SETTINGS } from './config.js';
import { startInference } from './server.js';

/** So long an engine's last errors may take to reach their callers. */
const LAST_WORDS_MS = 1000;

runProgram({
  name: 'inference',
  about: 'computes: generates and scores under any mixture of experts',
  settings: SETTINGS,
  load: loadConfig,
  async start(settings, log) {
    const inference = await startInference(settings, log);
    // Nothing is served without an engine: end, and let the supervisor start a fresh process.
    void inference.stopped.then((error) => {
      log.fatal({ err: error, cause: error.details.cause }, error.message);
      setTimeout(() => process.exit(1), LAST_WORDS_MS);
    });
    return inference;
  },
});
