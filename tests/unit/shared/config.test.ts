import assert from 'node:assert/strict';
import { test } from 'node:test';
import { loadSettings, type SettingsError, type SettingsTable } from '#shared/config.js';

const TABLE = {
  port: { env: 'T_PORT', type: 'integer', default: 0, min: 0, max: 65535, help: 'Port.' },
  ratio: { env: 'T_RATIO', type: 'number', default: 0.5, min: 0, max: 1, help: 'Ratio.' },
  mode: { env: 'T_MODE', type: 'choice', default: 'fast', choices: ['fast', 'slow'], help: 'Mode.' },
  names: { env: 'T_NAMES', type: 'list', default: [], help: 'Names.' },
  loud: { env: 'T_LOUD', type: 'boolean', default: false, help: 'Loud.' },
  token: { env: 'T_TOKEN', type: 'string', default: '', help: 'Token.' },
} as const satisfies SettingsTable;

test('unset and empty variables give the defaults, and the result is frozen', () => {
  const settings = loadSettings(TABLE, { T_PORT: '' });
  assert.deepEqual(settings, { port: 0, ratio: 0.5, mode: 'fast', names: [], loud: false, token: '' });
  assert.ok(Object.isFrozen(settings));
});

test('values are read by their type', () => {
  const settings = loadSettings(TABLE, {
    T_PORT: '8080',
    T_RATIO: '1e-1',
    T_MODE: 'slow',
    T_NAMES: 'a, b,,c',
    T_LOUD: 'true',
    T_TOKEN: ' x ',
  });
  assert.deepEqual(settings, {
    port: 8080,
    ratio: 0.1,
    mode: 'slow',
    names: ['a', 'b', 'c'],
    loud: true,
    token: ' x ',
  });
});

test('all faults are told at once, each with the variable, the value and the rule', () => {
  assert.throws(
    () => loadSettings(TABLE, { T_PORT: '70000', T_RATIO: 'half', T_MODE: 'medium', T_LOUD: 'yes' }),
    (error: SettingsError) => {
      assert.deepEqual(error.faults, [
        'T_PORT="70000": outside 0 to 65535',
        'T_RATIO="half": not a number',
        'T_MODE="medium": not one of fast, slow',
        'T_LOUD="yes": neither true nor false',
      ]);
      return true;
    },
  );
  assert.throws(() => loadSettings(TABLE, { T_PORT: '1.5' }), /T_PORT="1.5": not a whole number/);
});
