import assert from 'node:assert/strict';
import { test } from 'node:test';
import { loadSettings, type SettingsError, type SettingsTable } from '#shared/config.js';
import { unknownVariables } from '#shared/unknown-variables.js';

const TABLE = {
  one: { env: 'T_ONE', type: 'string', form: 'host:port', default: '', help: 'One.' },
  several: { env: 'T_SEVERAL', type: 'list', form: 'host:port', default: [], help: 'Several.' },
  url: { env: 'T_URL', type: 'string', form: 'http URL', default: '', help: 'URL.' },
  nats: { env: 'T_NATS', type: 'string', form: 'NATS URLs', default: '', help: 'NATS.' },
} as const satisfies SettingsTable;

test('addresses and URLs of every usual form are taken', () => {
  const settings = loadSettings(TABLE, {
    T_ONE: '[::1]:7000',
    T_SEVERAL: '127.0.0.1:1, registry.zmesh.svc.cluster.local:7071,a_b:65535',
    T_URL: 'http://127.0.0.1:4318/v1/traces',
    T_NATS: 'nats://user:secret@a:4222,tls://b,c:4222',
  });
  assert.deepEqual(settings.several, ['127.0.0.1:1', 'registry.zmesh.svc.cluster.local:7071', 'a_b:65535']);
  assert.equal(settings.one, '[::1]:7000');
});

test('what is no address is told with all other faults at once, without a password in it', () => {
  const env = {
    T_ONE: 'registry',
    T_SEVERAL: 'a:7071,b:70710',
    T_URL: 'ftp://host',
    T_NATS: 'http://user:secret@host',
  };
  assert.throws(
    () => loadSettings(TABLE, env),
    ({ faults }: SettingsError) => {
      assert.deepEqual(faults, [
        'T_ONE="registry": not host:port with a port from 1 to 65535',
        'T_SEVERAL="a:7071,b:70710": not host:port with a port from 1 to 65535',
        'T_URL="ftp://host": not an http:// or https:// URL',
        'T_NATS=(hidden): not a list of nats:// or tls:// URLs',
      ]);
      return true;
    },
  );
  for (const text of ['http://a:1', 'a:0', ':7071', 'a:', 'a b:1', '-a:1', 'a:7071/x', '::1:7000'])
    assert.throws(() => loadSettings(TABLE, { T_ONE: text }), /T_ONE=.*not host:port/, text);
});

test('a misspelt variable is told with the known one that is most alike; what others set is left alone', () => {
  const env = {
    ZMESH_DISPACHER_PORT: '1',
    ZMESH_NATS_URLS: 'x',
    ZMESH_NATS_URL: 'nats://a',
    ZMESH_DISPATCHER_SERVICE_HOST: '10.0.0.1',
    ZMESH_DISPATCHER_PORT_7000_TCP: 'tcp://10.0.0.1:7000',
    ZMESH_TEST_X: '1',
    PATH: '/bin',
  };
  assert.deepEqual(unknownVariables(env), [
    { name: 'ZMESH_DISPACHER_PORT', nearest: 'ZMESH_DISPATCHER_PORT' },
    { name: 'ZMESH_NATS_URLS', nearest: 'ZMESH_NATS_URL' },
  ]);
});
