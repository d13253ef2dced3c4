import { type ChildProcess, fork } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { sleep } from '#shared/deadline.js';
import { type ClusterPlace, natsConfig } from './config.js';
import type { TetherMessage } from './tether-message.js';

/** A running nats-server. */
export interface RunningNatsServer {
  /** Where clients connect, `nats://127.0.0.1:port`. */
  readonly url: string;
  /** Its port. */
  readonly port: number;
  /** Its process (not the tether's). */
  readonly pid: number;
  /** Resolves with one sentence when the server is gone, whoever stopped it. */
  readonly exited: Promise<string>;
  /** Stops it and waits until it is gone. */
  stop(): Promise<void>;
}

const READY_LIMIT_MS = 30_000;
const POLL_MS = 20;

/**
 * Starts a nats-server with JetStream on loopback. It dies with this process, even by kill -9.
 * `storeDir` holds its configuration, its log, its ports file and the streams; a second start there continues them.
 * Rejects with one line if it does not come up: a taken port says so.
 */
export async function startNatsServer(options: {
  /** The binary, from `ensureNatsServer`. */
  readonly path: string;
  readonly storeDir: string;
  /** Default 0: a free one. */
  readonly port?: number;
  /** Its place in a cluster. Default: it stands alone. */
  readonly cluster?: ClusterPlace;
  readonly log?: (line: string) => void;
}): Promise<RunningNatsServer> {
  const { path, storeDir, port = 0, cluster, log = () => {} } = options;
  const logFile = join(storeDir, 'nats-server.log');
  const portsDir = join(storeDir, 'ports');
  await rm(portsDir, { recursive: true, force: true });
  await mkdir(portsDir, { recursive: true });
  const configFile = join(storeDir, 'nats-server.conf');
  const config = natsConfig({ storeDir: join(storeDir, 'store'), portsDir, logFile, port, cluster });
  await writeFile(configFile, config);
  const logStart = existsSync(logFile) ? (await stat(logFile)).size : 0;

  const tether = fork(fileURLToPath(new URL('./tether.js', import.meta.url)), [path, '-c', configFile], {
    detached: true,
    execArgv: [],
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
  const server = observe(tether);
  const ready = await Promise.race([server.exited, waitForPorts(portsDir, server.exited)]);
  if (typeof ready === 'string')
    throw new Error(await whyNotStarted({ ended: ready, logFile, logStart, port }));
  const pid = await server.pid;
  log(`nats-server: ready on ${ready.url} (pid ${pid}, data in ${storeDir})`);
  return { ...ready, pid, exited: server.exited, stop: server.stop };
}

function observe(tether: ChildProcess): {
  pid: Promise<number>;
  exited: Promise<string>;
  stop(): Promise<void>;
} {
  let pid: number | undefined;
  let how: string | undefined;
  const started = new Promise<number>((resolve) => {
    tether.on('message', (message: TetherMessage) => {
      if (message.type === 'started') {
        pid = message.pid;
        resolve(pid);
      } else {
        how = [`exit ${message.signal ?? message.code}`, message.tail]
          .filter((part) => part !== '')
          .join(': ');
      }
    });
  });
  const exited = new Promise<string>((resolve) => {
    tether.on('exit', () => {
      if (how === undefined && pid !== undefined) kill(pid);
      resolve(how ?? 'its tether was killed');
    });
  });
  const stop = async (): Promise<void> => {
    if (tether.connected) tether.send('stop', () => {});
    await exited;
  };
  return { pid: started, exited, stop };
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // Gone already.
  }
}

/** The ports file appears once the server listens. */
async function waitForPorts(
  portsDir: string,
  exited: Promise<string>,
): Promise<{ url: string; port: number } | string> {
  let ended: string | undefined;
  exited.then((how) => {
    ended = how;
  });
  for (
    const giveUp = performance.now() + READY_LIMIT_MS;
    performance.now() < giveUp && ended === undefined;
    await sleep(POLL_MS)
  ) {
    const file = (await readdir(portsDir)).find((name) => name.endsWith('.ports'));
    if (!file) continue;
    const url = parsePorts(await readFile(join(portsDir, file), 'utf8'));
    if (url) return { url, port: Number(new URL(url).port) };
  }
  return ended ?? `not ready after ${READY_LIMIT_MS} ms`;
}

/** The client URL in a ports file; undefined while the file is still being written. */
function parsePorts(text: string): string | undefined {
  try {
    const parsed: unknown = JSON.parse(text);
    const urls = parsed && typeof parsed === 'object' && 'nats' in parsed ? parsed.nats : undefined;
    return Array.isArray(urls) && typeof urls[0] === 'string' ? urls[0] : undefined;
  } catch {
    return undefined;
  }
}

async function whyNotStarted(facts: {
  ended: string;
  logFile: string;
  logStart: number;
  port: number;
}): Promise<string> {
  const written = existsSync(facts.logFile)
    ? (await readFile(facts.logFile)).subarray(facts.logStart).toString('utf8')
    : '';
  if (/address already in use/.test(written + facts.ended))
    return `nats-server: port ${facts.port} on 127.0.0.1 is taken`;
  const fault = written
    .split('\n')
    .filter((line) => /\[(FTL|ERR)\]/.test(line))
    .at(-1);
  return `nats-server did not start: ${fault?.replace(/^.*\[(FTL|ERR)\] */, '') ?? facts.ended}`;
}
