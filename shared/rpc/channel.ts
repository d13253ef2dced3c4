import * as grpc from '@grpc/grpc-js';
import { noKeepaliveOnceClosing } from './closing-keepalive.js';
import { KEEPALIVE_MS, MESSAGE_BYTES_MAX } from './limits.js';
import { clientTracing } from './tracing.js';

noKeepaliveOnceClosing();

/** How a peer that speaks TLS is recognised, and how we show who we are. All PEM. */
export interface TlsOptions {
  /** Certificates of the authorities that are trusted. Default: those that come with Node. */
  readonly ca?: string | Uint8Array;
  /** Our own certificate chain and its key, where the peer asks for them. */
  readonly certificate?: string | Uint8Array;
  readonly key?: string | Uint8Array;
  /** The name that the peer's certificate must hold. Default: the host of the address. */
  readonly serverName?: string;
}

/** A status of UNAVAILABLE may be tried so often in all; what one try more costs a peer in trouble is bounded so. */
const TRIES_MAX = 4;

/** Channel credentials: TLS where asked for, else none. */
export function channelCredentials(tls: TlsOptions | undefined): grpc.ChannelCredentials {
  if (!tls) return grpc.credentials.createInsecure();
  const pem = (given: string | Uint8Array | undefined): Buffer | null =>
    given === undefined ? null : Buffer.from(given as string);
  return grpc.credentials.createSsl(pem(tls.ca), pem(tls.key), pem(tls.certificate));
}

/**
 * Channel options of every client: limits, keepalive, round robin, and new tries of the `retried` methods, which gRPC makes
 * on UNAVAILABLE before anything of an answer came (after 0.1 s, 0.2 s, 0.4 s, give or take a fifth).
 */
export function channelOptions(
  service: string,
  retried: readonly string[],
  {
    tls,
    keepaliveMs = KEEPALIVE_MS,
  }: { readonly tls?: TlsOptions | undefined; readonly keepaliveMs?: number },
): grpc.ClientOptions {
  return {
    interceptors: [clientTracing],
    // Nobody asks for gRPC's own book-keeping of calls, and every call and connection pays for it.
    'grpc.enable_channelz': 0,
    'grpc.max_receive_message_length': MESSAGE_BYTES_MAX,
    'grpc.max_send_message_length': MESSAGE_BYTES_MAX,
    'grpc.service_config': JSON.stringify({
      loadBalancingConfig: [{ round_robin: {} }],
      ...(retried.length > 0 && { methodConfig: [retries(service, retried)] }),
    }),
    'grpc.keepalive_time_ms': keepaliveMs,
    'grpc.keepalive_timeout_ms': keepaliveMs / 2,
    'grpc.initial_reconnect_backoff_ms': 100,
    'grpc.max_reconnect_backoff_ms': 2000,
    // Big answers over a network with latency: the default window of 64 KiB makes them crawl.
    'grpc-node.flow_control_window': 4 * 1024 * 1024,
    ...(tls?.serverName !== undefined && { 'grpc.ssl_target_name_override': tls.serverName }),
  };
}

function retries(service: string, methods: readonly string[]): grpc.MethodConfig {
  return {
    name: methods.map((method) => ({ service, method })),
    retryPolicy: {
      maxAttempts: TRIES_MAX,
      initialBackoff: '0.1s',
      maxBackoff: '1s',
      backoffMultiplier: 2,
      retryableStatusCodes: [grpc.status.UNAVAILABLE],
    },
  };
}
