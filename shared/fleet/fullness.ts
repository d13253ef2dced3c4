import { Priority } from '#proto/zmesh/v1/common.js';
import type { ZmeshError } from '../errors.js';

/** Who asks, as far as a queue looks at it. */
export interface Caller {
  readonly model: string;
  readonly priority: Priority;
  /** How long it waits, milliseconds; infinite = for ever. */
  readonly leftMs: number;
}

/** How many calls a replica has from here, and when it is. Times are performance.now's. */
export interface Now {
  readonly inFlight: number;
  /** Default: now. */
  readonly nowMs?: number;
}

interface Refused {
  readonly error: ZmeshError;
  /** Callers who wait no longer than this would be refused as well. */
  readonly leftMs: number;
  /** Until then nobody is sent. */
  readonly heldMs: number;
  /** When the last refusal came. */
  readonly atMs: number;
  /** Calls at once from here on; falls with refusals, rises with answers. */
  limit: number;
  /** When it fell: calls that began before say nothing new. */
  readonly cutMs: number;
}

/** Part of the time in which a full queue is worked off for which nobody is sent: most of it is still there then. */
const HELD = 1 / 8;
const HELD_MS_MAX = 1000;
/** Of the calls at once that were too many, so many are not; a tenth of a queue is little beside the work in it. */
const CUT = 0.9;
/** What an answer adds to the calls at once: ten answers try one more. */
const RISE = 0.1;
/** What a refusal told is forgotten when so long none followed. */
const FORGET_MS = 10_000;
/** Patience within a tenth is the same: callers with one timeout arrive with a little more or less left of it. */
const ALIKE = 1.1;

/**
 * What a replica's refusals tell about the calls to come. For an eighth of its retry-after nobody of the same priority who waits
 * as long or less is worth sending there, and then only as many at once as it bore. A refusal is on its way for a while, longest
 * under load; what a crowd sent meanwhile would cost more than the answers.
 */
export class Fullness {
  readonly #refused = new Map<string, Refused>();

  /** Notes that the replica refused a call that began at `startMs`. Other errors than QUEUE_FULL tell nothing. */
  note(
    caller: Caller,
    error: ZmeshError,
    { inFlight, startMs, nowMs = performance.now() }: Now & { readonly startMs: number },
  ): void {
    if (error.reason !== 'QUEUE_FULL' || error.retryAfterMs === undefined) return;
    const known = this.#known(caller, nowMs);
    const again = known === undefined || startMs > known.cutMs;
    const bound = Math.min(known?.limit ?? Number.POSITIVE_INFINITY, inFlight);
    this.#refused.set(keyOf(caller), {
      error,
      // Of calls that were under way together, the most patient caller's counts.
      leftMs: again ? caller.leftMs : Math.max(known.leftMs, caller.leftMs),
      heldMs: nowMs + Math.min(HELD_MS_MAX, error.retryAfterMs * HELD),
      atMs: nowMs,
      limit: again ? Math.max(1, bound * CUT) : known.limit,
      cutMs: again ? nowMs : known.cutMs,
    });
  }

  /** Notes that the replica answered a call. */
  answered(caller: Caller): void {
    const known = this.#refused.get(keyOf(caller));
    if (known) known.limit += RISE;
  }

  /** With what the replica would refuse this caller just now: the error that it sent to another one. Undefined = not known. */
  refusal(caller: Caller, { inFlight, nowMs = performance.now() }: Now): ZmeshError | undefined {
    const known = this.#known(caller, nowMs);
    if (!known || caller.leftMs > known.leftMs * ALIKE) return undefined;
    return nowMs < known.heldMs || inFlight >= known.limit ? known.error : undefined;
  }

  #known(caller: Caller, nowMs: number): Refused | undefined {
    const known = this.#refused.get(keyOf(caller));
    return known && nowMs - known.atMs < FORGET_MS ? known : undefined;
  }
}

const keyOf = ({ model, priority }: Caller): string =>
  `${priority === Priority.BATCH ? 'batch' : 'interactive'} ${model}`;
