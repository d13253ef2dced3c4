import { isAlive } from '#deploy/local/process-identity.js';
import { readRun } from '#deploy/local/run-file.js';
import { sleep } from '#shared/deadline.js';
import { zmeshHome } from '#shared/paths.js';
import { defineCommand } from '../command.js';
import { EXIT } from '../exit-codes.js';
import { writeJson } from '../render/json.js';

const STOP_LIMIT_MS = 90_000;
const POLL_MS = 50;

/** `zmesh down`: drains and stops the local mesh. */
export const down = defineCommand({
  path: 'down',
  summary: 'drain and stop the local mesh',
  options: {},
  examples: ['down'],
  notes: ['It is no error if nothing runs.'],
  async run({ values, io }) {
    const run = readRun(zmeshHome(io.env));
    if (!run) {
      if (values.json) writeJson(io.out, { stopped: false });
      else io.out.write('no mesh runs here\n');
      return EXIT.ok;
    }
    process.kill(run.pid, 'SIGTERM');
    const pids = [run.pid, ...run.processes.map(({ pid }) => pid)];
    for (
      const giveUp = performance.now() + STOP_LIMIT_MS;
      pids.some(isAlive);
      await sleep(POLL_MS, io.signal)
    ) {
      if (performance.now() > giveUp)
        throw new Error(
          `still running after ${STOP_LIMIT_MS / 1000} s: processes ${pids.filter(isAlive).join(', ')}`,
        );
    }
    if (values.json) writeJson(io.out, { stopped: true, pid: run.pid });
    else io.out.write('the mesh has stopped\n');
    return EXIT.ok;
  },
});
