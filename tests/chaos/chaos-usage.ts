/** Parts of `npm run chaos`, in their order. */
export const PARTS = ['kills', 'trainer', 'half-open', 'clock', 'upgrade', 'overload'] as const;
export type Part = (typeof PARTS)[number];

/** What `npm run chaos` takes. */
export const USAGE = {
  command: 'npm run chaos',
  about:
    'Faults and overload on a real mesh of two replicas each, every greedy answer compared with the undisturbed one.\n' +
    'Keeps a report under <ZMESH_HOME>/reports/. Exit status: 0 no faults, 1 faults, 2 wrong arguments, 130 Ctrl-C, 143 SIGTERM.',
  options: {
    only: { type: 'parts', parts: PARTS, help: 'parts to run; default all' },
    older: {
      type: 'folder',
      help: 'a built checkout of an older version, which upgrade mixes in; default: built from the history, where it is there',
    },
    rounds: {
      type: 'number',
      default: 2,
      min: 1,
      max: 1000,
      help: 'how often each kind of process is killed, and at how many publications of each kind a trainer is; 1000: at every one',
    },
    seed: {
      type: 'number',
      default: 1,
      min: 0,
      max: 2 ** 32 - 1,
      help: 'the same seed makes the same choices',
    },
  },
} as const;
