import { type Reading, readingOf } from './reading.js';
import type { Page, Scrape } from './scrape.js';

/** How a process does. */
export interface ProcessFigures {
  readonly name: string;
  readonly http: string;
  /** Why nothing is known; absent if it answered. */
  readonly fault?: string;
  /** These are null where it did not answer. */
  readonly uptimeS: number | null;
  /** Cores in use. */
  readonly cpu: number | null;
  readonly memoryBytes: number | null;
  /** 99th percentile of its event loop's delay. */
  readonly loopMs: number | null;
}

/** Times of one kind. */
export interface Times {
  /** Null where no dispatcher answered. */
  readonly count: number | null;
  /** Null where nothing was measured. */
  readonly p50Ms: number | null;
  readonly p99Ms: number | null;
}

/** How a model's engines do, all replicas together. */
export interface ModelFigures {
  readonly model: string;
  readonly waiting: { readonly interactive: number; readonly batch: number };
  readonly running: number;
  /** Mean rows of a step; null where there was none. */
  readonly rows: number | null;
  readonly stepP50Ms: number | null;
  readonly tokensPerS: number;
  readonly promptTokensPerS: number;
  readonly pages: { readonly running: number; readonly kept: number; readonly free: number };
  /** Share of prompt tokens that were in the prefix cache; null where there were none. */
  readonly prefixShare: number | null;
}

/** What `zmesh status` shows of a mesh. Null is what nobody told, since no process of the service that knows it answered. */
export interface Figures {
  /** What rates and times are of: so many seconds, or since each process's start (null). */
  readonly windowS: number | null;
  readonly processes: readonly ProcessFigures[];
  /** Services of which at least one process told its metrics. */
  readonly answered: readonly string[];
  readonly requests: {
    readonly perS: number;
    readonly count: number;
    readonly failed: number;
    readonly atWork: number;
    readonly limit: number;
  } | null;
  readonly firstPass: Times;
  readonly secondPass: Times;
  readonly firstToken: Times;
  readonly models: readonly ModelFigures[];
  readonly experts: { readonly resident: number; readonly bytes: number; readonly fetched: number } | null;
  readonly mixtures: { readonly resident: number; readonly bytes: number } | null;
  readonly registry: { readonly versions: number; readonly aliases: number } | null;
  /** Age of the oldest view of the registry that a dispatcher has, seconds. */
  readonly oldestViewS: number | null;
  /** Jobs of the trainers, that wait and that are worked on. */
  readonly jobs: { readonly queued: number; readonly running: number } | null;
  /** Inference replicas as the dispatcher sees them that sees the fewest. */
  readonly replicas: { readonly up: number; readonly down: number } | null;
}

const UP = { zmesh_replica_state: 'up' };
const DOWN = { zmesh_replica_state: 'down' };

/** Makes the figures of `now`; rates and times are of what happened after `before`, where there is none since the start. */
export function figuresOf(now: Scrape, before?: Scrape): Figures {
  const reading = readingOf(now, before);
  const processes = now.pages.map((page) => processFigures(page, now, before));
  const windowS = before ? (now.atMs - before.atMs) / 1000 : null;
  const seconds = windowS ?? Math.max(1e-3, ...processes.map(({ uptimeS }) => uptimeS ?? 0));
  const answered = servicesOf(now);
  const known = <T>(service: string, figures: () => T): T | null =>
    answered.includes(service) ? figures() : null;
  const dispatchers = now.pages.filter(({ service }) => service === 'dispatcher');
  const perDispatcher = (name: string, labels = {}): number[] =>
    dispatchers.map((page) => readingOf({ ...now, pages: [page] }).level(name, labels));
  const timesOf = (name: string, labels = {}): Times =>
    known('dispatcher', () => times(reading, name, labels)) ?? { count: null, p50Ms: null, p99Ms: null };
  return {
    windowS,
    processes,
    answered,
    requests: known('dispatcher', () => {
      const count = reading.increase('zmesh_requests_total') ?? 0;
      return {
        perS: count / seconds,
        count,
        failed: reading.increase('zmesh_errors_total') ?? 0,
        atWork: reading.level('zmesh_dispatcher_requests'),
        limit: reading.level('zmesh_dispatcher_requests_limit'),
      };
    }),
    firstPass: timesOf('zmesh_pass_duration', { zmesh_pass: 'first' }),
    secondPass: timesOf('zmesh_pass_duration', { zmesh_pass: 'second' }),
    firstToken: timesOf('gen_ai_server_time_to_first_token'),
    models: reading
      .values('zmesh_engine_running', 'gen_ai_request_model')
      .map((model) => modelFigures(reading, model, seconds)),
    experts: known('inference', () => ({
      resident: reading.level('zmesh_experts_resident'),
      bytes: reading.level('zmesh_experts_resident_size'),
      fetched: reading.increase('zmesh_experts_lookups_total', { zmesh_found: 'fetched' }) ?? 0,
    })),
    mixtures: known('inference', () => ({
      resident: reading.level('zmesh_spectra_resident'),
      bytes: reading.level('zmesh_spectra_resident_size'),
    })),
    registry: known('expert-registry', () => registryFigures(now)),
    oldestViewS: known('dispatcher', () => Math.max(...perDispatcher('zmesh_registry_age'))),
    jobs: known('trainer', () => jobFigures(now)),
    replicas: known('dispatcher', () => ({
      up: Math.min(...perDispatcher('zmesh_replicas', UP)),
      down: Math.max(...perDispatcher('zmesh_replicas', DOWN)),
    })),
  };
}

const servicesOf = ({ pages }: Scrape): readonly string[] =>
  [...new Set(pages.filter(({ fault }) => fault === undefined).map(({ service }) => service))].sort();

function processFigures(page: Page, now: Scrape, before: Scrape | undefined): ProcessFigures {
  const name = page.name === page.http && page.service ? page.service : page.name;
  if (page.fault !== undefined) {
    const unknown = { uptimeS: null, cpu: null, memoryBytes: null, loopMs: null };
    return { name, http: page.http, fault: page.fault, ...unknown };
  }
  const alone = readingOf({ ...now, pages: [page] }, before);
  const uptimeS = alone.level('process_uptime');
  const earlier = before?.pages.some(({ http, life }) => http === page.http && life === page.life);
  const seconds = earlier && before ? (now.atMs - before.atMs) / 1000 : uptimeS;
  return {
    name,
    http: page.http,
    uptimeS,
    cpu: seconds > 0 ? (alone.increase('process_cpu_time_total') ?? 0) / seconds : null,
    memoryBytes: alone.level('process_memory_usage'),
    loopMs: alone.level('nodejs_eventloop_delay_p99') * 1000,
  };
}

function modelFigures(reading: Reading, model: string, seconds: number): ModelFigures {
  const of = { gen_ai_request_model: model };
  const level = (name: string, labels = {}): number => reading.level(name, { ...of, ...labels });
  const increase = (name: string, labels = {}): number => reading.increase(name, { ...of, ...labels }) ?? 0;
  const steps = increase('zmesh_engine_step_rows_count');
  const prompt = increase('zmesh_engine_prompt_tokens_total');
  const pages = (state: string): number => level('zmesh_engine_pages', { zmesh_engine_pages_state: state });
  return {
    model,
    waiting: {
      interactive: level('zmesh_engine_queue_depth', { zmesh_priority: 'interactive' }),
      batch: level('zmesh_engine_queue_depth', { zmesh_priority: 'batch' }),
    },
    running: level('zmesh_engine_running'),
    rows: steps > 0 ? increase('zmesh_engine_step_rows_sum') / steps : null,
    stepP50Ms: milliseconds(reading.quantile('zmesh_engine_step_duration', 0.5, of)),
    tokensPerS: increase('zmesh_engine_output_tokens_total') / seconds,
    promptTokensPerS: prompt / seconds,
    pages: { running: pages('running'), kept: pages('kept'), free: pages('free') },
    prefixShare:
      prompt > 0 ? increase('zmesh_engine_prompt_tokens_total', { zmesh_found: 'resident' }) / prompt : null,
  };
}

/** Replicas of the trainer tell the same; one of them answered. */
function jobFigures(now: Scrape): NonNullable<Figures['jobs']> {
  const trainer = now.pages.filter(({ service }) => service === 'trainer').slice(0, 1);
  const level = (state: string): number =>
    readingOf({ ...now, pages: trainer }).level('zmesh_trainer_jobs', { zmesh_job_state: state });
  return { queued: level('queued'), running: level('running') };
}

/** Replicas of the registry hold the same; the one that holds the most is the most current. */
function registryFigures(now: Scrape): NonNullable<Figures['registry']> {
  const registries = now.pages.filter(({ service }) => service === 'expert-registry');
  const most = (name: string, labels = {}): number =>
    Math.max(...registries.map((page) => readingOf({ ...now, pages: [page] }).level(name, labels)));
  return {
    versions: most('zmesh_registry_versions', { zmesh_version_state: 'served' }),
    aliases: most('zmesh_registry_aliases'),
  };
}

function times(reading: Reading, name: string, labels = {}): Times {
  return {
    count: reading.increase(`${name}_count`, labels) ?? 0,
    p50Ms: milliseconds(reading.quantile(name, 0.5, labels)),
    p99Ms: milliseconds(reading.quantile(name, 0.99, labels)),
  };
}

const milliseconds = (seconds: number | undefined): number | null =>
  seconds === undefined ? null : seconds * 1000;
