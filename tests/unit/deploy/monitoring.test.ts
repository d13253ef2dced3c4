import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { parse } from 'yaml';
import { projectRoot } from '#shared/paths.js';
import { namesInQuery } from '../../support/promql.js';

const read = (file: string): string => readFileSync(join(projectRoot, file), 'utf8');

interface Panel {
  readonly id: number;
  readonly type: string;
  readonly title: string;
  readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number };
  readonly datasource?: { readonly uid: string };
  readonly targets?: readonly { readonly expr: string; readonly legendFormat: string }[];
}

describe('the dashboard', () => {
  const { panels } = JSON.parse(read('deploy/grafana/zmesh.json')) as { readonly panels: readonly Panel[] };

  test('has panels with ids of their own that do not overlap', () => {
    assert.equal(new Set(panels.map(({ id }) => id)).size, panels.length);
    const taken = new Map<string, string>();
    for (const { title, gridPos } of panels) {
      const { x, y, w, h } = gridPos;
      assert.ok(x >= 0 && x + w <= 24, `${title} is wider than the page`);
      for (let row = y; row < y + h; row++)
        for (let column = x; column < x + w; column++) {
          const cell = `${column},${row}`;
          assert.equal(taken.get(cell), undefined, `${title} lies over ${taken.get(cell)}`);
          taken.set(cell, title);
        }
    }
  });

  test('asks the source that is chosen, and names each line', () => {
    for (const { title, type, datasource, targets = [] } of panels) {
      if (type === 'row') continue;
      assert.match(datasource?.uid ?? '', /^\$\{datasource\}$/, title);
      assert.notEqual(targets.length, 0, title);
      for (const { legendFormat } of targets) assert.notEqual(legendFormat, '', title);
    }
  });
});

describe('the alerts', () => {
  const { groups } = parse(read('deploy/prometheus/rules.yml')) as {
    readonly groups: readonly {
      readonly rules: readonly { readonly alert?: string; readonly labels?: { severity: string } }[];
    }[];
  };
  const alerts = groups.flatMap(({ rules }) => rules).filter(({ alert }) => alert !== undefined);

  test('are explained in docs/alerts.md, each with its severity, and no other', () => {
    const rows = [...read('docs/alerts.md').matchAll(/^\| (Zmesh\w+) \| (\w+) \|/gm)];
    assert.deepEqual(
      rows.map(([, name, severity]) => [name, severity]),
      alerts.map(({ alert, labels }) => [alert, labels?.severity]),
    );
  });

  test('are each tested for when they fire', () => {
    const tested = parse(read('deploy/prometheus/rules.test.yml')) as {
      tests: { alert_rule_test?: { alertname: string; exp_alerts: unknown[] }[] }[];
    };
    const fired = tested.tests
      .flatMap(({ alert_rule_test: rules = [] }) => rules)
      .filter(({ exp_alerts: expected }) => expected.length > 0)
      .map(({ alertname }) => alertname);
    assert.deepEqual(
      alerts.map(({ alert }) => alert).filter((alert) => !fired.includes(alert!)),
      [],
    );
  });
});

describe('reading queries', () => {
  test('finds metrics with their labels, and what is grouped by', () => {
    const query = 'sum by (le, a) (rate(x_bucket{b="1",c=~"2"}[5m])) / on (d) group_left y > 3';
    assert.deepEqual(namesInQuery(query), {
      metrics: [
        { metric: 'x_bucket', matched: ['b', 'c'] },
        { metric: 'y', matched: [] },
      ],
      grouped: ['le', 'a', 'd'],
    });
  });

  test('refuses what is no PromQL, with the place', () => {
    assert.throws(() => namesInQuery('sum(rate(x[5m])'), /no PromQL at \d+/);
    assert.throws(() => namesInQuery('x{a=1}'), /no PromQL at \d+/);
  });
});
