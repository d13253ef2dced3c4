import { WatchExpertsResponse } from '#proto/zmesh/v1/expert_registry.js';
import { type RawAnswer, type RawClient, rawClient } from '../support/raw-grpc.js';
import { residentBytes } from '../support/resident-bytes.js';
import type { Canary } from './canary.js';
import type { Histogram } from './histogram.js';
import { judge } from './judge.js';
import { mebibytes } from './memory.js';
import type { Service } from './mesh.js';
import type { ServiceName } from './methods.js';
import { type HostileRequest, requestsDigest } from './requests.js';
import type { SlowCalls } from './slow-calls.js';

/** Against whom. */
export type Services = Readonly<Record<ServiceName, Service>>;

/** What is sent, and how much of it. */
export interface CampaignOptions {
  readonly services: Services;
  readonly canary: Canary;
  readonly request: (index: number) => HostileRequest;
  readonly count: number;
  /** Counts what came of it. */
  readonly histogram: Histogram;
  /** Keeps those that took longest. */
  readonly slowCalls: SlowCalls;
  /** Hears how far it is. */
  readonly say: (line: string) => void;
}

/** What a campaign found. */
export interface CampaignResult {
  /** One line each. */
  readonly faults: readonly string[];
  /** Resident bytes of each service at each tenth, the start first. */
  readonly resident: Readonly<Record<ServiceName, readonly number[]>>;
}

/** Requests at once. */
const CONCURRENCY = 32;
/** A call from which nothing comes for so long is told to hang. */
const SILENCE_MS = 60_000;
/** However much it tells, a call has an end by then. */
const PATIENCE_MS = 600_000;
/** Streams may be longer than anybody reads: a caller leaves after so many messages, as a rule. */
const READ_MAX = 40;
/** Every so many of them are read to the end. */
const WHOLE_EVERY = 100;
const TENTHS = 10;

/** Sends the requests and judges every answer; between the tenths it looks at memory, processes and the canary. */
export async function runCampaign(options: CampaignOptions): Promise<CampaignResult> {
  const { services, canary, count, say, histogram } = options;
  const names = Object.keys(services) as ServiceName[];
  const clients = new Map(names.map((name) => [name, rawClient(services[name].address)]));
  const resident = Object.fromEntries(
    names.map((name) => [name, [residentBytes(services[name].pid)]]),
  ) as Record<ServiceName, number[]>;
  const faults: string[] = [];
  const ended: string[] = [];
  for (const name of names) void services[name].exited.then((how) => ended.push(`${name} ended: ${how}`));
  const digest = requestsDigest();
  const startMs = performance.now();
  try {
    for (let tenth = 0; tenth < TENTHS && ended.length === 0; tenth += 1) {
      const [first, end] = [tenth, tenth + 1].map((n) => Math.floor((n * count) / TENTHS)) as [
        number,
        number,
      ];
      await sendAll({ ...options, clients, digest, faults, ended, first, end });
      for (const name of names) resident[name].push(residentBytes(services[name].pid));
      if (ended.length === 0) await canary.check();
      const seconds = (performance.now() - startMs) / 1000;
      const memory = names.map((name) => `${name} ${mebibytes(resident[name].at(-1)!)}`).join(', ');
      say(
        `${end} of ${count}, ${Math.round(end / seconds)} a second, ${faults.length} faults, ${memory} MiB`,
      );
    }
  } finally {
    for (const client of clients.values()) client.close();
  }
  histogram.noteDigest(digest.hex());
  return { faults: [...faults, ...ended], resident };
}

interface Sending extends CampaignOptions {
  readonly clients: ReadonlyMap<ServiceName, RawClient>;
  readonly digest: ReturnType<typeof requestsDigest>;
  readonly faults: string[];
  readonly ended: readonly string[];
  readonly first: number;
  readonly end: number;
}

async function sendAll(sending: Sending): Promise<void> {
  const { request, digest, end, ended } = sending;
  let next = sending.first;
  const worker = async (): Promise<void> => {
    while (next < end && ended.length === 0) {
      const index = next++;
      const made = request(index);
      digest.add(made);
      await sendOne(made, index, sending);
    }
  };
  await Promise.all(Array.from({ length: CONCURRENCY }, worker));
}

async function sendOne(request: HostileRequest, index: number, sending: Sending): Promise<void> {
  const { method, messages, cancelAfter, serverTimeout } = request;
  const reads = readLimit(request, index);
  let caughtUp = false;
  const answer = await sending.clients.get(method.service)!.call({
    path: method.path,
    kind: method.kind,
    messages,
    deadlineMs: request.deadlineMs ?? PATIENCE_MS,
    silenceMs: SILENCE_MS,
    ...(serverTimeout ? { serverTimeout: `${request.deadlineMs}m` } : {}),
    ...leaving(cancelAfter ?? reads),
    leaveAfter: (message) => {
      caughtUp = method.name === 'WatchExperts' && WatchExpertsResponse.decode(message).current;
      return caughtUp;
    },
  });
  const enough = cancelAfter === undefined && (caughtUp || answer.messages.length === reads);
  const { outcome, fault } = enough ? { outcome: 'OK' } : judge(request, answer, sending.canary.baseHash);
  sending.histogram.count(request, enough ? 'OK' : outcome);
  sending.slowCalls.note(request, index, answer);
  if (fault !== undefined) sending.faults.push(describe(request, index, answer, fault));
}

const leaving = (cancelAfter: number | undefined) => (cancelAfter === undefined ? {} : { cancelAfter });

/** After how many answers a patient caller leaves: a watch never ends, and what dumps the registry may be long. */
function readLimit({ method }: HostileRequest, index: number): number | undefined {
  if (method.name === 'WatchExperts') return READ_MAX;
  if (method.name !== 'VerifyRegistry' && method.name !== 'ExportRegistry') return undefined;
  return Math.floor(index / 23) % WHOLE_EVERY === 0 ? undefined : READ_MAX;
}

function describe(request: HostileRequest, index: number, answer: RawAnswer, fault: string): string {
  const { method, making, messages } = request;
  const bytes = Buffer.concat(messages).subarray(0, 120).toString('hex');
  return `request ${index}, ${method.name} (${making}), code ${answer.code}: ${fault.slice(0, 400)} [${bytes}]`;
}
