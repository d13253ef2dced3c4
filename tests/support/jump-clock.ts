const Real = Date;
let shiftMs = 0;

/** `Date`, which tells the time `shiftMs` later than it is. */
class ShiftedDate extends Real {
  constructor(...given: [] | [number | string | Date]) {
    if (given.length === 0) super(Real.now() + shiftMs);
    else super(...given);
  }

  static override now(): number {
    return Real.now() + shiftMs;
  }
}

/** Sets the wall clock of this process so far off; 0 sets it right. The monotonic clock and timers go on as they do when somebody sets a clock. */
export function jumpClock(byMs: number): void {
  shiftMs = byMs;
  globalThis.Date = (byMs === 0 ? Real : ShiftedDate) as DateConstructor;
}
