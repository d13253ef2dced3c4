import { isAlive } from '#deploy/local/process-identity.js';
import { type RunState, readRun } from '#deploy/local/run-file.js';
import { ModelDescription } from '#proto/zmesh/v1/dispatcher.js';
import { ZmeshError } from '#shared/errors.js';
import { zmeshHome } from '#shared/paths.js';
import { addressOf, NoMeshError } from '../addresses.js';
import { DISPATCHER_OPTION, withDispatcher } from '../clients.js';
import { defineCommand } from '../command.js';
import { EXIT } from '../exit-codes.js';
import type { Io } from '../io.js';
import { renderModels } from '../models-table.js';
import { writeJson } from '../render/json.js';
import { renderTable } from '../render/table.js';
import { figuresOf } from '../status/figures.js';
import { renderFigures } from '../status/render.js';
import { scrape } from '../status/scrape.js';
import { metricTargets, type Target } from '../status/targets.js';
import { watchFigures } from '../status/watch.js';
import { numberOption } from '../values.js';

const CALL_LIMIT_MS = 3_000;
const NO_METRICS =
  'no metrics to watch: start a mesh with "zmesh up", or say where they are with --metrics host:port or ZMESH_METRICS_ADDRESS';

/** `zmesh status`: what runs, where, and whether it answers. */
export const status = defineCommand({
  path: 'status',
  summary: 'what runs, whether it answers (fails if not), and how it does; live with --watch',
  options: {
    watch: { type: 'boolean', short: 'w', help: 'again and again until Ctrl-C; on a terminal in place' },
    every: { type: 'string', value: 'SECONDS', help: 'how often with --watch, 0.1 to 3600 (default 2)' },
    count: { type: 'string', value: 'N', help: 'end --watch after so many' },
    metrics: {
      type: 'string',
      multiple: true,
      value: 'HOST:PORT',
      help: 'where metrics are read (default: the local mesh, or ZMESH_METRICS_ADDRESS, comma separated)',
    },
    ...DISPATCHER_OPTION,
  },
  examples: [
    'status',
    'status --watch',
    'status --watch --json --every 10',
    'status --dispatcher 10.0.0.7:7000 --metrics 10.0.0.7:9464',
  ],
  async run({ values, io }) {
    const targets = (): readonly Target[] => metricTargets(values.metrics, io.env);
    const everyS = numberOption('every', values.every, { min: 0.1, max: 3600 }) ?? 2;
    const count = numberOption('count', values.count, { min: 1, max: 1e9, integer: true });
    if (values.watch) {
      if (targets().length === 0) throw new NoMeshError(NO_METRICS);
      await watchFigures(io, { targets, everyMs: everyS * 1000, count, json: values.json });
      return EXIT.ok;
    }
    const run = readRun(zmeshHome(io.env));
    const address = addressOf('dispatcher', values.dispatcher, io.env);
    const answer = await askModels(values.dispatcher, io);
    const known = targets();
    const figures = known.length > 0 ? figuresOf(await scrape(known)) : undefined;
    if (values.json)
      writeJson(io.out, {
        dispatcher: address,
        answers: answer.fault === undefined,
        fault: answer.fault ?? null,
        models: answer.models.map(ModelDescription.toJSON),
        run: run ?? null,
        figures: figures ?? null,
      });
    else {
      if (run) io.out.write(`${renderRun(run)}\n`);
      if (figures) io.out.write(`${renderFigures(figures)}\n`);
      if (answer.fault === undefined) io.out.write(renderModels(answer.models));
      else io.err.write(`error: the dispatcher at ${address} does not answer: ${answer.fault}\n`);
    }
    return answer.fault === undefined ? EXIT.ok : EXIT.failure;
  },
});

async function askModels(
  given: string | undefined,
  io: Io,
): Promise<{ models: readonly ModelDescription[]; fault?: string }> {
  try {
    const models = await withDispatcher(given, io, (client) =>
      client.models({ signal: io.signal, timeoutMs: CALL_LIMIT_MS }),
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
