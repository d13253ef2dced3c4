/**
 * `npm run hostile -- [--count 120000] [--seed 1]`: hostile requests to every RPC of a real mesh. Prints what was answered,
 * RPC by RPC; exits with 1 if anything was not as it must be.
 */
import { parseArgs } from 'node:util';
import { lastFirst } from '../support/cleanup.js';
import { runHostile } from './run-hostile.js';

const { values } = parseArgs({
  options: { count: { type: 'string', default: '120000' }, seed: { type: 'string', default: '1' } },
});
const say = (line: string): void => void process.stdout.write(`${line}\n`);
let stop = async (): Promise<void> => {};
const cleanup = lastFirst({
  after: (fn) => {
    stop = fn;
  },
});
try {
  const faults = await runHostile(cleanup, { count: Number(values.count), seed: Number(values.seed), say });
  for (const fault of faults.slice(0, 50)) say(`fault: ${fault}`);
  say(faults.length === 0 ? 'no faults' : `${faults.length} faults`);
  process.exitCode = faults.length === 0 ? 0 : 1;
} finally {
  await stop();
}
