import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { loadSettings, type SettingsError, type SettingsTable } from '#shared/config.js';
import { givenSettings } from '#shared/given-settings.js';
import { helpText, maskedSettings } from '#shared/settings-text.js';

const TABLE = {
  port: { env: 'T_PORT', type: 'integer', default: 1, min: -1, max: 65535, help: 'port' },
  natsUrl: { env: 'T_NATS', type: 'string', default: 'nats://x', help: 'where NATS is' },
  names: { env: 'T_NAMES', type: 'list', default: ['z'], help: 'names' },
  loud: { env: 'T_LOUD', type: 'boolean', default: false, help: 'whether' },
  mode: { env: 'T_MODE', type: 'choice', default: 'fast', choices: ['fast', 'slow'], help: 'mode' },
  token: { env: 'T_TOKEN', type: 'string', default: '', help: 'token', secret: true },
} as const satisfies SettingsTable;

const folder = mkdtempSync(join(tmpdir(), 'zmesh-settings-'));
after(() => rmSync(folder, { recursive: true }));

function file(content: unknown): string {
  const path = join(folder, 'zmesh.json');
  writeFileSync(path, typeof content === 'string' ? content : JSON.stringify(content));
  return path;
}

function load(args: readonly string[], env: NodeJS.ProcessEnv = {}) {
  const given = givenSettings(TABLE, { args, env });
  assert.deepEqual(given.faults, []);
  return loadSettings(TABLE, given.env, given.sourceOf);
}

describe('settings from everywhere', () => {
  test('flags go before the environment, the environment before the file, the file before defaults', () => {
    const path = file({ port: 3, natsUrl: 'nats://file', names: ['a', 'b'], loud: true });
    const env = { T_PORT: '4', T_NATS: 'nats://env', T_NAMES: '' };
    const settings = load(['--config', path, '--port=5', '--mode', 'slow'], env);
    assert.equal(settings.port, 5);
    assert.equal(settings.mode, 'slow');
    assert.equal(settings.natsUrl, 'nats://env');
    assert.deepEqual(settings.names, ['a', 'b'], 'an empty variable is an unset one');
    assert.equal(settings.loud, true);
    assert.equal(settings.token, '');
  });

  test('ZMESH_CONFIG names the file, --config another one', () => {
    const path = file({ port: 3 });
    assert.equal(load([], { ZMESH_CONFIG: path }).port, 3);
    assert.equal(load([`--config=${path}`], { ZMESH_CONFIG: '/nowhere.json' }).port, 3);
  });

  test('a boolean flag needs no value, a negative number and an empty text are values', () => {
    assert.equal(load(['--loud']).loud, true);
    assert.equal(load(['--loud=false'], { T_LOUD: 'true' }).loud, false);
    assert.equal(load(['--port', '-1']).port, -1);
    assert.equal(load(['--nats-url', ''], { T_NATS: 'nats://env' }).natsUrl, 'nats://x');
  });

  test('all faults are told at once, each with the place that the value came from', () => {
    const path = file({ port: '3', names: ['a,b'], mode: 'medium', nope: 1, loud: 'yes' });
    const given = givenSettings(TABLE, {
      args: ['--port', '70000', '--what', '3', 'extra', '--nats-url', '--loud', '--config', path],
      env: { T_LOUD: 'maybe' },
    });
    assert.deepEqual(given.faults, [
      '--what: no such flag; --help lists them',
      '"3": not a flag',
      '"extra": not a flag',
      '--nats-url: needs a value',
      `${path}: port: must be a number`,
      `${path}: names: must be a list of texts without commas`,
      `${path}: nope: no such setting; --help lists them`,
      `${path}: loud: must be true or false`,
    ]);
    assert.throws(
      () => loadSettings(TABLE, given.env, given.sourceOf),
      ({ faults }: SettingsError) => {
        assert.deepEqual(faults, [
          '--port="70000": outside -1 to 65535',
          'T_LOUD="maybe": neither true nor false',
          `${path}: mode="medium": not one of fast, slow`,
        ]);
        return true;
      },
    );
  });

  test('a file that is missing, no JSON or no object is one fault', () => {
    const faults = (path: string) => givenSettings(TABLE, { args: ['--config', path], env: {} }).faults;
    assert.match(faults(join(folder, 'gone.json'))[0]!, /gone\.json: cannot be read as settings: ENOENT/);
    assert.match(faults(file('{'))[0]!, /cannot be read as settings: /);
    assert.match(faults(file([1]))[0]!, /: not a JSON object$/);
  });

  test('keys that every object has are no settings', () => {
    const given = givenSettings(TABLE, {
      args: ['--config', file('{"__proto__": 1, "constructor": 2}')],
      env: {},
    });
    assert.equal(given.faults.length, 2);
  });
});

describe('settings as text', () => {
  test('--help names every flag, variable, range and default', () => {
    assert.equal(givenSettings(TABLE, { args: ['-h'], env: {} }).help, true);
    const text = helpText({ name: 'thing', about: 'does things' }, [{ title: 'Settings', table: TABLE }]);
    assert.match(text, /^zmesh thing: does things$/m);
    assert.match(text, /^ {2}--nats-url {2}\(T_NATS\)\n {6}where NATS is\. text; default nats:\/\/x$/m);
    assert.match(text, /^ {6}port\. integer, -1 to 65535; default 1$/m);
    assert.ok(text.split('\n').every((line) => line.length <= 110));
  });

  test('secrets and users in URLs are masked', () => {
    const values = new Map<string, unknown>([
      ['natsUrl', 'nats://me:pw@a:4222,nats://b:4222'],
      ['names', ['http://u@h/']],
      ['token', 'abc'],
      ['port', 3],
    ]);
    const { natsUrl, names, token, port } = maskedSettings(TABLE, values);
    assert.equal(natsUrl, 'nats://***@a:4222,nats://b:4222');
    assert.deepEqual([names, token, port], [['http://***@h/'], '***', 3]);
    assert.equal(
      maskedSettings(TABLE, new Map([['token', '']])).token,
      '',
      'an empty secret is shown as empty',
    );
  });
});
