import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { projectRoot } from '#shared/paths.js';
import { portOf } from './port.js';
import type { RunClaim, RunProcess } from './run-file.js';
import { startServiceProcess } from './service-process.js';
import { type Incarnation, type Supervised, supervise } from './supervise.js';

/** The processes of one mesh, in the order in which they were started. */
export interface MeshProcesses {
  /** Starts a process and keeps it alive; its address. */
  keep(
    name: string,
    logFile: string,
    start: (before: Incarnation | undefined) => Promise<Incarnation>,
  ): Promise<string>;
  /**
   * Starts one of our services `count` times and keeps each alive at its addresses, that of its metrics too; returns where they are called. The first has the given
   * port, further ones have free ports and are named `<name>-2`, `<name>-3`, …
   */
  service(
    name: string,
    port: { readonly variable: string; readonly value: number },
    options: { readonly count: number; readonly env?: NodeJS.ProcessEnv },
  ): Promise<readonly string[]>;
  /** Adds what runs inside the runner itself to the run file. */
  inside(name: string, address: string, close: () => Promise<void>): void;
  /** Says in the run file that the mesh is ready. */
  ready(): void;
  /** Resolves with one line when one of the processes is given up. */
  lost(): Promise<string>;
  /** Stops everything, last started first, and gives the run file back. */
  stop(): Promise<void>;
}

/** Keeps the processes of a mesh and writes them to the run file. */
export function meshProcesses(options: {
  readonly claim: RunClaim;
  /** Folder of the services' logs; it exists. */
  readonly logs: string;
  /** What every service gets. */
  readonly env: NodeJS.ProcessEnv;
  readonly say: (line: string) => void;
  readonly signal: AbortSignal;
}): MeshProcesses {
  const { claim, logs, env: base, say, signal } = options;
  const kept: { readonly supervised: Supervised; readonly log: string }[] = [];
  const insiders: RunProcess[] = [];
  const undo: (() => Promise<void>)[] = [async () => claim.release()];
  let phase: 'starting' | 'ready' = 'starting';
  const note = (): void => {
    const processes = kept.map(({ supervised: { name, current }, log }): RunProcess => {
      const { pid, address, httpAddress: http } = current();
      return { name, pid, log, ...(address === undefined ? {} : { address }), ...(http ? { http } : {}) };
    });
    claim.update({ phase, processes: [...processes, ...insiders] });
  };
  const keep: MeshProcesses['keep'] = async (name, log, start) => {
    const supervised = await supervise({ name, start, say, restarted: note });
    undo.push(() => supervised.stop());
    kept.push({ supervised, log });
    note();
    signal.throwIfAborted();
    return supervised.current().address ?? '';
  };
  return {
    keep,
    async service(name, { variable, value }, { count, env = {} }) {
      const entry = join(projectRoot, 'dist/services', name, 'main.js');
      const addresses: string[] = [];
      const http = variable.replace(/_PORT$/, '_HTTP_PORT');
      // Metrics are there on a free port unless they are set otherwise; a port that is set can be one replica's alone.
      const httpPort = base[http] || '0';
      const shared = httpPort === '-1' ? '-1' : '0';
      for (let number = 1; number <= count; number++) {
        const replica = number === 1 ? name : `${name}-${number}`;
        const first = number === 1 ? value : 0;
        const logFile = join(logs, `${replica}.log`);
        rmSync(logFile, { force: true });
        const start = (before: Incarnation | undefined): Promise<Incarnation> => {
          const port = before?.address ? portOf(before.address) : first;
          // Whoever scrapes it goes by its address, too.
          const scraped = before?.httpAddress ? portOf(before.httpAddress) : number === 1 ? httpPort : shared;
          const given = { ...base, ...env, [variable]: String(port), [http]: String(scraped) };
          return startServiceProcess({ name: replica, entry, env: given, logFile, signal });
        };
        addresses.push(await keep(replica, logFile, start));
      }
      return addresses;
    },
    inside(name, address, close) {
      insiders.push({ name, pid: process.pid, address, log: '' });
      undo.push(close);
      note();
    },
    ready() {
      phase = 'ready';
      note();
    },
    lost: () => Promise.race(kept.map(({ supervised }) => supervised.lost)),
    async stop() {
      for (const step of undo.splice(0).reverse()) await step();
    },
  };
}
