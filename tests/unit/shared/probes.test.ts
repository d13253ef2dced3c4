import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ZmeshError } from '#shared/errors.js';
import { startProbes } from '#shared/probes.js';

test('/healthz answers from the start, /readyz when it is told to, /metrics with what is measured', async (t) => {
  let failing = false;
  const metrics = async () => {
    if (failing) throw new Error('no reader');
    return 'm 1\n';
  };
  const probes = await startProbes({ host: '127.0.0.1', port: 0, metrics });
  t.after(() => probes!.close());
  const get = async (path: string, method = 'GET') => {
    const response = await fetch(`http://${probes!.address}${path}`, { method });
    return [response.status, await response.text(), response.headers.get('content-type')] as const;
  };
  assert.deepEqual((await get('/healthz')).slice(0, 2), [200, 'ok\n']);
  assert.deepEqual((await get('/readyz')).slice(0, 2), [503, 'not ready\n']);
  probes!.setReady(true);
  assert.deepEqual((await get('/readyz?verbose')).slice(0, 2), [200, 'ready\n']);
  assert.deepEqual(await get('/metrics'), [200, 'm 1\n', 'text/plain; version=0.0.4; charset=utf-8']);
  assert.equal((await get('/else'))[0], 404);
  assert.equal((await get('/constructor'))[0], 404);
  assert.equal((await get('/metrics', 'POST'))[0], 405);
  failing = true;
  assert.deepEqual((await get('/metrics')).slice(0, 2), [500, 'failed: no reader\n']);

  const port = Number(probes!.address.split(':')[1]);
  await assert.rejects(
    startProbes({ host: '127.0.0.1', port, metrics }),
    (error: ZmeshError) =>
      error.reason === 'INVALID_FIELD' &&
      error.message === `cannot listen on 127.0.0.1:${port} for metrics and probes: the port is taken`,
  );
});

test('port -1 serves nothing', async () => {
  assert.equal(await startProbes({ host: '127.0.0.1', port: -1, metrics: undefined }), undefined);
});
