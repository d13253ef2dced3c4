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
}): string {
  return [
    'server_name: zmesh-local',
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
    '',
  ].join('\n');
}
