import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { home, root, say } from './places.mjs';

/** Has nats-server itself read the configuration that the chart renders for it, and looks for what zmesh needs of it. */
export async function checkNatsConfig(manifests) {
  const config = manifests.find(({ kind, data }) => kind === 'ConfigMap' && data?.['nats.conf'])?.data[
    'nats.conf'
  ];
  if (config === undefined) return;
  for (const [needed, why] of [
    [/"sync_interval": "always"/, 'an acknowledged write must be on disk'],
    [/"max_memory_store": [1-9]/, 'announcements of replicas live in memory'],
    [/"max_file_store": [1-9]/, 'records live on disk'],
  ])
    if (!needed.test(config)) throw new Error(`the chart's nats.conf lacks ${needed}: ${why}`);
  const install = pathToFileURL(join(root, 'dist/deploy/local/nats-server/install.js')).href;
  const { path } = await (await import(install)).ensureNatsServer({ home, log: say });
  const folder = mkdtempSync(join(tmpdir(), 'zmesh-nats-config-'));
  const file = join(folder, 'nats.conf');
  try {
    writeFileSync(file, config.replaceAll('/data', folder).replaceAll('/var/run/nats', folder));
    const { status, stderr, stdout } = spawnSync(path, ['-t', '-c', file], {
      encoding: 'utf8',
      env: { ...process.env, SERVER_NAME: 'zmesh-nats-0' },
    });
    if (status !== 0) throw new Error(`nats-server does not take the chart's nats.conf:\n${stdout}${stderr}`);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
