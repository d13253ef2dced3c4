import { runService } from '#shared/lifecycle.js';
import { startTelemetry } from '#shared/telemetry/start.js';
import { loadConfig } from './config.js';
import { startDispatcher } from './server.js';

const NAME = 'dispatcher';
const telemetry = startTelemetry(NAME);

runService(NAME, async (log) => {
  const dispatcher = await startDispatcher(loadConfig(), log);
  return {
    address: dispatcher.address,
    async drain() {
      await dispatcher.drain();
      await telemetry.shutdown();
    },
  };
});
