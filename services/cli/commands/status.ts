import { isAlive } from '#deploy/local/process-identity.js';
import { type RunState, readRun } from '#deploy/local/run-file.js';
import { ModelDescription } from '#proto/zmesh/v1/dispatcher.js';
import { ZmeshError } from '#shared/errors.js';
import { zmeshHome } from '#shared/paths.js';
import { addressOf } from '../addresses.js';
import { DISPATCHER_OPTION, withDispatcher } from '../clients.js';
import { defineCommand } from '../command.js';
import { EXIT } from '../exit-codes.js';
import type { Io } from '../io.js';
import { renderModels } from '../models-table.js';
import { writeJson } from '../render/json.js';
import { renderTable } from '../render/table.js';

const CALL_LIMIT_MS = 3_000;

/** `zmesh status`: what runs, where, and whether it answers. */
export const status = defineCommand({
  path: 'status',
  summary: 'what runs, where, and whether it answers; fails if it does not',
  options: { ...DISPATCHER_OPTION },
  examples: ['status', 'status --json', 'status --dispatcher 10.0.0.7:7000'],
  async run({ values, io }) {
    const run = readRun(zmeshHome(io.env));
    const address = addressOf('dispatcher', values.dispatcher, io.env);
    const answer = await askModels(values.dispatcher, io);
    if (values.json)
      writeJson(io.out, {
        dispatcher: address,
        answers: answer.fault === undefined,
        fault: answer.fault ?? null,
        models: answer.models.map(ModelDescription.toJSON),
        run: run ?? null,
      });
    else {
      if (run) io.out.write(`${renderRun(run)}\n`);
      if (answer.fault === undefined) io.out.write(renderModels(answer.models));
      else io.err.write(`error: the dispatcher at ${address} does not answer: ${answer.fault}\n`);
    }
    return answer.fault === undefined ? EXIT.ok : EXIT.failure;
  },
});

async function askModels(
  given: string | undefined,
  io: Io,
): Promise<{ models: ModelDescription[]; fault?: string }> {
  try {
    const { models } = await withDispatcher(given, io, (dispatcher) =>
      dispatcher.listModels({}, { signal: io.signal, timeoutMs: CALL_LIMIT_MS }),
    );
    return { models };
  } catch (error) {
    const { message, reason } = ZmeshError.from(error);
    return { models: [], fault: `${message} (${reason})` };
  }
}

/** The processes of a local mesh as a table. */
export function renderRun(run: RunState): string {
  return renderTable(
    [{ title: 'process' }, { title: 'pid', align: 'right' }, { title: 'address' }, { title: 'state' }],
    [
      ['runner', String(run.pid), '', `${run.phase}, since ${run.since.slice(0, 19)}Z`],
      ...run.processes.map(({ name, pid, address = '' }) => [
        name,
        String(pid),
        address,
        isAlive(pid) ? 'running' : 'gone',
      ]),
    ],
  );
}
