/**
 * Checks Prometheus' files with Prometheus' own tool: the configuration, the rules, and the rules' tests.
 *
 *     node deploy/check/promtool.mjs
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { root } from '../local/setup.mjs';
import { findPromtool, MISSING } from './find-promtool.mjs';

const CHECKS = [
  ['check', 'config', 'prometheus.yml'],
  ['check', 'config', 'local.yml'],
  ['check', 'rules', 'rules.yml'],
  ['test', 'rules', 'rules.test.yml'],
];

const KUBERNETES = 'kubernetes.yml';

/** Runs all of them; throws one sentence with promtool's own words if one fails or promtool is missing. */
export function checkPrometheus(say = (line) => process.stderr.write(`check:deploy: ${line}\n`)) {
  const promtool = findPromtool({ fetch: true, say });
  if (!promtool) throw new Error(MISSING);
  const cwd = join(root, 'deploy/prometheus');
  const check = (file, args) => {
    const { status, stdout, stderr } = spawnSync(promtool, args, { cwd, encoding: 'utf8' });
    if (status !== 0)
      throw new Error(`${file}: promtool ${args.join(' ')} failed:\n${stdout}${stderr}`.trim());
    say(`deploy/prometheus/${file}: promtool ${args[0]} ${args[1]} passes`);
  };
  for (const args of CHECKS) check(args[2], args);
  // Debian's promtool is built without the discovery of Kubernetes: what becomes of the pods is checked as if a file named them.
  const scrape = readFileSync(join(cwd, KUBERNETES), 'utf8');
  const ofFile = scrape.replace(
    /kubernetes_sd_configs:\n\s+- role: pod\n/,
    'file_sd_configs: [{ files: [pods.json] }]\n',
  );
  if (ofFile === scrape) throw new Error(`deploy/prometheus/${KUBERNETES} does not look for pods`);
  const folder = mkdtempSync(join(tmpdir(), 'zmesh-prometheus-'));
  try {
    writeFileSync(join(folder, KUBERNETES), ofFile);
    check(KUBERNETES, ['check', 'config', join(folder, KUBERNETES)]);
  } finally {
    rmSync(folder, { recursive: true, force: true });
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
