import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import type { FetchEvent } from '#services/inference/fetch/fetch-event.js';
import { fetchFromHub } from '#services/inference/fetch/from-hub.js';
import { parseHubReference } from '#services/inference/fetch/reference.js';
import type { Reason, ZmeshError } from '#shared/errors.js';
import { COMMIT, type FakeHub, fakeHub } from './fake-hub.js';

const PATIENCE = { stallMs: 500, attempts: 3, waitMs: 10 };
const NAME = 'someone/Tiny-Model';
const json = (value: unknown): Buffer => Buffer.from(JSON.stringify(value));
const shard = (number: number): string => `model-0000${number}-of-00002.safetensors`;
/** Larger than what goes through a socket at once. */
const WEIGHTS = randomBytes(3_000_000);

const WHOLE = {
  'config.json': json({ architectures: ['LlamaForCausalLM'] }),
  'generation_config.json': json({}),
  'tokenizer.json': json({ large: 'x'.repeat(5000) }),
  'tokenizer_config.json': json({}),
  'chat_template.jinja': Buffer.from('{{ messages }}'),
  'model.safetensors': WEIGHTS,
  'README.md': Buffer.from('not needed'),
  'pytorch_model.bin': Buffer.from('not needed'),
  'onnx/model.onnx': Buffer.from('not needed'),
  'vocab.json': json({}),
};
const NEEDED = [
  'chat_template.jinja',
  'config.json',
  'generation_config.json',
  'model.safetensors',
  'tokenizer.json',
  'tokenizer_config.json',
];

function emptyHome(t: TestContext): string {
  const home = mkdtempSync(join(tmpdir(), 'zmesh-fetch-'));
  t.after(() => rm(home, { recursive: true, force: true }));
  return home;
}

/** Fetches into `home`; what was told lands in `events`. */
function get(
  hub: { readonly url: string },
  home: string,
  options: { file?: string; revision?: string; token?: string; events?: FetchEvent[] } = {},
): Promise<string> {
  const { file = null, revision, token, events = [] } = options;
  return fetchFromHub({
    reference: parseHubReference(revision === undefined ? NAME : `${NAME}@${revision}`),
    file,
    home,
    env: { HF_ENDPOINT: hub.url, ...(token === undefined ? {} : { HF_TOKEN: token }) },
    onEvent: (event) => events.push(event),
    patience: PATIENCE,
  });
}

async function refused(promise: Promise<unknown>, reason: Reason, message: RegExp): Promise<void> {
  await assert.rejects(promise, (error: ZmeshError) => {
    assert.equal(error.reason, reason, error.message);
    assert.match(error.message, message);
    return true;
  });
}

const wholeHub = (t: TestContext, token?: string): Promise<FakeHub> =>
  fakeHub(t, {
    name: NAME,
    files: WHOLE,
    large: ['model.safetensors', 'tokenizer.json'],
    ...(token === undefined ? {} : { token }),
  });
const notes = (events: readonly FetchEvent[]): string[] =>
  events.flatMap((event) => (event.type === 'note' ? [event.message] : []));

test('the files an import needs come, whole and under the commit; no others are asked for', async (t) => {
  const hub = await wholeHub(t);
  const home = emptyHome(t);
  const events: FetchEvent[] = [];
  const folder = await get(hub, home, { events });
  assert.equal(folder, join(home, 'cache/hub/someone--Tiny-Model', COMMIT));
  assert.deepEqual(readdirSync(folder).sort(), NEEDED);
  for (const name of NEEDED)
    assert.deepEqual(readFileSync(join(folder, name)), WHOLE[name as keyof typeof WHOLE], name);
  const asked = hub.seen.flatMap(({ path }) => path.split(`/resolve/${COMMIT}/`)[1] ?? []).sort();
  assert.deepEqual(asked, NEEDED);
  const totalBytes = NEEDED.reduce((sum, name) => sum + WHOLE[name as keyof typeof WHOLE].length, 0);
  assert.deepEqual(
    events
      .filter(({ type }) => type !== 'download')
      .map(({ type, ...event }) => [
        type,
        'totalBytes' in event ? event.totalBytes : 'bytes' in event && event.bytes,
      ]),
    [
      ['fetch', totalBytes],
      ['fetched', totalBytes],
    ],
  );
});

test('a second fetch asks what there is and downloads nothing', async (t) => {
  const hub = await wholeHub(t);
  const home = emptyHome(t);
  const first = await get(hub, home);
  const before = hub.seen.length;
  const events: FetchEvent[] = [];
  assert.equal(await get(hub, home, { events }), first);
  assert.ok(hub.seen.slice(before).every(({ path }) => path.startsWith('/api/')));
  assert.deepEqual(
    events.map((event) => [event.type, 'downloaded' in event && event.downloaded]),
    [['fetched', false]],
  );
});

test('a sharded model: the index says which files', async (t) => {
  const files = {
    'config.json': WHOLE['config.json'],
    'model.safetensors.index.json': json({ weight_map: { a: shard(1), b: shard(2), c: shard(1) } }),
    [shard(1)]: randomBytes(2000),
    [shard(2)]: randomBytes(1000),
    'consolidated.safetensors': randomBytes(3000),
  };
  const hub = await fakeHub(t, { name: NAME, files, large: [shard(1), shard(2)] });
  const folder = await get(hub, emptyHome(t));
  assert.deepEqual(readdirSync(folder).sort(), [
    'config.json',
    shard(1),
    shard(2),
    'model.safetensors.index.json',
  ]);
});

test('an index that names paths, or shards that are not there, is refused before any weight is fetched', async (t) => {
  for (const [name, message] of [
    [
      '../../evil.safetensors',
      /must name a plain file \*\.safetensors, it is "\.\.\/\.\.\/evil\.safetensors"/,
    ],
    [
      shard(2),
      /someone\/Tiny-Model has no file model-00002-of-00002\.safetensors; it has model-00001-of-00002\.safetensors/,
    ],
  ] as const) {
    const files = {
      'config.json': WHOLE['config.json'],
      'model.safetensors.index.json': json({ weight_map: { a: shard(1), b: name } }),
      [shard(1)]: randomBytes(2000),
    };
    const hub = await fakeHub(t, { name: NAME, files });
    await refused(get(hub, emptyHome(t)), 'INVALID_FIELD', message);
    assert.ok(!hub.seen.some(({ path }) => path.endsWith(shard(1))));
  }
});

test('one GGUF file of a repository, in a folder of it, with all its parts', async (t) => {
  const part = (number: number): string => `Q4_K_M/tiny-Q4_K_M-0000${number}-of-00002.gguf`;
  const files = {
    'README.md': Buffer.from('x'),
    [part(1)]: randomBytes(900),
    [part(2)]: randomBytes(800),
    'Q8_0/tiny.gguf': Buffer.from('x'),
  };
  const hub = await fakeHub(t, { name: NAME, files, large: [part(1), part(2)] });
  const path = await get(hub, emptyHome(t), { file: part(1) });
  assert.ok(path.endsWith('tiny-Q4_K_M-00001-of-00002.gguf'));
  assert.deepEqual(readFileSync(path), files[part(1)]);
  assert.deepEqual(readFileSync(path.replace('-00001-', '-00002-')), files[part(2)]);
});

test('what cannot be imported is refused, and GGUF files that could be taken are named', async (t) => {
  const gguf = { 'a-Q4_0.gguf': Buffer.from('x'), 'a-Q8_0.gguf': Buffer.from('x') };
  const hub = await fakeHub(t, { name: NAME, files: gguf });
  await refused(
    get(hub, emptyHome(t)),
    'INVALID_FIELD',
    /has no config\.json; take one of its GGUF files with --file: a-Q4_0\.gguf, a-Q8_0\.gguf/,
  );
  await refused(
    get(hub, emptyHome(t), { file: 'a-Q5_0.gguf' }),
    'INVALID_FIELD',
    /has no file a-Q5_0\.gguf; it has a-Q4_0\.gguf, a-Q8_0\.gguf/,
  );
  const old = await fakeHub(t, {
    name: NAME,
    files: { 'config.json': json({}), 'pytorch_model.bin': Buffer.from('x') },
  });
  await refused(
    get(old, emptyHome(t)),
    'INVALID_FIELD',
    /has no model\.safetensors \(nor model\.safetensors\.index\.json\)/,
  );
});

test('a connection that is cut goes on where it was', async (t) => {
  const hub = await wholeHub(t);
  hub.faults.set('model.safetensors', [{ cutAfter: 1_000_000 }]);
  const events: FetchEvent[] = [];
  const folder = await get(hub, emptyHome(t), { events });
  assert.deepEqual(readFileSync(join(folder, 'model.safetensors')), WEIGHTS);
  const ranges = hub.contentSeen
    .filter(({ path }) => path.endsWith('model.safetensors'))
    .map(({ range }) => range);
  assert.equal(ranges.length, 2);
  assert.equal(ranges[0], undefined);
  const from = Number(/^bytes=(\d+)-$/.exec(ranges[1] ?? '')?.[1]);
  assert.ok(from > 0 && from <= 1_000_000, `went on at ${ranges[1]}`);
  assert.match(
    notes(events)[0]!,
    new RegExp(`lost after ${from} of 3000000 bytes of model\\.safetensors .*trying again`),
  );
});

test('when all attempts are cut the next run goes on there, not from the start', async (t) => {
  const hub = await wholeHub(t);
  const home = emptyHome(t);
  hub.faults.set('model.safetensors', [{ cutAfter: 500_000 }, { cutAfter: 300_000 }, { cutAfter: 200_000 }]);
  await refused(
    get(hub, home),
    'SOURCE_UNAVAILABLE',
    /lost after \d+ of 3000000 bytes .*, 3 times; the next run goes on there/,
  );
  const before = hub.contentSeen.length;
  const folder = await get(hub, home);
  const [again, ...more] = hub.contentSeen.slice(before);
  assert.deepEqual(more, []);
  const from = Number(/^bytes=(\d+)-$/.exec(again?.range ?? '')?.[1]);
  assert.ok(from > 500_000 && from <= 1_000_000, `went on at ${again?.range}`);
  assert.deepEqual(readFileSync(join(folder, 'model.safetensors')), WEIGHTS);
});

test('silence is a lost connection', async (t) => {
  const hub = await wholeHub(t);
  hub.faults.set('model.safetensors', [{ silentAfter: 100_000 }]);
  const events: FetchEvent[] = [];
  const folder = await get(hub, emptyHome(t), { events });
  assert.match(notes(events)[0]!, /no data in 0\.5 s/);
  assert.deepEqual(readFileSync(join(folder, 'model.safetensors')), WEIGHTS);
});

test('a server that knows no ranges is read from the start again', async (t) => {
  const hub = await wholeHub(t);
  hub.faults.set('model.safetensors', [{ cutAfter: 1_000_000 }, 'no-ranges']);
  const folder = await get(hub, emptyHome(t));
  assert.deepEqual(readFileSync(join(folder, 'model.safetensors')), WEIGHTS);
});

test('a file with another hash is refused and nothing of it is kept: SHA-256 of large files, git’s of small ones', async (t) => {
  for (const name of ['model.safetensors', 'config.json']) {
    const hub = await wholeHub(t);
    const home = emptyHome(t);
    hub.faults.set(name, ['other-bytes']);
    await refused(
      get(hub, home),
      'CORRUPT',
      new RegExp(`${name} as it was received has not the hash that the hub tells`),
    );
    const folder = join(home, 'cache/hub/someone--Tiny-Model', COMMIT);
    assert.deepEqual(
      readdirSync(folder).filter((file) => file.startsWith(name) || file.endsWith('.lock')),
      [],
    );
    assert.deepEqual(readFileSync(join(await get(hub, home), name)), WHOLE[name as keyof typeof WHOLE]);
  }
});

test('a damaged half of an earlier run is started again, once', async (t) => {
  const hub = await wholeHub(t);
  const home = emptyHome(t);
  hub.faults.set('model.safetensors', [{ cutAfter: 900_000 }, { status: 404 }]);
  await refused(
    get(hub, home),
    'UNKNOWN_MODEL',
    /has no model\.safetensors of someone\/Tiny-Model at revision main/,
  );
  const partial = join(home, 'cache/hub/someone--Tiny-Model', COMMIT, 'model.safetensors.partial');
  writeFileSync(partial, Buffer.alloc(800_000, 1));
  const events: FetchEvent[] = [];
  const folder = await get(hub, home, { events });
  assert.match(notes(events)[0]!, /what an earlier run left of model\.safetensors is damaged/);
  assert.deepEqual(readFileSync(join(folder, 'model.safetensors')), WEIGHTS);
});

test('more bytes than the listing says are not written', async (t) => {
  const hub = await wholeHub(t);
  hub.faults.set('model.safetensors', ['too-many-bytes']);
  await refused(
    get(hub, emptyHome(t)),
    'CORRUPT',
    /model\.safetensors as it was received has more than 3000000 bytes/,
  );
});

test('the token goes to the hub and not to where it redirects; without it the refusal names HF_TOKEN', async (t) => {
  const hub = await wholeHub(t, 'a-token-of-a-mirror');
  await get(hub, emptyHome(t), { token: 'a-token-of-a-mirror' });
  assert.ok(hub.contentSeen.length > 0);
  assert.ok(hub.contentSeen.every(({ authorization }) => authorization === undefined));
  await refused(
    get(hub, emptyHome(t)),
    'SOURCE_UNAVAILABLE',
    /refuses someone\/Tiny-Model \(HTTP 401\): it does not exist, or it needs a token in HF_TOKEN/,
  );
  await refused(
    get(hub, emptyHome(t), { token: 'wrong' }),
    'SOURCE_UNAVAILABLE',
    /HTTP 401\): it does not exist, or the token in HF_TOKEN has no access/,
  );
});

test('an unknown revision is told as such; a commit can be named', async (t) => {
  const hub = await wholeHub(t);
  await refused(
    get(hub, emptyHome(t), { revision: 'v9' }),
    'UNKNOWN_MODEL',
    /has no someone\/Tiny-Model at revision v9/,
  );
  assert.ok((await get(hub, emptyHome(t), { revision: COMMIT })).endsWith(COMMIT));
});

test('a busy hub is asked again, a broken one a limited number of times', async (t) => {
  const hub = await wholeHub(t);
  hub.apiStatuses.push(503, 429);
  const events: FetchEvent[] = [];
  await get(hub, emptyHome(t), { events });
  assert.deepEqual(
    notes(events).map((note) => /HTTP \d+/.exec(note)?.[0]),
    ['HTTP 503', 'HTTP 429'],
  );
  hub.apiStatuses.push(500, 500, 500);
  await refused(get(hub, emptyHome(t)), 'SOURCE_UNAVAILABLE', /refuses someone\/Tiny-Model \(HTTP 500\)/);
});

test('offline, it says so at once in one line', async (t) => {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  const events: FetchEvent[] = [];
  const home = emptyHome(t);
  await refused(
    get({ url: `http://127.0.0.1:${port}` }, home, { events }),
    'SOURCE_UNAVAILABLE',
    new RegExp(`^http://127\\.0\\.0\\.1:${port} cannot be reached \\(.*ECONNREFUSED.*\\)$`),
  );
  assert.deepEqual(events, []);
});

test('what answers but is no hub is told as such; an endpoint that is no address is refused', async (t) => {
  const server = createServer((_, response) => response.end('<html>welcome</html>'));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => void server.close());
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  await refused(get({ url }, emptyHome(t)), 'SOURCE_UNAVAILABLE', /does not answer as a hub does/);
  server.closeAllConnections();
  await refused(
    get({ url: 'huggingface.co' }, emptyHome(t)),
    'INVALID_FIELD',
    /HF_ENDPOINT must be an address like https:\/\/huggingface\.co, it is "huggingface\.co"/,
  );
});

test('references and file names are checked before anything is asked', () => {
  assert.deepEqual(parseHubReference('a/b.c@refs/pr/1'), { repository: 'a/b.c', revision: 'refs/pr/1' });
  for (const bad of ['a', 'a/b/c', '../b', 'a/..', 'a/b@', 'a/b@../x', 'a/b c', 'a/b@x y'])
    assert.throws(() => parseHubReference(bad), { reason: 'INVALID_FIELD' }, bad);
});
