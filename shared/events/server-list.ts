/** Where NATS is, as its client takes it, and as logs and errors may show it. */
export interface ServerList {
  /** `host:port` of each server. */
  readonly servers: readonly string[];
  /** Name and password of the first server that has them; they count for all. */
  readonly user?: string;
  readonly pass?: string;
  /** A token instead, from `nats://token@host`. */
  readonly token?: string;
  /** True where a server is named with `tls://`. */
  readonly tls: boolean;
  /** The list without what is secret in it. */
  readonly shown: string;
}

/**
 * Reads `nats://[user:password@]host:port`, several separated by commas. NATS' client takes credentials apart from its servers.
 * Throws TypeError for what is no address.
 */
export function readServerList(text: string): ServerList {
  const urls = text
    .split(',')
    .map((part) => new URL(/^[a-z]+:\/\//.test(part.trim()) ? part.trim() : `nats://${part.trim()}`));
  const wrong = urls.find(
    ({ protocol, hostname }) => !['nats:', 'tls:'].includes(protocol) || hostname === '',
  );
  if (wrong) throw new TypeError(`"${wrong.protocol}//${wrong.host}" is no nats:// or tls:// address`);
  const secret = urls.find(({ username }) => username !== '');
  const name = decodeURIComponent(secret?.username ?? '');
  const password = decodeURIComponent(secret?.password ?? '');
  return {
    servers: urls.map(({ host, port }) => (port === '' ? `${host}:4222` : host)),
    ...(secret && password !== '' ? { user: name, pass: password } : {}),
    ...(secret && password === '' ? { token: name } : {}),
    tls: urls.some(({ protocol }) => protocol === 'tls:'),
    shown: urls
      .map(({ protocol, host, username }) => `${protocol}//${username === '' ? '' : '***@'}${host}`)
      .join(','),
  };
}
