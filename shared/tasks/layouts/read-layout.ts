import { readdir, stat } from 'node:fs/promises';
import { basename, dirname, extname, join, resolve } from 'node:path';
import { EXTRACTIONS, type Extraction } from '../extraction.js';
import { noTasks } from '../no-tasks.js';
import { type Row, throwFaults } from '../parse.js';
import type { SplitRows } from '../splits.js';
import { SPLITS, type Split } from '../task.js';
import type { TaskSource } from '../task-file.js';
import { LAYOUTS, type Layout, TESTS } from './layout.js';
import { ROW_FILES, readRows } from './rows.js';
import { applyRule, SPLIT_RULES, type SplitRule } from './split-rule.js';

/** What a file's or folder's name says about its split; `_` and `-` separate. */
const NAMES: Readonly<Record<Split, RegExp>> = {
  train: /(^|[^a-z])train/i,
  val: /(^|[^a-z])(val|valid|validation|dev)([^a-z]|$)/i,
  test: /(^|[^a-z])test/i,
};

/** Published data as questions of splits. */
export interface ReadLayout {
  readonly layout: Layout;
  readonly rows: SplitRows;
}

/**
 * Reads published data. `base` is the task's folder or file: relative paths in `source` start from its folder. Splits are the files that `source.files` names,
 * or those of the folder at `source.path` (default `base`) whose names say `train`, `val`/`dev` or `test`; a single file, or
 * files that say nothing, are the split test. `saidBy` tells who gave a field of `source`.
 * Throws INVALID_FIELD for settings that do not exist and paths without data.
 */
export async function readLayout(
  base: string,
  source: TaskSource,
  saidBy: (field: keyof TaskSource) => string,
): Promise<ReadLayout> {
  const { layout, rule, extraction, tests } = settingsOf(source, saidBy);
  const paths = await pathsOf(base, source);
  const rows: Partial<Record<Split, Row[]>> = {};
  for (const split of SPLITS) {
    const read: Row[] = [];
    for (const path of paths[split] ?? []) read.push(...(await readRows(path, layout.rawFields ?? [])));
    rows[split] = read.map(({ place, json }, i) => ({
      place,
      json: typeof json === 'string' ? json : layout.toItem(json, { id: `${split}-${i}`, extraction, tests }),
    }));
  }
  return { layout, rows: applyRule(rule, rows) };
}

function settingsOf(source: TaskSource, saidBy: (field: keyof TaskSource) => string) {
  const { layout = '', rule = 'files', extraction = 'corrected', tests = 'base' } = source;
  const choices: readonly (readonly [keyof TaskSource, string, readonly string[]])[] = [
    ['layout', layout, Object.keys(LAYOUTS)],
    ['rule', rule, SPLIT_RULES],
    ['extraction', extraction, EXTRACTIONS],
    ['tests', tests, TESTS],
  ];
  throwFaults(
    choices
      .filter(([, value, known]) => !known.includes(value))
      .map(
        ([name, value, known]) =>
          `${saidBy(name)}: source.${name} must be one of ${known.join(', ')}, not "${value}"`,
      ),
  );
  return {
    layout: LAYOUTS[layout]!,
    rule: rule as SplitRule,
    extraction: extraction as Extraction,
    tests: tests as (typeof TESTS)[number],
  };
}

async function pathsOf(
  base: string,
  { path, files }: TaskSource,
): Promise<Partial<Record<Split, readonly string[]>>> {
  const folder = (await stat(base)).isDirectory() ? base : dirname(base);
  if (files) {
    const named = SPLITS.flatMap((split) =>
      files[split] === undefined ? [] : [[split, files[split]] as const],
    );
    for (const [, file] of named)
      if (!(await stat(resolve(folder, file)).catch(() => undefined)))
        throw noTasks(resolve(folder, file), 'there is no such file or folder');
    return Object.fromEntries(named.map(([split, file]) => [split, [resolve(folder, file)]]));
  }
  const root = path === undefined ? base : resolve(folder, path);
  const kind = await stat(root).catch(() => undefined);
  if (!kind) throw noTasks(root, 'there is no such file or folder');
  if (kind.isFile()) return { test: [root] };
  const entries = (await readdir(root, { withFileTypes: true }))
    .filter(
      (entry) =>
        entry.isDirectory() || (ROW_FILES.includes(extname(entry.name)) && entry.name !== 'task.json'),
    )
    .map(({ name }) => join(root, name))
    .sort((a, b) => a.localeCompare(b, 'en', { numeric: true }));
  const of = (split: Split): string[] => entries.filter((entry) => NAMES[split].test(basename(entry)));
  const found = { train: of('train'), val: of('val'), test: of('test') };
  if (SPLITS.some((split) => found[split].length > 0)) return found;
  if (entries.length === 0) throw noTasks(root, `it holds no file that ends ${ROW_FILES.join(', ')}`);
  return { test: entries };
}
