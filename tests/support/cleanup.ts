/** Where cleanups are registered: a test's context, or `{ after }` of node:test for a whole file. */
export interface Cleanup {
  after(fn: () => Promise<void> | void): void;
}

/** Runs cleanups after the test (or file) in the reverse of their order, so that what leans on something goes first. */
export function lastFirst(owner: { after(fn: () => Promise<void>): void }): Cleanup {
  const stack: (() => Promise<void> | void)[] = [];
  owner.after(async () => {
    for (const fn of stack.reverse()) await fn();
  });
  return { after: (fn) => stack.push(fn) };
}
