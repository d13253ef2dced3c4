import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { before, describe, test } from 'node:test';
import { UsageError } from '#services/cli/command.js';
import { parseExposition } from '#services/cli/status/exposition.js';
import { figuresOf } from '#services/cli/status/figures.js';
import { bucketQuantile } from '#services/cli/status/reading.js';
import { figuresLine, renderFigures } from '#services/cli/status/render.js';
import { type Scrape, scrape } from '#services/cli/status/scrape.js';
import { metricTargets } from '#services/cli/status/targets.js';
import { watchFigures } from '#services/cli/status/watch.js';
import { fakeIo } from '../../support/fake-io.js';

/** A scrape of one inference and one dispatcher. */
function scraped(
  atMs: number,
  numbers: { life?: string; tokens: number; requests: number; slow: number },
): Scrape {
  const { life = 'a', tokens, requests, slow } = numbers;
  const page = (name: string, service: string, text: string) => ({
    name,
    http: `${name}:9464`,
    service,
    life,
    samples: parseExposition(text),
  });
  return {
    atMs,
    pages: [
      page(
        'inference',
        'inference',
        `process_uptime ${atMs / 1000}
process_cpu_time_total{cpu_mode="user"} ${tokens / 100}
zmesh_engine_running{gen_ai_request_model="m"} 2
zmesh_engine_queue_depth{gen_ai_request_model="m",zmesh_priority="interactive"} 3
zmesh_engine_queue_depth{gen_ai_request_model="m",zmesh_priority="batch"} 1
zmesh_engine_output_tokens_total{gen_ai_request_model="m"} ${tokens}
zmesh_engine_pages{gen_ai_request_model="m",zmesh_engine_pages_state="running"} 5
zmesh_engine_pages{gen_ai_request_model="m",zmesh_engine_pages_state="free"} 7`,
      ),
      page(
        'dispatcher',
        'dispatcher',
        `process_uptime ${atMs / 1000}
zmesh_requests_total{rpc_status_code="OK"} ${requests}
zmesh_replicas{zmesh_replica_state="up"} 1
zmesh_pass_duration_bucket{zmesh_pass="second",le="0.001"} 0
zmesh_pass_duration_bucket{zmesh_pass="second",le="0.002"} ${requests - slow}
zmesh_pass_duration_bucket{zmesh_pass="second",le="0.004"} ${requests}
zmesh_pass_duration_bucket{zmesh_pass="second",le="+Inf"} ${requests}
zmesh_pass_duration_count{zmesh_pass="second"} ${requests}`,
      ),
    ],
  };
}

/** Where nobody listens (any more). */
async function closedAddress(): Promise<string> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return `127.0.0.1:${port}`;
}

describe('reading metrics', () => {
  test('samples have their labels unescaped; comments and blank lines are passed over', () => {
    const page = `# HELP a what\n# TYPE a counter\na_total{x="1",y="a \\"b\\" \\\\ \\n{,}"} 3 1700000000000\n\nb +Inf\nc{} 1e-3\nnot a sample\n`;
    assert.deepEqual(parseExposition(page), [
      { name: 'a_total', labels: { x: '1', y: 'a "b" \\ \n{,}' }, value: 3 },
      { name: 'b', labels: {}, value: Number.POSITIVE_INFINITY },
      { name: 'c', labels: {}, value: 0.001 },
    ]);
  });

  test("quantiles are those of Prometheus' histogram_quantile", () => {
    const inf = Number.POSITIVE_INFINITY;
    // The first two are what promtool finds in deploy/prometheus/rules.test.yml.
    assert.equal(
      bucketQuantile(0.99, [
        [1.024, 0],
        [4.096, 15],
        [inf, 15],
      ])?.toFixed(3),
      '4.065',
    );
    assert.equal(
      bucketQuantile(0.95, [
        [2.5, 0],
        [5, 15],
        [inf, 15],
      ]),
      4.875,
    );
    // Within the first bucket from 0, above the last bound the bound itself, of nothing nothing.
    assert.equal(
      bucketQuantile(0.5, [
        [2, 4],
        [inf, 4],
      ]),
      1,
    );
    assert.equal(
      bucketQuantile(0.99, [
        [2, 4],
        [inf, 8],
      ]),
      2,
    );
    assert.equal(bucketQuantile(0.5, [[inf, 0]]), undefined);
    assert.equal(bucketQuantile(0.5, []), undefined);
  });

  test('a target that does not answer, or answers something else, is a page with the reason', async (t) => {
    const server = createServer((_, response) => {
      response.statusCode = 404;
      response.end('metrics are off');
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    t.after(() => new Promise((resolve) => server.close(resolve)));
    const { port } = server.address() as AddressInfo;
    const targets = [`127.0.0.1:${port}`, await closedAddress()].map((http) => ({ name: http, http }));
    const { pages } = await scrape(targets);
    assert.deepEqual(
      pages.map(({ fault }) => fault),
      ['/metrics answered 404', 'nobody listens'],
    );
  });

  test('targets are those given, else the variable, else the local mesh', () => {
    const env = { ZMESH_METRICS_ADDRESS: 'a:1, b:2', ZMESH_HOME: '/nowhere' };
    const addresses = (given: readonly string[], from: NodeJS.ProcessEnv) =>
      metricTargets(given, from).map(({ http }) => http);
    assert.deepEqual(addresses(['c:3,d:4', 'e:5'], env), ['c:3', 'd:4', 'e:5']);
    assert.deepEqual(addresses([], env), ['a:1', 'b:2']);
    assert.deepEqual(addresses([], { ZMESH_HOME: '/nowhere' }), []);
    assert.throws(() => addresses(['c'], env), UsageError);
  });
});

describe('figures', () => {
  const earlier = scraped(20_000, { tokens: 100, requests: 10, slow: 10 });

  test('rates and times are of what came between two scrapes; levels are those of now', () => {
    const now = scraped(30_000, { tokens: 350, requests: 30, slow: 10 });
    const { models, requests, secondPass, firstPass, replicas, processes, windowS } = figuresOf(now, earlier);
    assert.equal(windowS, 10);
    assert.deepEqual(models[0]!.waiting, { interactive: 3, batch: 1 });
    assert.deepEqual([models[0]!.tokensPerS, models[0]!.pages.running, models[0]!.rows], [25, 5, null]);
    assert.deepEqual([requests?.perS, requests?.count], [2, 20]);
    assert.deepEqual(secondPass, { count: 20, p50Ms: 1.5, p99Ms: 1.99 });
    assert.deepEqual(firstPass, { count: 0, p50Ms: null, p99Ms: null });
    assert.deepEqual(replicas, { up: 1, down: 0 });
    assert.equal(processes[0]!.cpu, 0.25);
  });

  test('without an earlier scrape they are since the start, and so they are for a process that was started anew', () => {
    assert.equal(figuresOf(earlier).models[0]!.tokensPerS, 5);
    const now = scraped(30_000, { life: 'b', tokens: 40, requests: 5, slow: 0 });
    const { models, requests } = figuresOf(now, earlier);
    assert.equal(models[0]!.tokensPerS, 4, 'not 40 - 100 tokens');
    assert.equal(requests?.count, 5);
  });

  test('one that does not answer is told, in the table and in the line', () => {
    const [inference, dispatcher] = earlier.pages;
    const gone = { ...inference!, service: '', life: '', samples: [], fault: 'nobody listens' };
    const figures = figuresOf({ ...earlier, pages: [gone, dispatcher!] });
    assert.match(renderFigures(figures), /^inference +inference:9464 +nobody listens$/m);
    // What nobody told is not shown as zero.
    assert.match(renderFigures(figures), /^experts +– \(inference: nobody listens\)$/m);
    assert.match(renderFigures(figures), /^jobs +– \(inference: nobody listens\)$/m);
    assert.match(renderFigures(figures), /^requests +0\.5\/s/m);
    const silent = figuresOf({
      ...earlier,
      pages: [gone, { ...gone, name: 'dispatcher', http: 'dispatcher:9464' }],
    });
    assert.match(renderFigures(silent), /^requests +– \(dispatcher: nobody listens\)$/m);
    const line = figuresLine(figures, '12:00:00');
    assert.match(
      line,
      /^12:00:00 · requests 0\.5\/s failed 0 · queue – running – rows – · tokens – · pages – · experts – · .* · no answer: inference$/,
    );
    assert.equal(line.includes('\n'), false);
  });

  test('what nobody told is unknown, not zero: in tables, line and JSON', () => {
    const [inference, dispatcher] = earlier.pages;
    const gone = { ...dispatcher!, service: '', life: '', samples: [], fault: 'nobody listens' };
    const figures = figuresOf({ ...earlier, pages: [inference!, gone] });
    assert.match(renderFigures(figures), /^pass 1 +– +– +–$/m);
    assert.match(renderFigures(figures), /^first token +– +– +–$/m);
    assert.match(
      figuresLine(figures, '12:00:00'),
      /^12:00:00 · requests – failed – · queue 3\+1 .* · pass 1 – p99 – · pass 2 – p99 – · no answer: dispatcher$/,
    );
    const { requests, replicas, jobs, registry, oldestViewS, experts, firstPass, processes } = figures;
    assert.deepEqual([requests, replicas, jobs, registry, oldestViewS], [null, null, null, null, null]);
    assert.deepEqual(firstPass, { count: null, p50Ms: null, p99Ms: null });
    assert.equal(experts?.resident, 0);
    const { uptimeS, cpu, memoryBytes, loopMs } = processes[1]!;
    assert.deepEqual([uptimeS, cpu, memoryBytes, loopMs], [null, null, null, null]);
  });
});

describe('watching', () => {
  let http = '';
  before(async () => {
    http = await closedAddress();
  });
  const targets = () => [{ name: 'x', http }];

  test('a terminal is drawn over in place and never scrolls; the cursor comes back', async () => {
    const io = { ...fakeIo(), rows: 6, columns: 30 };
    await watchFigures(io, { targets, everyMs: 1, count: 3, json: false });
    const frames = io.written().split('\x1b[H').slice(2);
    assert.equal(frames.length, 3);
    for (const frame of frames) {
      const lines = frame.split('\n');
      assert.equal(lines.length, 6, 'the last is where the cursor waits');
      // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is drawn
      assert.match(lines.at(-1)!, /^\x1b\[J(\x1b\[\?25h)?$/);
      assert.ok(
        lines.slice(0, 5).every((line) => line !== '\x1b[K'),
        'blank lines go first',
      );
      // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is drawn
      assert.ok(lines.every((line) => line.replace(/\x1b\[\??\d*[A-Za-z]/g, '').length <= 30));
    }
    assert.ok(io.written().includes('…\x1b[K\n'), 'what is cut says so');
    assert.ok(io.written().startsWith('\x1b[?25l') && io.written().endsWith('\x1b[?25h'));
  });

  test('elsewhere it is a plain line each time, or JSON', async () => {
    const io = fakeIo();
    await watchFigures(io, { targets, everyMs: 1, count: 2, json: false });
    assert.match(io.written(), /^(\d\d:\d\d:\d\d · requests [^\n\p{Cc}]*no answer: x\n){2}$/u);
    const other = fakeIo();
    await watchFigures(other, { targets, everyMs: 1, count: 2, json: true });
    const lines = other.written().trim().split('\n');
    assert.deepEqual(
      lines.map((line) => (JSON.parse(line) as { processes: { fault: string }[] }).processes[0]!.fault),
      ['nobody listens', 'nobody listens'],
    );
  });

  test('Ctrl-C ends it at once', async () => {
    const stop = new AbortController();
    const io = { ...fakeIo(), signal: stop.signal };
    setTimeout(() => stop.abort(), 100);
    const start = performance.now();
    await watchFigures(io, { targets, everyMs: 60_000, json: false });
    assert.ok(performance.now() - start < 10_000);
    assert.equal(io.written().trim().split('\n').length, 1);
  });
});
