import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { ALGORITHMS } from '#services/trainer/algorithms/registry.js';
import { METRICS } from '#services/trainer/metrics.js';
import { PRESETS } from '#services/trainer/presets.js';
import { describeAlgorithm } from '#services/trainer/settings.js';
import { projectRoot } from '#shared/paths.js';

const doc = readFileSync(join(projectRoot, 'docs/training.md'), 'utf8');
const algorithms = Object.values(ALGORITHMS);

/** A row for each setting; algorithms that share rule and help share the row. */
function settingRows(): string[] {
  const rows = new Map<string, { flag: string; range: string; help: string; defaults: [string, string][] }>();
  for (const algorithm of algorithms)
    for (const { flag, range, help, default: value } of describeAlgorithm(algorithm)) {
      const key = [flag, range, help].join('\n');
      const row = rows.get(key) ?? { flag, range, help, defaults: [] };
      row.defaults.push([algorithm.name, value]);
      rows.set(key, row);
    }
  return [...rows.values()].map(({ flag, range, help, defaults }) => {
    const values = new Set(defaults.map(([, value]) => value));
    const names = defaults.map(([name]) => name).join(', ');
    const shown =
      values.size > 1
        ? defaults.map(([name, value]) => `${value} (${name})`).join(', ')
        : `${[...values].join('')}${defaults.length === algorithms.length ? '' : ` (${names})`}`;
    return `| \`${flag}\` | ${shown} | ${range.replaceAll(' | ', ' or ')} | ${help} |`;
  });
}

test('the document has every setting with its default, range and meaning, and no other', () => {
  const [, table = ''] = doc.split('## Settings');
  const found = table.split('\n').filter((line) => line.startsWith('| `'));
  const metrics = Object.entries(METRICS).map(([name, what]) => `| \`${name}\` | ${what} |`);
  assert.deepEqual(found, [...settingRows(), ...metrics]);
});

test('the document says what each preset is and warns of', () => {
  for (const { name, help, caution } of Object.values(PRESETS)) {
    assert.ok(doc.includes(`**${name}**: ${help}`), name);
    if (caution !== undefined) assert.ok(doc.includes(caution), `caution of ${name}`);
  }
});
