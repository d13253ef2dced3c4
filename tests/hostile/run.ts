/**
 * `npm run hostile`: hostile requests to every RPC of a real mesh; `--help` tells its options. Prints what was answered, RPC by
 * RPC; exits with 1 if anything was not as it must be, 2 if its arguments are wrong.
 */
import { argumentsOrExit } from '../support/arguments.js';
import { lastFirst } from '../support/cleanup.js';
import { runHostile } from './run-hostile.js';

const { count, seed } = argumentsOrExit({
  command: 'npm run hostile',
  about:
    'Requests that nobody should send, to every RPC of a real mesh. Exit status: 0 no faults, 1 faults, 2 wrong arguments.',
  options: {
    count: { type: 'number', default: 120_000, min: 1, max: 1e9, help: 'requests, spread over all RPCs' },
    seed: {
      type: 'number',
      default: 1,
      min: 0,
      max: 2 ** 32 - 1,
      help: 'the same seed sends the same requests',
    },
  },
});
const say = (line: string): void => void process.stdout.write(`${line}\n`);
let stop = async (): Promise<void> => {};
const cleanup = lastFirst({
  after: (fn) => {
    stop = fn;
  },
});
try {
  const faults = await runHostile(cleanup, { count, seed, say });
  for (const fault of faults.slice(0, 50)) say(`fault: ${fault}`);
  say(faults.length === 0 ? 'no faults' : `${faults.length} faults`);
  process.exitCode = faults.length === 0 ? 0 : 1;
} finally {
  await stop();
}
