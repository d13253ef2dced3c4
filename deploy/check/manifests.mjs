import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';
import { knownVariables } from './known-variables.mjs';
import { root } from './places.mjs';

/**
 * What no schema sees: that a selector matches pods, that volumes, claims, accounts and scaled things are there, that a
 * variable is one its program knows, that a program is one the build makes, that probes and policies name ports that are open.
 * Throws one sentence for all faults.
 */
export async function checkManifests(manifests) {
  const faults = [];
  const known = await knownVariables();
  const rules = parse(readFileSync(join(root, 'deploy/prometheus/adapter-rules.yml'), 'utf8')).rules.custom;
  const adapted = new Set(rules.map(({ name }) => name.as));
  const named = (kind) => manifests.filter((one) => one.kind === kind);
  const has = (kind, name) => named(kind).some((one) => one.metadata.name === name);
  const workloads = ['Deployment', 'StatefulSet', 'Job'].flatMap(named);
  const ours = workloads.filter(({ metadata }) => metadata.labels['app.kubernetes.io/name'] === 'zmesh');
  const others = workloads.filter((one) => !ours.includes(one));
  const pods = workloads.map(({ spec }) => spec.template);
  const matches = (selector = {}) => pods.filter(({ metadata }) => includes(metadata.labels, selector));

  for (const { kind, metadata, spec } of manifests) {
    const where = `${kind} ${metadata.name}`;
    const selectors = {
      Service: () => [spec.selector],
      PodDisruptionBudget: () => [spec.selector.matchLabels],
      NetworkPolicy: () => [spec.podSelector.matchLabels],
      Deployment: () => [spec.selector.matchLabels],
      PodMonitor: () => [spec.selector.matchLabels],
    }[kind];
    for (const selector of selectors?.() ?? [])
      if (matches(selector).length === 0) faults.push(`${where} selects no pod: ${JSON.stringify(selector)}`);
    if (kind === 'HorizontalPodAutoscaler' && !has(spec.scaleTargetRef.kind, spec.scaleTargetRef.name))
      faults.push(`${where} scales ${spec.scaleTargetRef.name}, which is not there`);
    if (kind === 'HorizontalPodAutoscaler')
      for (const { pods: measured } of spec.metrics)
        if (measured && !adapted.has(measured.metric.name))
          faults.push(
            `${where} goes by ${measured.metric.name}, which deploy/prometheus/adapter-rules.yml does not give`,
          );
    if (kind === 'NetworkPolicy')
      for (const port of spec.ingress.flatMap(({ ports = [] }) => ports.map((one) => one.port)))
        if (!matches(spec.podSelector.matchLabels).every((pod) => opens(pod, port)))
          faults.push(`${where} lets through to port ${port}, which is not open`);
    if (kind === 'Service')
      for (const { targetPort } of spec.ports)
        if (targetPort === 'metrics' && (spec.type ?? 'ClusterIP') !== 'ClusterIP')
          faults.push(`${where} shows metrics to whom it lets in from outside`);
        else if (
          typeof targetPort === 'string' &&
          !matches(spec.selector).every((pod) => opens(pod, targetPort))
        )
          faults.push(`${where} leads to port ${targetPort}, which is not open`);
  }
  for (const { kind, metadata, spec } of others)
    for (const fault of rightFaults(spec.template.spec)) faults.push(`${kind} ${metadata.name}: ${fault}`);
  for (const workload of ours) {
    const where = `${workload.kind} ${workload.metadata.name}`;
    for (const fault of podFaults(workload.spec.template.spec, {
      has,
      known,
      owned: named('PersistentVolumeClaim'),
    }))
      faults.push(`${where}: ${fault}`);
  }
  if (faults.length > 0) throw new Error(`the rendered manifests are not whole:\n${faults.join('\n')}`);
}

const includes = (labels = {}, selector = {}) =>
  Object.entries(selector).every(([key, value]) => labels[key] === value);

const opens = (pod, port) =>
  pod.spec.containers.some(({ ports = [] }) =>
    ports.some((one) => one.name === port || one.containerPort === port),
  );

/** What a pod may do that none of ours need, and containers that may take all of a node's memory. */
function* rightFaults(pod) {
  if (pod.securityContext?.runAsNonRoot !== true) yield 'it may run as root';
  for (const { name, securityContext: rights, resources } of [
    ...(pod.initContainers ?? []),
    ...pod.containers,
  ]) {
    if (rights?.readOnlyRootFilesystem !== true) yield `${name} may write its file system`;
    if (rights?.allowPrivilegeEscalation !== false || !rights?.capabilities?.drop?.includes('ALL'))
      yield `${name} may have capabilities`;
    if (!resources?.limits?.memory) yield `${name} has no limit of memory`;
  }
}

function* podFaults(pod, { has, known, owned }) {
  yield* rightFaults(pod);
  if (!has('ServiceAccount', pod.serviceAccountName)) yield `no service account ${pod.serviceAccountName}`;
  const volumes = new Set(pod.volumes.map(({ name }) => name));
  for (const { persistentVolumeClaim: claim } of pod.volumes)
    if (
      claim &&
      owned.length > 0 &&
      claim.claimName.endsWith('-models') &&
      !has('PersistentVolumeClaim', claim.claimName)
    )
      yield `no claim ${claim.claimName}`;
  for (const container of [...(pod.initContainers ?? []), ...pod.containers]) {
    const { name, args = [], command, env = [], volumeMounts = [], ports = [] } = container;
    for (const mount of volumeMounts)
      if (!volumes.has(mount.name)) yield `${name} mounts ${mount.name}, no such volume`;
    if (!command && !existsSync(join(root, args[0] ?? '')))
      yield `${name} runs ${args[0]}, which the build does not make`;
    for (const { name: variable } of env)
      if (!known.has(variable)) yield `${name} sets ${variable}, which no service knows`;
    for (const probe of ['startupProbe', 'readinessProbe', 'livenessProbe']) {
      const port = container[probe]?.grpc?.port;
      if (port !== undefined && !ports.some((one) => one.containerPort === port))
        yield `${name}: ${probe} asks port ${port}`;
      if (ports.length > 0 && port === undefined) yield `${name} has no ${probe}`;
    }
    const defined = new Set();
    for (const { name: variable, value } of env) {
      for (const [, used] of (value ?? '').matchAll(/\$\((\w+)\)/g))
        if (!defined.has(used)) yield `${name}: ${variable} uses ${used} before it is set`;
      defined.add(variable);
    }
  }
}
