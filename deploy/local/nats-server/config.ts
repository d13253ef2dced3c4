/** Where a node stands in a cluster. */
export interface ClusterPlace {
  /** Name of the cluster, the same in each node. */
  readonly name: string;
  /** Name of this node, its own in the cluster. */
  readonly node: string;
  /** Port of this node for the others. */
  readonly port: number;
  /** Ports of all nodes, on loopback. */
  readonly routes: readonly number[];
}

/**
 * Configuration of a local nats-server: loopback only, JetStream that syncs every write to disk before it acknowledges.
 * Without `sync_interval: always` an acknowledged write lives in the page cache for up to two minutes, and a crash of the
 * machine loses it.
 */
export function natsConfig(options: {
  readonly storeDir: string;
  readonly portsDir: string;
  readonly logFile: string;
  /** 0 = a free one. */
  readonly port: number;
  /** Default: a server on its own. */
  readonly cluster?: ClusterPlace | undefined;
}): string {
  return [
    `server_name: ${options.cluster?.node ?? 'zmesh-local'}`,
    'host: "127.0.0.1"',
    `port: ${options.port === 0 ? -1 : options.port}`,
    `ports_file_dir: ${JSON.stringify(options.portsDir)}`,
    `log_file: ${JSON.stringify(options.logFile)}`,
    'logfile_size_limit: 8MB',
    'logfile_max_num: 2',
    'jetstream {',
    `  store_dir: ${JSON.stringify(options.storeDir)}`,
    '  sync_interval: always',
    '}',
    ...clusterConfig(options.cluster),
    '',
  ].join('\n');
}

function clusterConfig(place: ClusterPlace | undefined): string[] {
  if (!place) return [];
  return [
    'cluster {',
    `  name: ${place.name}`,
    `  listen: "127.0.0.1:${place.port}"`,
    `  routes: [${place.routes.map((port) => `"nats://127.0.0.1:${port}"`).join(', ')}]`,
    '}',
  ];
}
