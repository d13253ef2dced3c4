import { EventEmitter, once } from 'node:events';
import { ExpertPublished, RegistryEvent } from '#proto/zmesh/v1/events.js';
import {
  ExpertKind,
  ExpertRegistryServiceService,
  ExpertSpec,
  ExpertVersion,
} from '#proto/zmesh/v1/expert_registry.js';
import { ZmeshError } from '#shared/errors.js';
import { sha256Hex } from '#shared/ids.js';
import { createLog } from '#shared/log.js';
import { bind } from '#shared/rpc/bind.js';
import { serve } from '#shared/rpc/server.js';

/** A registry that holds events in memory, over real gRPC: watches, GetExpert, and what a test publishes by hand. */
export interface FakeRegistry {
  readonly address: string;
  /** Publishes a version; its hash is made of `content`. Returns the version. */
  publish(expert: Partial<ExpertPublished> & { readonly expert: string }, content?: string): string;
  /** Moves an alias; an empty version removes it. */
  alias(expert: string, alias: string, version: string, model?: string): void;
  retire(expert: string, version: string, model?: string): void;
  /** A version that GetExpert knows and the watch has not told yet. */
  hide(expert: Partial<ExpertPublished> & { readonly expert: string }): string;
  /** Revisions that watches began after. */
  readonly watches: bigint[];
  /** Names that were asked for. */
  readonly lookUps: string[];
  /** True: GetExpert answers that the registry cannot be reached, as when NATS is away. */
  away: boolean;
  /** Forgets all revisions up to now: a resumed watch is refused. */
  compact(): void;
  /** Goes away, cutting off watches. */
  stop(): Promise<void>;
  /** Comes back at the same address. */
  restart(): Promise<void>;
}

/** Starts one, empty, whose models' basis is `fakeModel`'s. */
export async function startFakeRegistry(): Promise<FakeRegistry> {
  const events: RegistryEvent[] = [];
  const hidden: ExpertPublished[] = [];
  const changed = new EventEmitter().setMaxListeners(0);
  const watches: bigint[] = [];
  const lookUps: string[] = [];
  let compacted = 0n;

  const add = (change: RegistryEvent['change']): void => {
    events.push(RegistryEvent.create({ revision: BigInt(events.length + 1), change: change as never }));
    changed.emit('change');
  };
  const services = [
    bind(
      { ...pick('watchExperts', 'getExpert') },
      {
        async *watchExperts({ afterRevision }, call) {
          watches.push(afterRevision);
          if (afterRevision > 0n && afterRevision < compacted)
            throw new ZmeshError('REVISION_UNAVAILABLE', `revision ${afterRevision} is no longer kept`);
          let sent = Number(afterRevision);
          for (let marked = false; ; marked = true) {
            while (sent < events.length) {
              const event = events[sent++]!;
              yield { revision: event.revision, event, current: marked };
            }
            if (!marked) yield { revision: BigInt(sent), event: undefined, current: true };
            if (sent === events.length) await once(changed, 'change', { signal: call.signal });
          }
        },
        async getExpert({ name }) {
          lookUps.push(name);
          if (registry.away) throw new ZmeshError('REGISTRY_UNAVAILABLE', 'NATS cannot be reached');
          return { expert: find(name, [...hidden]) };
        },
      },
    ),
  ];
  const log = createLog('fake', { ZMESH_LOG_LEVEL: 'silent' });
  let server = await serve({ host: '127.0.0.1', port: 0, services, log });
  const { port, address } = server;
  const registry: FakeRegistry = {
    away: false,
    address,
    watches,
    lookUps,
    publish(expert, content = '') {
      const value = entryOf(expert, content);
      add({ $case: 'expertPublished', value });
      return value.version;
    },
    alias: (expert, alias, version, model = 'nano') =>
      add({ $case: 'aliasMoved', value: { model, expert, alias, version } }),
    retire: (expert, version, model = 'nano') =>
      add({ $case: 'expertRetired', value: { model, expert, version } }),
    hide(expert) {
      const value = entryOf(expert, 'hidden');
      hidden.push(value);
      return value.version;
    },
    compact() {
      compacted = BigInt(events.length + 1);
    },
    stop: () => server.drain(0),
    async restart() {
      server = await serve({ host: '127.0.0.1', port, services, log });
    },
  };
  return registry;
}

function pick<K extends keyof typeof ExpertRegistryServiceService>(
  ...names: readonly K[]
): Pick<typeof ExpertRegistryServiceService, K> {
  return Object.fromEntries(names.map((name) => [name, ExpertRegistryServiceService[name]])) as Pick<
    typeof ExpertRegistryServiceService,
    K
  >;
}

function entryOf(
  expert: Partial<ExpertPublished> & { readonly expert: string },
  content: string,
): ExpertPublished {
  const model = expert.model ?? 'nano';
  return {
    ...ExpertPublished.create({
      model,
      basisId: `${sha256Hex(model)}:1`,
      label: expert.classifier ? '' : expert.expert,
    }),
    version: sha256Hex(model, expert.expert, content),
    ...expert,
  };
}

function find(name: string, hidden: readonly ExpertPublished[]): ExpertVersion {
  const found = hidden.find(({ model, expert, version }) => name === `${model}/${expert}@${version}`);
  if (!found)
    throw new ZmeshError('UNKNOWN_EXPERT', `the registry has no "${name}"`, { names: { expert: name } });
  const { model, expert, version, label, basisId, classifier } = found;
  const kind: ExpertKind = classifier ? ExpertKind.CLASSIFIER : ExpertKind.TASK;
  return ExpertVersion.create({
    version,
    spec: ExpertSpec.create({ model, name: expert, label, basisId, kind }),
  });
}
