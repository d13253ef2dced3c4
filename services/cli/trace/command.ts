import type { Writable } from 'node:stream';
import { parseArgs } from 'node:util';
import type { StoredTrace } from '#shared/telemetry/stored-trace.js';
import { painter } from './paint.js';
import { type TraceStoreClient, TraceStoreError, traceStoreClient } from './store-client.js';
import { drawList, drawStatistics } from './tables.js';
import { drawWaterfall } from './waterfall.js';

/** `zmesh trace --help`. */
export const TRACE_HELP = `zmesh trace: where did the time go

  zmesh trace <id>        draw one trace; the beginning of its id is enough
  zmesh trace --last      draw the last question's trace
  zmesh trace --last --adaptation
                          draw the last search for an adaptation: queue, generations, waves, publication
  zmesh trace --list      the traces that are kept, newest first
  zmesh trace --stats     p50, p90, p99 of both passes by strategy, of the engine's phases and of served calls

  --limit N   lines of --list (default 20)
  --json      the same as JSON

Examples
  zmesh trace --last
  zmesh trace 4bf92f35
  zmesh trace --stats --json
`;

/** Where the command reads and writes. */
export interface TraceIo {
  /** URL of the local trace store, from the run file of the local runner. */
  readonly endpoint: string;
  readonly out: Writable;
  /** Where errors go. Default `process.stderr`. */
  readonly err?: Writable;
  /** Cells of the terminal's width. */
  readonly columns: number;
  /** True to use colours (a terminal without NO_COLOR). */
  readonly colour: boolean;
}

interface Request {
  readonly show: 'trace' | 'last' | 'list' | 'stats' | 'help';
  readonly id: string;
  readonly adaptation: boolean;
  readonly limit: number;
  readonly json: boolean;
}

const LIST_LIMIT = 20;
const LIST_LIMIT_MAX = 10_000;
const WAIT_MS = 2000;
/** Services send their spans every 200 ms: a question that has just been answered is in the store after this. */
const ARRIVAL_MS = 300;
/** How many traces are searched for the last question. */
const LAST_AMONG = 200;

/** `zmesh trace`: draws a trace, the list or the statistics. Exit code: 0 done, 1 nothing to show or no store, 2 wrong use. */
export async function traceCommand(args: string[], io: TraceIo): Promise<number> {
  const err = io.err ?? process.stderr;
  const request = readArguments(args);
  if (typeof request === 'string') {
    err.write(`error: ${request}\n\n${TRACE_HELP}`);
    return 2;
  }
  if (request.show === 'help') {
    io.out.write(TRACE_HELP);
    return 0;
  }
  try {
    io.out.write(`${(await answer(request, traceStoreClient(io.endpoint), io)).join('\n')}\n`);
    return 0;
  } catch (error) {
    if (!(error instanceof TraceStoreError)) throw error;
    err.write(`error: ${error.message}\n`);
    return 1;
  }
}

async function answer(request: Request, store: TraceStoreClient, io: TraceIo): Promise<string[]> {
  const paint = painter(io.colour && !request.json);
  const json = (value: unknown): string[] => [JSON.stringify(value, undefined, 2)];
  if (request.show === 'stats') {
    const statistics = await store.statistics();
    return request.json ? json(statistics) : drawStatistics(statistics, paint);
  }
  if (request.show === 'list') {
    const traces = await store.list(request.limit);
    return request.json ? json(traces) : drawList(traces, paint);
  }
  const trace =
    request.show === 'last' ? await lastTrace(store, request) : await store.settledTrace(request.id, WAIT_MS);
  return request.json ? json(trace) : drawWaterfall(trace, io.columns, paint);
}

/** The last question's trace; where nobody asked yet, the last of all. Likewise the last adaptation's, but then nothing else. */
async function lastTrace(store: TraceStoreClient, { adaptation }: Request): Promise<StoredTrace> {
  await new Promise((resolve) => setTimeout(resolve, ARRIVAL_MS));
  const traces = await store.list(LAST_AMONG);
  const last = adaptation
    ? traces.find((trace) => trace.adaptation)
    : (traces.find((trace) => trace.question) ?? traces[0]);
  if (!last)
    throw new TraceStoreError(
      adaptation ? 'no adaptation is among the last traces' : 'no traces are kept yet',
    );
  return store.settledTrace(last.traceId, WAIT_MS);
}

/** The arguments, or what is wrong with them. */
function readArguments(args: string[]): Request | string {
  const options = {
    last: { type: 'boolean', default: false },
    adaptation: { type: 'boolean', default: false },
    list: { type: 'boolean', default: false },
    stats: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
    limit: { type: 'string', default: String(LIST_LIMIT) },
    help: { type: 'boolean', short: 'h', default: false },
  } as const;
  try {
    const { values, positionals } = parseArgs({ args, options, allowPositionals: true });
    const limit = Number(values.limit);
    const id = positionals[0]?.toLowerCase() ?? '';
    const { adaptation } = values;
    if (values.help) return { show: 'help', id, adaptation, limit, json: false };
    const asked = positionals.length + [values.last, values.list, values.stats].filter(Boolean).length;
    if (asked !== 1) return 'give one of <id>, --last, --list, --stats';
    if (adaptation && !values.last) return '--adaptation goes with --last';
    if (id !== '' && !/^[0-9a-f]{4,32}$/.test(id)) {
      return `a trace id is 32 hex digits or at least the first 4 of them, not ${JSON.stringify(id)}`;
    }
    if (!Number.isInteger(limit) || limit < 1 || limit > LIST_LIMIT_MAX) {
      return `--limit is a whole number from 1 to ${LIST_LIMIT_MAX}, not ${values.limit}`;
    }
    const show = values.last ? 'last' : values.list ? 'list' : values.stats ? 'stats' : 'trace';
    return { show, id, adaptation, limit, json: values.json };
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}
