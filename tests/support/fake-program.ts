// A service without duties, run as its own process by tests/unit/shared/program.test.ts.
import { setTimeout as sleep } from 'node:timers/promises';
import { loadSettings, type SettingsTable } from '#shared/config.js';
import { listenSettings } from '#shared/process-settings.js';
import { runProgram } from '#shared/program.js';

const SETTINGS = {
  ...listenSettings('T'),
  startMs: {
    env: 'T_START_MS',
    type: 'integer',
    default: 0,
    min: 0,
    max: 9999,
    help: 'how long a start takes',
  },
  drainMs: {
    env: 'T_DRAIN_MS',
    type: 'integer',
    default: 0,
    min: 0,
    max: 9999,
    help: 'how long a drain takes',
  },
  natsUrl: { env: 'T_NATS_URL', type: 'string', default: '', help: 'where NATS is' },
  token: { env: 'T_TOKEN', type: 'string', default: '', help: 'a secret', secret: true },
} as const satisfies SettingsTable;

runProgram({
  name: 'fake',
  about: 'does nothing, well',
  settings: SETTINGS,
  load: (env, sourceOf) => loadSettings(SETTINGS, env, sourceOf),
  async start({ startMs, drainMs }) {
    await sleep(startMs);
    return { address: '127.0.0.1:1', drain: () => sleep(drainMs) };
  },
});
