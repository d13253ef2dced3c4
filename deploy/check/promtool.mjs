/**
 * Checks Prometheus' files with Prometheus' own tool: the configuration, the rules, and the rules' tests.
 *
 *     node deploy/check/promtool.mjs
 */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { root } from '../local/setup.mjs';
import { findPromtool, MISSING } from './find-promtool.mjs';

const CHECKS = [
  ['check', 'config', 'prometheus.yml'],
  ['check', 'config', 'kubernetes.yml'],
  ['check', 'config', 'local.yml'],
  ['check', 'rules', 'rules.yml'],
  ['test', 'rules', 'rules.test.yml'],
];

/** Runs all of them; throws one sentence with promtool's own words if one fails or promtool is missing. */
export function checkPrometheus(say = (line) => process.stderr.write(`check:deploy: ${line}\n`)) {
  const promtool = findPromtool({ fetch: true, say });
  if (!promtool) throw new Error(MISSING);
  for (const args of CHECKS) {
    const { status, stdout, stderr } = spawnSync(promtool, args, {
      cwd: join(root, 'deploy/prometheus'),
      encoding: 'utf8',
    });
    if (status !== 0) throw new Error(`promtool ${args.join(' ')} failed:\n${stdout}${stderr}`.trim());
    say(`deploy/prometheus/${args[2]}: promtool ${args[0]} ${args[1]} passes`);
  }
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  try {
    checkPrometheus();
  } catch (error) {
    process.stderr.write(`check:deploy: ${error.message}\n`);
    process.exitCode = 1;
  }
}
