import assert from 'node:assert/strict';
import { Writable } from 'node:stream';
import { after, before, describe, test } from 'node:test';
import { traceSettings } from '#deploy/local/traces/config.js';
import { startTraceSink, type TraceSink } from '#deploy/local/traces/sink.js';
import { TRACE_HELP, traceCommand } from '#services/cli/trace/command.js';
import { loadSettings } from '#shared/config.js';
import { sampleSpans, span, TRACE_ID } from './sample-trace.js';

let sink: TraceSink;
before(async () => {
  sink = await startTraceSink(loadSettings(traceSettings, {}));
});
after(() => sink.close());

interface Result {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

async function trace(args: string[], endpoint = sink.url): Promise<Result> {
  const written = { out: '', err: '' };
  const into = (name: 'out' | 'err'): Writable =>
    new Writable({
      write(chunk, _encoding, done) {
        written[name] += chunk;
        done();
      },
    });
  const code = await traceCommand(args, {
    endpoint,
    out: into('out'),
    err: into('err'),
    columns: 100,
    colour: false,
  });
  return { code, ...written };
}

describe('zmesh trace', { concurrency: 1 }, () => {
  test('says so while nothing is kept', async () => {
    assert.deepEqual(await trace(['--last']), { code: 1, out: '', err: 'error: no traces are kept yet\n' });
    assert.equal((await trace(['--list'])).out, 'no traces are kept yet\n');
    assert.equal((await trace(['--stats'])).out, 'no spans have arrived yet\n');
  });

  test('--last draws the last question, not what came after it', async () => {
    sink.store.add(sampleSpans());
    const later = 'f'.repeat(32);
    sink.store.add([
      span({
        traceId: later,
        spanId: '1',
        name: 'zmesh.v1.DispatcherService/ListModels',
        kind: 'server',
        startMs: 500,
      }),
    ]);
    const { code, out } = await trace(['--last']);
    assert.equal(code, 0);
    assert.match(out, new RegExp(`^trace ${TRACE_ID}$`, 'm'));
    assert.match(out, /first pass {2}auto → classifier · math 0\.97/);
    assert.match(out, /engine decode {2}24 tokens/);
  });

  test('an id draws that trace, its beginning too; JSON has all of it', async () => {
    const { out } = await trace([TRACE_ID.slice(0, 6).toUpperCase(), '--json']);
    const { summary, spans } = JSON.parse(out);
    assert.equal(summary.traceId, TRACE_ID);
    assert.equal(spans.length, 16);
    assert.match((await trace([TRACE_ID])).out, /second pass/);
  });

  test('spans that are on their way are waited for', async () => {
    const traceId = 'a'.repeat(32);
    const early = sampleSpans().filter((one) => !/^0*[12]$/.test(one.spanId));
    setTimeout(() => sink.store.add(sampleSpans().map((one) => ({ ...one, traceId }))), 300);
    sink.store.add(early.map((one) => ({ ...one, traceId })));
    const { out } = await trace([traceId]);
    assert.doesNotMatch(out, /incomplete/);
    assert.match(out, /16 spans/);
  });

  test('--list and --stats speak JSON too', async () => {
    const list = JSON.parse((await trace(['--list', '--json', '--limit', '1'])).out);
    assert.equal(list.length, 1);
    const stats = JSON.parse((await trace(['--stats', '--json'])).out);
    assert.deepEqual([stats[0].phase, stats[0].group], ['first pass', 'auto']);
    assert.match((await trace(['--stats'])).out, /^second pass +auto +\d+ +0 +76\.0/m);
  });

  test('an unknown trace is an error of one line', async () => {
    const id = '0'.repeat(32);
    assert.deepEqual(await trace([id]), { code: 1, out: '', err: `error: no trace ${id} is kept here\n` });
  });

  test('a mesh that is not running is an error of one line', async () => {
    const { code, err } = await trace(['--last'], 'http://127.0.0.1:9');
    assert.equal(code, 1);
    assert.equal(err, 'error: the trace store at http://127.0.0.1:9 does not answer; is the mesh running?\n');
  });

  test('wrong use ends with 2, the reason and the help', async () => {
    const cases: [string[], RegExp][] = [
      [[], /give one of <id>, --last, --list, --stats/],
      [['--last', '--stats'], /give one of/],
      [['xyz'], /at least the first 4 of them, not "xyz"/],
      [['--list', '--limit', '0'], /--limit is a whole number from 1 to 10000, not 0/],
      [['--frobnicate'], /--frobnicate/],
    ];
    for (const [args, reason] of cases) {
      const { code, out, err } = await trace(args);
      assert.equal(code, 2, args.join(' '));
      assert.equal(out, '');
      assert.match(err, reason);
      assert(err.endsWith(TRACE_HELP));
    }
  });

  test('--help explains with examples', async () => {
    assert.deepEqual(await trace(['--help']), { code: 0, out: TRACE_HELP, err: '' });
  });
});
