import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { startServiceProcess } from '#deploy/local/service-process.js';
import { projectRoot } from '#shared/paths.js';
import { startFakeInference } from '../support/fake-inference.js';
import { eventually } from '../support/mesh.js';
import { cacheOf } from './languages.js';
import { type ClientMesh, startClientMesh } from './mesh.js';
import { mustRun, runCommand } from './run-command.js';
import { foreignTools, type Tools } from './tools.js';

const DISPATCHER = 'zmesh.v1.DispatcherService';
const REGISTRY = 'zmesh.v1.ExpertRegistryService';
/** What the processes of a mesh offer. */
const SERVICES: Readonly<Record<string, string>> = {
  dispatcher: DISPATCHER,
  'expert-registry': REGISTRY,
  inference: 'zmesh.v1.InferenceService',
  trainer: 'zmesh.v1.TrainerService',
};
const ALWAYS = ['grpc.health.v1.Health', 'grpc.reflection.v1.ServerReflection'];
/** grpcurl ends with 64 and the status code. */
const STATUS = { DEADLINE_EXCEEDED: 64 + 4, RESOURCE_EXHAUSTED: 64 + 8 } as const;

const short = {
  model: 'octo-nano',
  prompt: {
    chat: {
      messages: [{ role: 'user', content: 'Zoe has 208 cards and gets 884 more. How many cards now?' }],
    },
  },
};
/** Some seconds of work. */
const long = { ...short, n: 16, sampling: { max_tokens: 480, ignore_eos: true, temperature: 1, seed: 7 } };

let mesh: ClientMesh;
let tools: Tools;
const grpcurl = (...args: string[]): string[] => [tools.grpcurl, '-plaintext', ...args];
const bufCurl = (...args: string[]): string[] => [
  tools.buf,
  'curl',
  '--http2-prior-knowledge',
  '--protocol=grpc',
  ...args,
];
const json = (value: unknown): string => JSON.stringify(value);
const served = (): readonly (readonly [string, string])[] =>
  mesh.servers.map(({ name, address }) => {
    const service = SERVICES[name];
    assert.ok(service, `which service does the process ${name} offer?`);
    return [address, service];
  });

before(async () => {
  tools = await foreignTools();
  mesh = await startClientMesh();
});
after(() => mesh?.stop());

describe('reflection', () => {
  it('lists every service to grpcurl and to buf curl', async () => {
    for (const [address, service] of served()) {
      const all = [...ALWAYS, service].sort();
      const listed = await mustRun(grpcurl(address, 'list'));
      assert.deepEqual(listed.trim().split('\n').sort(), all);
      const byBuf = await mustRun(bufCurl('--list-services', `http://${address}`));
      assert.deepEqual(byBuf.trim().split('\n').sort(), all);
    }
  });

  it('describes every service, and every message that its methods take and give', async () => {
    for (const [address, service] of served()) {
      const described = await mustRun(grpcurl(address, 'describe', service));
      const messages = [...described.matchAll(/\(\s*(?:stream )?\.(zmesh\.v1\.\w+)\s*\)/g)].map(
        (match) => match[1]!,
      );
      assert.ok(messages.length >= 2, described);
      for (const message of new Set(messages))
        assert.match(
          await mustRun(grpcurl(address, 'describe', message)),
          new RegExp(`^${message} is a message`),
        );
    }
  });
});

describe('health', () => {
  it('is told to grpc-health-probe for each server and each of its services, and for nothing else', async () => {
    for (const [address, service] of served()) {
      await mustRun([tools['grpc-health-probe'], `-addr=${address}`]);
      await mustRun([tools['grpc-health-probe'], `-addr=${address}`, `-service=${service}`]);
      const unknown = await runCommand([
        tools['grpc-health-probe'],
        `-addr=${address}`,
        '-service=zmesh.v1.NoService',
      ]);
      assert.notEqual(unknown.code, 0);
      assert.match(unknown.err, /code = NotFound/);
    }
  });
});

describe('calls', () => {
  it('of buf curl, which knows the contract by reflection alone, stream the answer and the receipt', async () => {
    const url = `http://${mesh.dispatcher}/${DISPATCHER}/Generate`;
    const printed = await mustRun(bufCurl('-d', json(short), url));
    assert.match(printed, /"receipt": \{/);
    assert.match(printed, /octo-nano\/math@[0-9a-f]{64}/);
  });

  it('fail with reason, limit, value and field where grpcurl and buf curl show details', async () => {
    const wrong = json({ ...short, sampling: { max_tokens: 500 } });
    const byGrpcurl = await runCommand(grpcurl('-d', wrong, mesh.dispatcher, `${DISPATCHER}/Generate`));
    assert.match(
      byGrpcurl.err,
      /Code: InvalidArgument[\s\S]*"limit":\s*"512"[\s\S]*"reason":\s*"CONTEXT_EXCEEDED"/,
    );
    assert.match(byGrpcurl.err, /"field":\s*"sampling.max_tokens"/);
    const url = `http://${mesh.dispatcher}/${DISPATCHER}/Generate`;
    const byBuf = await runCommand(bufCurl('-d', wrong, url));
    assert.match(byBuf.err, /invalid_argument[\s\S]*523[\s\S]*google\.rpc\.ErrorInfo/);
  });

  it('by hundreds from ghz are all answered, with gzip as well', async () => {
    for (const options of [[], ['--enable-compression']]) {
      const call = [
        '--insecure',
        '--call',
        `${DISPATCHER}.Complete`,
        '-d',
        json({ request: short }),
        '-O',
        'json',
      ];
      const report = await mustRun(
        [tools.ghz, ...call, '-n', '200', '-c', '8', ...options, mesh.dispatcher],
        { limitMs: 120_000 },
      );
      const { statusCodeDistribution } = JSON.parse(report) as { statusCodeDistribution: unknown };
      assert.deepEqual(statusCodeDistribution, { OK: 200 }, options.join());
    }
  });
});

describe('limits', () => {
  it('refuse a message of more than 64 MiB with RESOURCE_EXHAUSTED, and go on', async () => {
    const vectors = Buffer.alloc(65 * 1024 * 1024).toString('base64');
    const call = grpcurl('-d', '@', mesh.registry, `${REGISTRY}/PublishExpert`);
    const refused = await runCommand(call, { input: json({ vectors }) });
    assert.equal(refused.code, STATUS.RESOURCE_EXHAUSTED, refused.err);
    assert.match(refused.err, /may have 67108864 bytes, it has 681574\d\d bytes/);
    assert.match(refused.err, /"reason":\s*"TOO_LARGE"/);
    await mustRun(grpcurl(mesh.registry, `${REGISTRY}/ListRegisteredModels`));
  });

  it('keep a deadline with DEADLINE_EXCEEDED', async () => {
    const call = grpcurl('-max-time', '0.5', '-d', json(long), mesh.dispatcher, `${DISPATCHER}/Generate`);
    assert.equal((await runCommand(call)).code, STATUS.DEADLINE_EXCEEDED);
  });

  it('pass a deadline on to the last hop', async () => {
    const inference = await startFakeInference();
    const dispatcher = await startServiceProcess({
      name: 'dispatcher',
      entry: join(projectRoot, 'dist/services/dispatcher/main.js'),
      env: {
        ...process.env,
        ZMESH_INFERENCE_ADDRESS: inference.address,
        ZMESH_REGISTRY_ADDRESS: mesh.registry,
      },
      logFile: join(cacheOf('tools'), 'dispatcher.log'),
      signal: AbortSignal.timeout(60_000),
    });
    try {
      const before = performance.now();
      const request = { request: { prompt: { text: 'one' }, strategy: { none: {} } } };
      await mustRun(
        grpcurl('-max-time', '20', '-d', json(request), dispatcher.address!, `${DISPATCHER}/Complete`),
      );
      const [deadline] = inference.deadlines;
      assert.ok(deadline, 'the call to inference had no deadline');
      const leftMs = deadline - before;
      assert.ok(leftMs > 18_000 && leftMs < 21_000, `${leftMs} ms were left of 20 000`);
    } finally {
      await dispatcher.stop();
      await inference.stop();
    }
  });

  it('do not take keepalive pings of an idle watch for abuse', async () => {
    // Go's client pings every 10 s at most: two pings, and nothing else on the connection, before the deadline ends it.
    const request = json({ service: DISPATCHER });
    const watch = grpcurl(
      '-keepalive-time',
      '10',
      '-max-time',
      '22',
      '-d',
      request,
      mesh.dispatcher,
      'grpc.health.v1.Health/Watch',
    );
    const { code, err } = await runCommand(watch);
    assert.equal(code, STATUS.DEADLINE_EXCEEDED, err);
  });
});

describe('a drain', () => {
  it('is seen as NOT_SERVING while running streams finish undisturbed', async () => {
    const request = json({ service: DISPATCHER });
    const watch = follow(grpcurl('-d', request, mesh.dispatcher, 'grpc.health.v1.Health/Watch'));
    const whole = follow(grpcurl(mesh.dispatcher, 'grpc.health.v1.Health/Watch'));
    const stream = follow(grpcurl('-d', json(long), mesh.dispatcher, `${DISPATCHER}/Generate`));
    await eventually(
      'the streams have begun',
      () => /"SERVING"/.test(watch.out()) && /"SERVING"/.test(whole.out()) && /"delta"/.test(stream.out()),
    );
    process.kill(mesh.dispatcherPid, 'SIGTERM');
    for (const told of [watch, whole])
      await eventually('NOT_SERVING', () => /"NOT_SERVING"/.test(told.out()), 2000);
    assert.equal(stream.child.exitCode, null, 'the stream was over before the drain began');
    assert.equal(await stream.ended, 0, stream.err());
    assert.match(stream.out(), /"receipt"/);
    await Promise.all([watch.ended, whole.ended]);
  });
});

/** A program that runs on, with what it wrote so far. */
function follow(command: readonly string[]): {
  readonly child: ChildProcess;
  out(): string;
  err(): string;
  readonly ended: Promise<number | null>;
} {
  const child = spawn(command[0]!, command.slice(1), { stdio: ['ignore', 'pipe', 'pipe'] });
  const text = { out: '', err: '' };
  for (const [name, stream] of [
    ['out', child.stdout],
    ['err', child.stderr],
  ] as const)
    stream.setEncoding('utf8').on('data', (more: string) => {
      text[name] += more;
    });
  const ended = new Promise<number | null>((resolve) => child.on('close', resolve));
  return { child, out: () => text.out, err: () => text.err, ended };
}
