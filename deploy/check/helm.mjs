import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseAllDocuments } from 'yaml';
import { checkCustomResources } from './custom-resources.mjs';
import { checkManifests } from './manifests.mjs';
import { checkNatsConfig } from './nats-config.mjs';
import { root, say } from './places.mjs';
import { pythonTool } from './python-tool.mjs';
import { helmTool } from './tools.mjs';

const CHART = join(root, 'deploy/helm/zmesh');
/** The oldest Kubernetes of Chart.yaml, and the newest whose schemas the validator holds. */
const KUBERNETES = ['1.30', '1.37'];
/** So long a script that waits must have waited. */
const WAIT_MS = 2000;
/** Values that must be refused, and what helm says then. */
const REFUSED = [
  [['--set', 'inference.replicaCount=3'], /additional properties 'replicaCount' not allowed|replicaCount/],
  [['--set', 'image.digest=latest'], /digest/],
  // Only inference has metrics to scale by.
  [['--set', 'dispatcher.autoscaling.metrics=custom'], /metrics/],
  [['--set', 'nats.enabled=false'], /externalNats\.url is needed/],
];

/**
 * Lints and renders the chart with every values file in its `ci/`; checks each rendered manifest against the schemas of
 * Kubernetes, strictly, and that what names another thing names one that is there.
 */
export async function checkHelm() {
  const helm = await helmTool();
  const validate = await pythonTool('kubernetes-validate');
  const run = (...args) => execFileSync(helm, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
  const dependencies = run('dependency', 'list', CHART);
  if (!/^nats\s+\S+\s+\S+\s+ok\b/m.test(dependencies))
    throw new Error(`deploy/helm/zmesh/charts does not hold what Chart.yaml names:\n${dependencies}`);

  for (const file of readdirSync(join(CHART, 'ci')).sort()) {
    const values = ['-f', join(CHART, 'ci', file), '--kube-version', KUBERNETES.at(-1)];
    const fault = attempt(() => run('lint', '--strict', CHART, ...values));
    if (fault) throw new Error(`helm lint with ci/${file}:\n${fault}`);
    const rendered = run('template', 'zmesh', CHART, '--namespace', 'zmesh', ...values);
    const manifests = parseAllDocuments(rendered)
      .map((document) => document.toJS())
      .filter(Boolean);
    checkSchemas(validate, rendered);
    await checkCustomResources(manifests);
    await checkManifests(manifests);
    checkWaiting(manifests);
    await checkNatsConfig(manifests);
    say(
      `helm chart with ci/${file}: ${manifests.length} manifests, linted, valid in Kubernetes ${KUBERNETES.join(' and ')}`,
    );
  }
  for (const [args, expected] of REFUSED) {
    const fault = attempt(() =>
      run('template', 'zmesh', CHART, '--kube-version', KUBERNETES.at(-1), ...args),
    );
    if (!fault || !expected.test(fault))
      throw new Error(`helm should refuse ${args.join(' ')}, it said: ${fault}`);
  }
  say(`helm chart: ${REFUSED.length} kinds of wrong values are refused`);
}

/** Runs the script that waits for the import as it stands: it ends once every `model.json` is there, and not before. */
function checkWaiting(manifests) {
  const { spec } = manifests.find(
    ({ kind, metadata }) => kind === 'Deployment' && /-inference$/.test(metadata.name),
  );
  const { command, args } = spec.template.spec.initContainers.find(({ name }) => name === 'wait-for-models');
  const folder = mkdtempSync(join(tmpdir(), 'zmesh-models-'));
  const [script, ...others] = args;
  const wait = () =>
    spawnSync(
      command[0],
      [...command.slice(1), script.replaceAll('/var/lib/zmesh/models', folder), ...others],
      {
        timeout: WAIT_MS,
      },
    ).status;
  try {
    const models = others.slice(1);
    for (const model of models) {
      if (wait() === 0) throw new Error(`inference does not wait for the import of ${model}`);
      mkdirSync(join(folder, model));
      writeFileSync(join(folder, model, 'model.json'), '{}');
    }
    if (models.length === 0 || wait() !== 0) throw new Error('inference waits although every model is there');
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function checkSchemas([python, program], rendered) {
  const folder = mkdtempSync(join(tmpdir(), 'zmesh-manifests-'));
  const file = join(folder, 'manifests.yaml');
  writeFileSync(file, rendered);
  try {
    for (const version of KUBERNETES) {
      const args = [program, '--strict', '--quiet', '--no-warn', '-k', version, file];
      const fault = attempt(() => execFileSync(python, args, { encoding: 'utf8', stdio: 'pipe' }));
      if (fault) throw new Error(`not valid in Kubernetes ${version}:\n${fault}`);
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** What a failing program said; undefined if it did not fail. */
function attempt(work) {
  try {
    work();
    return undefined;
  } catch (error) {
    return `${error.stdout ?? ''}${error.stderr ?? error.message}`.trim();
  }
}
